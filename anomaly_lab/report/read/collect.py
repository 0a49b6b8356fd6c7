"""Finds the runs below some folders and says of each how far it came; none is dropped in silence."""

import csv
import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from anomaly_lab.errors import UserError
from anomaly_lab.progress import bar
from anomaly_lab.report.read.multirun import unstarted
from anomaly_lab.runs.directory import FAILURE
from anomaly_lab.runs.lock import CLAIM, in_use

FINISHED, NOT_STARTED = "finished", "not started"
NEEDED = ("data", "category", "objective", "seed")  # without these a record can't be put anywhere
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # plain data only, like everything that a report reads
STATES = (FINISHED, "running", "stopped", "failed", "unreadable", NOT_STARTED)


@dataclass(frozen=True)
class Run:
    """One run directory: its state (one of STATES), its records as far as there are any, and what else is known of it. Of a
    job that has not started, the path is its multirun's."""

    path: Path
    state: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    note: str = ""
    folder: str = ""  # what its data's root is called among those of the other runs, see `told_apart`

    @cached_property
    def scores(self) -> list[dict[str, str]]:
        """The rows of scores.csv, none where there is no such file."""
        return _rows(self.path / "scores.csv")

    @cached_property
    def levels(self) -> list[dict[str, str]]:
        """The rows of levels.csv, none where there is no such file."""
        return _rows(self.path / "levels.csv")

    @cached_property
    def environment(self) -> dict[str, Any]:
        """environment.json, empty where there is none."""
        try:
            return dict(json.loads((self.path / "environment.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return {}

    @property
    def commit(self) -> str:
        """The state of the code that it ran with."""
        git = self.environment.get("git") or {}
        return str(git.get("commit", "unknown"))[:8] + (" (changed)" if git.get("dirty") else "")


def collect(folders: Iterable[Path]) -> list[Run]:
    """Every run in or below `folders`, in the order of their paths, each once, then the jobs that have not started. UserError
    for a folder without any."""
    paths: dict[Path, None] = {}
    waiting: dict[Path, list[Run]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder: set runs= to a folder with runs in it")
        here = list(_directories(folder.resolve()))
        for record in sorted(folder.resolve().rglob("multirun.yaml")):
            note = "its multirun has not come to it"
            waiting[record] = [Run(record.parent, NOT_STARTED, overrides=job, note=note) for job in unstarted(record)]
        if not here and not any(waiting.values()):
            raise UserError(f"{folder} holds no run: set runs= to a folder that python -m anomaly_lab.train has written to")
        paths |= dict.fromkeys(here)
    found = []
    with bar("Reading runs") as update:
        for done, path in enumerate(sorted(paths, key=_natural), start=1):
            found.append(read(path))
            update(done, len(paths))
    called = told_apart(root for run in found if (root := _root(run)))
    found = [dataclasses.replace(run, folder=called.get(_root(run), "")) for run in found]
    return [*found, *itertools.chain.from_iterable(waiting.values())]


def told_apart(roots: Iterable[str]) -> dict[str, str]:
    """Each folder → its last part, or as many of the last ones as tell it from all others."""
    parts = {root: Path(root).parts for root in roots}

    def ending(root: str, count: int) -> str:
        return Path(*parts[root][-count:]).as_posix()

    found = {}
    for root in parts:
        counts = range(1, len(parts[root]) + 1)
        alone = (n for n in counts if [ending(other, n) for other in parts].count(ending(root, n)) == 1)
        found[root] = ending(root, next(alone, len(parts[root])))
    return found


def _root(run: Run) -> str:
    data = run.config.get("data")
    return str((data.get("root") if isinstance(data, dict) else None) or "")


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError):
        return []


def _directories(folder: Path) -> Iterator[Path]:
    """Run directories in `folder` and below; what lies inside of a run is the run's own."""
    if _is_run(folder):
        yield folder
        return
    try:
        children = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return
    for child in children:
        if child.name not in (".hydra", ".git"):
            yield from _directories(child)


def _is_run(folder: Path) -> bool:
    if (folder / "metrics.json").is_file() or (folder / CLAIM).is_file():
        return True
    try:  # a job that failed early leaves Hydra's records only; those of other commands are no runs
        record = (folder / ".hydra/hydra.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return any(f"\n    name: {command}\n" in record for command in ("train", "evaluate"))


def read(path: Path) -> Run:
    """The run in `path`, whatever state it is in."""
    known: dict[str, Any] = {"overrides": _overrides(path)}
    try:
        known["config"] = _config(path)
        if (path / "metrics.json").is_file():
            return Run(path, FINISHED, metrics=_metrics(path), **known)
    except ValueError as error:
        return Run(path, "unreadable", note=str(error), **known)
    steps = _steps(path)
    reached = f"at step {steps}" if steps else "before its first logged step"
    if in_use(path):
        return Run(path, "running", note=reached, **known)
    if (failure := _text(path / FAILURE)) is not None:
        return Run(path, "failed", note=failure, **known)
    if (path / "source.json").is_file():
        return Run(path, "stopped", note="an evaluation: start it again", **known)
    if known["config"]:
        note = f"{reached}; to go on: python -m anomaly_lab.train resume={path}"
        return Run(path, "stopped", note=note, **known)
    return Run(path, "failed", note="before its training started", **known)


def _metrics(path: Path) -> dict[str, Any]:
    """metrics.json. ValueError where it is damaged or lacks what a run always has."""
    try:
        record = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"metrics.json is damaged ({error})") from error
    if not isinstance(record, dict) or (missing := [name for name in NEEDED if name not in record]):
        raise ValueError(f"metrics.json lacks {', '.join(missing) if isinstance(record, dict) else 'an object'}")
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}


def _config(path: Path) -> dict[str, Any]:
    """config.yaml, empty where there is none. ValueError where it is damaged."""
    if not (path / "config.yaml").is_file():
        return {}
    try:
        config = yaml.load((path / "config.yaml").read_text(encoding="utf-8"), _Loader)  # ten times faster than OmegaConf's
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"config.yaml is damaged ({' '.join(str(error).split())})") from error
    if not isinstance(config, dict):
        raise ValueError("config.yaml is no mapping")
    return config


def _overrides(path: Path) -> tuple[str, ...]:
    try:
        return tuple(str(line) for line in yaml.safe_load((path / ".hydra/overrides.yaml").read_text(encoding="utf-8")) or ())
    except (OSError, ValueError, TypeError, yaml.YAMLError):
        return ()


def _steps(path: Path) -> int:
    """The last step in metrics.csv, 0 where there is none."""
    try:
        with (path / "metrics.csv").open(newline="", encoding="utf-8") as file:
            return max((int(row["step"]) for row in csv.DictReader(file)), default=0)
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _text(path: Path) -> str | None:
    try:
        return " ".join(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError):
        return None


def _natural(path: Path) -> list[Any]:
    """Job 2 of a multirun before job 10."""
    name, _, rest = path.name.partition("_")
    return [*path.parts[:-1], f"{int(name):06d}" if name.isdecimal() else name, rest]

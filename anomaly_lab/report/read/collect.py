"""Find the runs below some folders, with or without a result, and the jobs of their multiruns that have not started."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from anomaly_lab.errors import UserError, is_text
from anomaly_lab.progress import watched
from anomaly_lab.report.read.run import NOT_STARTED, Run, read
from anomaly_lab.runs.lock import CLAIM


def collect(folders: Iterable[Path]) -> list[Run]:
    """Every run in or below `folders` once, in the order of the paths; then the jobs that have not started.

    UserError for a folder that does not exist or holds no run, and for a run whose name is no text.
    """
    paths: dict[Path, None] = {}
    places: dict[Path, str] = {}
    waiting: dict[Path, list[Run]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder: set runs= to a folder with runs in it")
        top = folder.resolve()
        here = list(_directories(top))
        for record in sorted(top.rglob("multirun.yaml")):
            note = "its multirun has not started it yet"
            waiting[record] = [Run(record.parent, NOT_STARTED, overrides=job, note=note) for job in unstarted(record)]
        if not here and not any(waiting.values()):
            raise UserError(f"{folder} holds no run: set runs= to a folder that python -m anomaly_lab.train has written to")
        paths |= dict.fromkeys(here)
        places = {path: path.relative_to(top).as_posix() for path in here if path != top} | places
    for path in paths:
        if not is_text(str(path)):
            raise UserError(f"{path} has a name that is no text in UTF-8: rename it")
    found = [read(path) for path in watched(sorted(paths, key=_natural), "Reading runs", len(paths))]
    names = told_apart(run.root for run in found if run.root)
    found = [replace(run, folder=names.get(run.root, ""), place=places.get(run.path, run.path.name)) for run in found]
    return [*found, *itertools.chain.from_iterable(waiting.values())]


def told_apart(roots: Iterable[str]) -> dict[str, str]:
    """Each folder → a name that differs from the others' names: its last part, or as many of the last parts as that takes."""
    parts = {root: Path(root).parts for root in roots}
    found = {}
    for root, own in parts.items():
        counts = range(1, len(own) + 1)
        alone = (n for n in counts if [other[-n:] for other in parts.values()].count(own[-n:]) == 1)
        found[root] = Path(*own[-next(alone, len(own)) :]).as_posix()
    return found


def _directories(folder: Path) -> Iterator[Path]:
    """Run directories in `folder` and below. A run's own subfolders are not searched."""
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
    try:
        if (folder / "metrics.json").is_file() or (folder / CLAIM).is_file():
            return True
        # a job that failed early leaves Hydra's records only; other commands leave them too, but make no runs
        record = (folder / ".hydra/hydra.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return any(f"\n    name: {command}\n" in record for command in ("train", "evaluate"))


def _natural(path: Path) -> list[Any]:
    """A key for sorting: job 2 of a multirun comes before job 10."""
    name, _, rest = path.name.partition("_")
    return [*path.parts[:-1], f"{int(name):06d}" if name.isdecimal() else name, rest]


def unstarted(record: Path) -> Iterator[tuple[str, ...]]:
    """The overrides of each job of the multirun `record` (a multirun.yaml) that has no directory.

    Only the jobs of Hydra's BasicSweeper are known beforehand; nothing is yielded for another sweeper or a damaged record.
    """
    try:
        config: Any = OmegaConf.load(record)
        sweeper = config.hydra.sweeper
        if not str(sweeper._target_).endswith(".BasicSweeper"):
            return
        given = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        jobs = _jobs([*given, *config.hydra.overrides.task])
        # Hydra's own record of a job identifies it; the name of its directory is shortened
        started = {frozenset(OmegaConf.load(path)) for path in record.parent.glob("*/.hydra/overrides.yaml")}
    except (OSError, YAMLError, OmegaConfBaseException, HydraException, ValueError, AttributeError, KeyError, TypeError):
        return
    yield from (job for job in jobs if frozenset(job) not in started)


def _jobs(overrides: list[str]) -> list[tuple[str, ...]]:
    """The overrides of each job in Hydra's order: every combination, the last key changing fastest."""
    values: dict[str, list[str]] = {}
    for override in OverridesParser.create().parse_overrides(overrides):
        swept, key = override.is_sweep_override(), override.get_key_element()
        values[key] = list(override.sweep_string_iterator()) if swept else [override.get_value_element_as_str()]
    return [tuple(f"{k}={v}" for k, v in zip(values, job, strict=True)) for job in itertools.product(*values.values())]

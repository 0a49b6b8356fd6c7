"""One run directory as the report reads it: its state and its records. Nothing here loads a network."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from anomaly_lab.files import READ
from anomaly_lab.runs.directory import FAILURE
from anomaly_lab.runs.lock import in_use

FINISHED, NOT_STARTED = "finished", "not started"
STATES = (FINISHED, "calibrated", "running", "stopped", "failed", "unreadable", NOT_STARTED)
NEEDED = ("data", "category", "objective", "seed")  # no table has a place for a metrics.json without these
# values of metrics.json that tables and plots compute with; the others are texts
NUMBER = re.compile(
    r"(image_|pixel_|flat_|gradient_|spread_|brightness_|trivial_|only_|without_|tpr|tnr|aupro|n_).*"
    r"|lam|aupimo|relative_error|false_alarm_rate|seed|stored_size|steps|train_seconds|train_size|proxy_ap|threshold|min_area|sigma"
)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both load plain data only; the one in C is faster


@dataclass(frozen=True)
class Run:
    """One run: a state (one of STATES) and the records that its directory has; a missing record is empty.

    path:      the run's directory; for a job that has not started, the directory of its multirun
    metrics:   metrics.json; a value that is not finite is None
    config:    config.yaml, nested
    overrides: what the command line set
    note:      for a run without a result, what is known about it
    folder:    the name of its data's root folder, long enough to differ from those of the other runs (`told_apart`)
    place:     its path below the folder that was searched; None for a job that has not started
    """

    path: Path
    state: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    note: str = ""
    folder: str = ""
    place: str | None = None

    @cached_property
    def scores(self) -> list[dict[str, str]]:
        """The rows of scores.csv; none if there is no such file. ValueError if it is damaged."""
        rows: list[dict[str, str]] | None = _read(self.path / "scores.csv", _rows, None)
        lacking = any({"path", "label", "defect", "score", "predicted"} - row.keys() for row in rows or [])
        if (rows is None and (self.path / "scores.csv").exists()) or lacking:
            raise ValueError("scores.csv is damaged")
        return rows or []

    @cached_property
    def levels(self) -> list[dict[str, str]]:
        """The rows of levels.csv; none if there is no such file."""
        return list(_read(self.path / "levels.csv", _rows, []))

    @cached_property
    def environment(self) -> dict[str, Any]:
        """environment.json; empty if there is none."""
        return dict(_read(self.path / "environment.json", lambda text: dict(json.loads(text)), {}))

    @cached_property
    def source_run(self) -> "Run | None":
        """The run that trained the network, if this one is an evaluation (metrics.json has `source_run`)."""
        trained = self.metrics.get("source_run")
        return None if trained is None else read(Path(str(trained)))

    @property
    def commit(self) -> str:
        """The state of the code: eight digits of the commit, "(changed)" if there were uncommitted changes, or "unknown"."""
        git = self.environment.get("git") or {}
        return str(git.get("commit", "unknown"))[:8] + (" (changed)" if git.get("dirty") else "")

    @property
    def minutes(self) -> float | None:
        """The minutes that the training took; None if they are not recorded."""
        seconds = self.metrics.get("train_seconds")
        return None if seconds is None else seconds / 60

    @property
    def root(self) -> str:
        """The folder of its data (data.root); empty if it is not recorded."""
        data = self.config.get("data")
        return str((data.get("root") if isinstance(data, dict) else None) or "")


def read(path: Path) -> Run:
    """The run in the directory `path`, in whatever state it is."""
    overrides = _read(path / ".hydra/overrides.yaml", lambda text: tuple(map(str, yaml.safe_load(text) or ())), ())
    known: dict[str, Any] = {"overrides": overrides}
    try:
        known["config"] = _config(path)
        if (path / "metrics.json").is_file():
            run = Run(path, FINISHED, metrics=_metrics(path), **known)
            _ = run.scores  # to see whether they can be read
            return run
    except ValueError as error:
        return Run(path, "unreadable", note=str(error), **known)
    steps = _read(path / "metrics.csv", lambda text: max((int(row["step"]) for row in _rows(text)), default=0), 0)
    reached = f"at step {steps}" if steps else "before its first logged step"
    if in_use(path):
        return Run(path, "running", note=reached, **known)
    if (failure := _read(path / FAILURE, lambda text: " ".join(text.split()), None)) is not None:
        return Run(path, "failed", note=failure, **known)
    if _read(path / "source.json", json.loads, {}).get("calibrated_on"):
        return Run(path, "calibrated", note="a calibration: it has a threshold and no test", **known)
    if (path / "source.json").is_file():
        return Run(path, "stopped", note="an evaluation: start it again", **known)
    if known["config"]:
        return Run(path, "stopped", note=f"{reached}; to continue: python -m anomaly_lab.train resume={path}", **known)
    return Run(path, "failed", note="before its training started", **known)


def _metrics(path: Path) -> dict[str, Any]:
    """metrics.json. ValueError if it is damaged, lacks one of NEEDED, or has a value of another kind."""
    try:
        record = json.loads((path / "metrics.json").read_text(encoding=READ))
    except (OSError, ValueError) as error:
        raise ValueError(f"metrics.json is damaged ({error})") from error
    if not isinstance(record, dict) or (missing := [name for name in NEEDED if name not in record]):
        raise ValueError(f"metrics.json lacks {', '.join(missing) if isinstance(record, dict) else 'an object'}")
    for name, value in record.items():
        kinds: tuple[type, ...] = (int, float) if NUMBER.fullmatch(name) else (str, int, float)
        if value is not None and not isinstance(value, kinds) and not name.startswith("calibration_"):
            raise ValueError(f"metrics.json is damaged ({name} is {value})")
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}


def _config(path: Path) -> dict[str, Any]:
    """config.yaml; empty if there is none. ValueError if it is damaged."""
    try:
        config = yaml.load((path / "config.yaml").read_text(encoding="utf-8"), _Loader)  # ten times faster than OmegaConf
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"config.yaml is damaged ({' '.join(str(error).split())})") from error
    if not isinstance(config, dict):
        raise ValueError("config.yaml is no mapping")
    return config


def _read(path: Path, parse: Callable[[str], Any], missing: Any) -> Any:
    """What `parse` makes of a file's text; `missing` if there is no such file or it is damaged."""
    try:
        with path.open(newline="", encoding=READ) as file:
            return parse(file.read())
    except (OSError, ValueError, KeyError, TypeError, csv.Error, yaml.YAMLError):
        return missing


def _rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file. ValueError if one is shorter or longer than the head."""
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("a row is not whole")
    return rows

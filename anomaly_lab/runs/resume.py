"""What a run's directory holds already, beside what is to be run there: nothing, the same run finished or cut off, or another.

The same run has the same configuration (but for what says nothing about the result), was made by the same code, and saw the
same data: then a sweep that is started again need not repeat it, and a run that was cut off goes on exactly.
"""

import json
import logging
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from anomaly_lab import files
from anomaly_lab.errors import Refused
from anomaly_lab.runs import directory, environment, fingerprint, lock

log = logging.getLogger(__name__)
SUPERSEDED = "superseded"  # the folder in a job's directory for what other code or data gave
KEPT = (SUPERSEDED, lock.CLAIM, ".hydra", "train.log")  # what stays in place: it belongs to the process at work


class State(Enum):
    """Of a run in its directory."""

    NEW = "new"
    CUT_OFF = "cut off"
    FINISHED = "finished"


def fingerprints(config: DictConfig, data: str) -> dict[str, str]:
    """Digests of configuration, code and data, as environment.json keeps them."""
    return {"config": files.digest(fingerprint.normalised(config)), "code": fingerprint.code(environment.HERE), "data": data}


def state(run: Path, config: DictConfig, prints: Mapping[str, str], in_sweep: bool) -> State:
    """Where the run that `config` and `prints` describe stands in `run`, which this process holds.

    What another configuration, other code or other data left there is put aside in a sweep; else it is Refused, with
    what differs. So is, outside of a sweep, a run that has finished.
    """
    if not (run / "config.yaml").is_file():
        return State.NEW
    stored = OmegaConf.load(run / "config.yaml")
    differing = fingerprint.differences(stored, config)
    differing += [f"the {what} has changed since this run began" for what in changed(run, prints)]
    finished = (run / "metrics.json").is_file()
    if in_sweep:
        if differing:
            log.info("%s: %s; run anew", run, "; ".join(differing))
            put_aside(run)
            return State.NEW
        return State.FINISHED if finished else State.CUT_OFF
    directory.refuse_other(run, differing)
    return State.CUT_OFF


def changed(run: Path, prints: Mapping[str, str]) -> list[str]:
    """Which of "code" and "data" differ from those that the run in `run` began with. A missing record counts as a change."""
    kept = _stored(run).get("fingerprint", {})
    return [what for what in ("code", "data") if kept.get(what) != prints[what]]


def _stored(run: Path) -> dict[str, Any]:
    """What environment.json says, nothing where there is none."""
    try:
        record: dict[str, Any] = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record


def require_same_data(run: Path, prints: Mapping[str, str]) -> None:
    """For resume=: Refused where the images have changed since the run began; a warning where the code has."""
    differing = changed(run, prints)
    if "data" in differing:
        raise Refused(f"{run} began with other images than there are now: restore them, or start a new run")
    if differing:
        log.warning("%s began with other code than this: what comes out may differ from an uninterrupted run", run)


def put_aside(run: Path) -> Path:
    """Move what a run left in `run` to its folder superseded/<number>, which is returned."""
    numbers = [int(path.name) for path in (run / SUPERSEDED).glob("*") if path.name.isdigit()]
    folder = run / SUPERSEDED / str(max(numbers, default=0) + 1)
    folder.mkdir(parents=True)
    # config.yaml last: as long as it is there, a process that is killed meanwhile leaves a run to be put aside
    for path in sorted(run.iterdir(), key=lambda path: path.name == "config.yaml"):
        if path.name not in KEPT:
            path.rename(folder / path.name)
    return folder


def stored_threads(run: Path) -> int | None:
    """The number of threads that the run in `run` began with: with another, sums are rounded in another order."""
    threads = _stored(run).get("threads")
    return threads if isinstance(threads, int) and threads > 0 else None

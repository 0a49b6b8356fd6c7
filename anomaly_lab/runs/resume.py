"""What a run's directory holds before a run starts there: nothing, the same run finished or cut off, or another run.

The same run has the same configuration, except neutral keys (see `fingerprint`), the same code and the same data.
"""

import glob
import logging
import shutil
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import Refused, UserError
from anomaly_lab.files import digest, of_file, read_json, write_text
from anomaly_lab.runs import directory, environment, fingerprint, lock

log = logging.getLogger(__name__)
SUPERSEDED = "superseded"  # folder in a job's directory for the results of other code or data
LOG, RECORDS = "train.log", ".hydra"
KEPT = (SUPERSEDED, lock.CLAIM, RECORDS, LOG)  # files of the process at work, which stay in place


class State(Enum):
    """The state of a run in its directory."""

    NEW, CUT_OFF, FINISHED = "new", "cut off", "finished"


def fingerprints(config: DictConfig, data: str, resuming: bool = False) -> dict[str, str]:
    """Digests of configuration, code and data, as they are stored in environment.json, and of the weights of init=.

    A training that is `resuming` needs init= no more, so it may be gone.
    """
    prints = {"config": digest(fingerprint.normalised(config)), "code": fingerprint.code(environment.HERE), "data": data}
    if config.get("init") is None or resuming:
        return prints
    return prints | {"init": of_file(directory.best_checkpoint(Path(config.init)))}


def settle(run: Path, config: DictConfig, prints: Mapping[str, str], in_sweep: bool) -> State:
    """Make the directory `run`, which this process holds, ready for the run that `config` and `prints` describe.

    Returns the state of that run. In a sweep, the files of another run, of another configuration, code or data, are put aside.
    Outside a sweep, Refused is raised for another run, and for one that has finished.
    """
    if in_sweep and not (run / "config.yaml").is_file():
        adopt(run, config, prints)
    if not (run / "config.yaml").is_file():
        return State.NEW
    differing = fingerprint.differences(directory.config_of(run), config)
    differing += [f"the {what} has changed since this run began" for what in changed(run, prints)]
    if not in_sweep:
        directory.refuse_other(run, differing)
        return State.CUT_OFF
    if differing:
        log.info("%s: %s; the run starts again", run, "; ".join(differing))
        put_aside(run)
        return State.NEW
    return State.FINISHED if (run / "metrics.json").is_file() else State.CUT_OFF


def adopt(run: Path, config: DictConfig, prints: Mapping[str, str]) -> None:
    """Move the same job's files into `run` if it began with the same images in another place. InUse while it is at work there.

    The name of a job's folder ends in a digest, which the place of the images changes. If this process is killed, the next one
    goes on: environment.json, by which the job is known, stays to the end, and config.yaml, which makes it a run, comes last.
    """
    name, _, _ = run.name.rpartition("_")
    for other in sorted(run.parent.glob(f"{glob.escape(name)}_*")):
        if other == run or _stored(other).get("fingerprint") != prints:
            continue
        with lock.held(other):
            log.info("%s: the images have moved, and with them the job from %s", run, other)
            for path in sorted(other.iterdir()):
                if path.name == "environment.json":
                    shutil.copyfile(path, run / path.name)
                elif path.name == SUPERSEDED:
                    _gather(path, run / SUPERSEDED)
                elif path.name == LOG or path.name.startswith(f"{LOG}."):
                    path.rename(run / f"{LOG}.{_next(run, f'{LOG}.')}")
                elif path.name not in (*KEPT, "config.yaml"):
                    path.rename(run / path.name)
            write_text(run / "config.yaml", OmegaConf.to_yaml(config))
            _clear(other)
        return


def _next(folder: Path, before: str = "") -> int:
    """The number that follows those in the names <before><number> in a folder."""
    names = (path.name.removeprefix(before) for path in folder.glob(f"{before}*"))
    return max((int(name) for name in names if name.isdigit()), default=0) + 1


def _gather(there: Path, here: Path) -> None:
    """Move what lies in the folder `there` into `here`, under the next numbers, in the same order."""
    here.mkdir(exist_ok=True)
    for path in sorted(there.iterdir(), key=lambda path: (int(path.name) if path.name.isdigit() else 0, path.name)):
        path.rename(here / str(_next(here)))
    there.rmdir()


def _clear(other: Path) -> None:
    """Remove a folder whose job has moved, unless something else has come into it."""
    shutil.rmtree(other / RECORDS, ignore_errors=True)  # those of the job in its new place say the same
    for name in ("config.yaml", "environment.json", lock.CLAIM):
        (other / name).unlink(missing_ok=True)
    try:
        other.rmdir()
    except OSError:
        log.warning("%s holds files of no job: they stay there", other)


def changed(run: Path, prints: Mapping[str, str]) -> list[str]:
    """Which of "code", "data" and "init" have changed since the run in `run` began: all, if there is no record of them."""
    kept = _stored(run).get("fingerprint", {})
    return [what for what in prints if what != "config" and kept.get(what) != prints[what]]


def require_same_data(run: Path, prints: Mapping[str, str]) -> None:
    """For resume=: raises Refused if the images have changed since the run began, and warns if the code has."""
    differing = changed(run, prints)
    if "data" in differing and not _stored(run):
        path = run / "environment.json"
        raise Refused(f"{path} is missing or damaged, and tells which images {run} began with: restore it, or start a new run")
    if "data" in differing:
        raise Refused(f"{run} began with other images than there are now: restore them, or start a new run")
    if differing:
        log.warning("%s began with other code: its results may differ from those of an uninterrupted run", run)


def put_aside(run: Path) -> Path:
    """Move the files of the run in `run` to its folder superseded/<number>, which is returned."""
    folder = run / SUPERSEDED / str(_next(run / SUPERSEDED))
    folder.mkdir(parents=True)
    # config.yaml is last: if the process is killed before, the next one finds it and puts the other files aside
    for path in sorted(run.iterdir(), key=lambda path: path.name == "config.yaml"):
        if path.name not in KEPT:
            path.rename(folder / path.name)
    return folder


def stored_threads(run: Path) -> int | None:
    """The number of threads with which the run in `run` began: another number adds in another order, and rounds differently."""
    threads = _stored(run).get("threads")
    return threads if isinstance(threads, int) and threads > 0 else None


def _stored(run: Path) -> dict[str, Any]:
    """environment.json of the run, empty if it is missing or damaged."""
    try:
        return read_json(run / "environment.json")
    except (OSError, UserError):
        return {}

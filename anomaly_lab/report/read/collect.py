"""Find the runs below some folders. Every run is listed, with or without a result."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomaly_lab.errors import UserError
from anomaly_lab.progress import bar
from anomaly_lab.report.read.multirun import unstarted
from anomaly_lab.report.read.run import NOT_STARTED, Run, read
from anomaly_lab.runs.lock import CLAIM


def collect(folders: Iterable[Path]) -> list[Run]:
    """Every run in or below `folders` once, in the order of the paths; then the jobs that have not started.

    UserError for a folder that does not exist or holds no run.
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
    found = []
    with bar("Reading runs") as update:
        for done, path in enumerate(sorted(paths, key=_natural), start=1):
            found.append(read(path))
            update(done, len(paths))
    names = told_apart(run.root for run in found if run.root)
    found = [replace(run, folder=names.get(run.root, ""), place=places.get(run.path, run.path.name)) for run in found]
    return [*found, *itertools.chain.from_iterable(waiting.values())]


def told_apart(roots: Iterable[str]) -> dict[str, str]:
    """Each folder → a name that differs from the others' names: its last part, or as many of the last parts as that takes."""
    parts = {root: Path(root).parts for root in roots}

    def ending(root: str, count: int) -> str:
        return Path(*parts[root][-count:]).as_posix()

    found = {}
    for root in parts:
        counts = range(1, len(parts[root]) + 1)
        alone = (n for n in counts if [ending(other, n) for other in parts].count(ending(root, n)) == 1)
        found[root] = ending(root, next(alone, len(parts[root])))
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
    if (folder / "metrics.json").is_file() or (folder / CLAIM).is_file():
        return True
    try:  # a job that failed early leaves Hydra's records only; other commands leave them too, but make no runs
        record = (folder / ".hydra/hydra.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return any(f"\n    name: {command}\n" in record for command in ("train", "evaluate"))


def _natural(path: Path) -> list[Any]:
    """A key for sorting: job 2 of a multirun comes before job 10."""
    name, _, rest = path.name.partition("_")
    return [*path.parts[:-1], f"{int(name):06d}" if name.isdecimal() else name, rest]

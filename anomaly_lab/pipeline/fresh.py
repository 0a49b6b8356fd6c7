"""Which images need a row: those that have none, and those whose file is not as it was when their row was made."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from anomaly_lab.data.inputs import GONE, State, state_of
from anomaly_lab.pipeline.reading import name_of
from anomaly_lab.runs.journal import Journal


def stamp_of(row: Mapping[str, Any]) -> State:
    """The state in which a row's image was read: its size in bytes and its time of change in nanoseconds."""
    return row.get("bytes"), row.get("changed")


class Fresh:
    """The images that need a row, and the state of each while it is under way.

    `journal`: has rows by path, and `stamp_of` as their state. An image that an earlier start could not read needs another row.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal, self._under_way = journal, dict[str, State]()
        for row in journal.rows():
            if row["error"] is not None:
                journal.forget(row["path"])

    def done(self, path: Path, state: State) -> bool:
        """Whether an image has its row: of a file in this state, or of one that is gone."""
        name = name_of(path)
        return name in self._journal and (state == GONE or self._journal.has(name, state))

    def count(self, paths: Iterable[Path]) -> int:
        """How many of `paths` need a row."""
        return sum(name_of(path) not in self._journal or not self.done(path, state_of(path)) for path in paths)

    def of(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Those of `paths` that need a row, each once. The state is that before the file is read: no change is missed."""
        for path in paths:
            state = state_of(path)
            if (name := name_of(path)) not in self._under_way and not self.done(path, state):
                self._under_way[name] = state
                yield path

    def stamped(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row of an image that was under way, with its state."""
        size, changed = self._under_way.pop(row["path"])
        return {**row, "bytes": size, "changed": changed}

"""A small progress bar for everything that takes long, except training, which has its own. It starts without torch."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")


class Rate(ProgressColumn):
    """Items a second, over the last ones."""

    def render(self, task: Task) -> Text:
        """The rate; nothing before the second item."""
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function `update(done, total)`. On a terminal, its first call shows the bar, which disappears after the block.

    A `total` of None is unknown.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:

        def update(done: int, total: int | None) -> None:
            if not progress.tasks:
                progress.add_task(what, total=total)
            progress.update(progress.task_ids[0], completed=done, total=total)

        yield update


def watched(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    """Yield the items, and show a bar that counts those that the caller has finished. `total`: None if unknown."""
    with bar(what) as update:
        for done, item in enumerate(items, start=1):
            yield item
            update(done, total)

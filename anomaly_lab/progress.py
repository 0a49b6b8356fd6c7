"""A small progress bar for everything that takes long, except training, which has its own. It starts without torch."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function `update(done, total)`. Its first call shows the bar, which disappears after the block.

    Nothing is shown if the output is not a terminal.
    """
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        transient=True,
        disable=not sys.stdout.isatty(),
    ) as progress:
        task: list[Any] = []

        def update(done: int, total: int) -> None:
            if not task:
                task.append(progress.add_task(what, total=total))
            progress.update(task[0], completed=done, total=total)

        yield update


def watched(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield the items, and show a bar that counts those that the caller has finished."""
    with bar(what) as update:
        for done, item in enumerate(items, start=1):
            yield item
            update(done, total)

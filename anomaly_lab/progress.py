"""The small progress bar of everything that takes long, but for the training, which has its own. Starts without torch."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield `update(done, total)`. The bar is shown from the first update on and goes away at the end."""
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
    """The items, one by one, with a bar that counts them."""
    with bar(what) as update:
        for done, item in enumerate(items, start=1):
            yield item
            update(done, total)

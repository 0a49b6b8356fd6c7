"""Images read ahead of the network."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from anomaly_lab.data.images import read_image
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.errors import UserError, as_sentence, is_text, printable
from anomaly_lab.pipeline.saved import Opened

Given = TypeVar("Given")
Made = TypeVar("Made")


def opened(paths: Iterable[Path], preprocessing: Preprocessing, workers: int) -> Iterator[tuple[Path, Opened | str]]:
    """Read images ahead in threads, in the order of `paths`: (path, what was read, or a sentence why it can't be).

    Decoding and resizing run in OpenCV, which lets threads run at the same time.
    """

    def read(path: Path) -> tuple[Path, Opened | str]:
        if not is_text(str(path)):
            return path, f"{name_of(path)} has a name that is no text in UTF-8: rename it"
        try:
            stored = read_image(path)
            return path, Opened(stored, *prepared(stored, preprocessing))
        except (OSError, UserError, MemoryError) as error:
            return path, as_sentence(error) or printable(f"{path} can't be read ({error})")

    return in_order(read, paths, workers)


def in_order(
    function: Callable[[Given], Made],
    items: Iterable[Given],
    workers: int,
    begin: Callable[[], None] | None = None,
    alone: Callable[[Given], bool] = lambda item: False,
) -> Iterator[Made]:
    """`function` of each item, in the items' order, by so many threads that work ahead; one worker is the caller's own thread.

    `begin`: called first in each of several threads. `alone`: whether an item is worked on in the caller's thread, with nothing
    beside it. What is not begun when the caller stops is left undone.
    """
    pool, waiting = ThreadPoolExecutor(workers, initializer=begin), deque[Future[Made]]()
    try:
        for item in items:
            if workers == 1 or alone(item):
                while waiting:
                    yield waiting.popleft().result()
                yield function(item)
                continue
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def name_of(path: Path) -> str:
    """A path as its row has it: bytes that are no text stand as escapes, since no file in UTF-8 could hold them."""
    return str(path).encode("utf-8", "backslashreplace").decode()

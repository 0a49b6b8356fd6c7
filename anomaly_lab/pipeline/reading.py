"""Images read ahead of the network."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from anomaly_lab.data.images import read_image
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.errors import UserError, as_sentence, is_text, printable
from anomaly_lab.pipeline.saved import Opened


def opened(paths: Iterable[Path], preprocessing: Preprocessing, workers: int) -> Iterator[tuple[Path, Opened | str]]:
    """Read images ahead in threads, in the order of `paths`: (path, what was read, or a sentence why it can't be).

    Decoding and resizing run in OpenCV, which lets threads run at the same time.
    """

    def read(path: Path) -> Opened | str:
        if not is_text(str(path)):
            return f"{name_of(path)} has a name that is no text in UTF-8: rename it"
        try:
            stored = read_image(path)
            return Opened(stored, *prepared(stored, preprocessing))
        except (OSError, UserError, MemoryError) as error:
            return as_sentence(error) or printable(f"{path} can't be read ({error})")

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Path, Future[Opened | str]]] = deque()
        for path in paths:
            waiting.append((path, pool.submit(read, path)))
            if len(waiting) >= 2 * workers - 1:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def name_of(path: Path) -> str:
    """A path as its row has it: bytes that are no text stand as escapes, since no file in UTF-8 could hold them."""
    return str(path).encode("utf-8", "backslashreplace").decode()

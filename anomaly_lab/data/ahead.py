"""A data loader that is one batch ahead without worker processes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader


class AheadLoader(DataLoader):
    """Where there are no workers, a thread makes the next batch while the last one is used. The batches are the same."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        return batches if self.num_workers else _ahead(batches)


def _ahead(batches: Iterator[Any]) -> Iterator[Any]:
    with ThreadPoolExecutor(1, "next batch") as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch

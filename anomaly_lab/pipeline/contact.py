"""contact.png: a sheet of the images with the highest scores, the highest first."""

import heapq
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.show.overlay import sheet

WORST = 12  # images on the sheet
Picture = NDArray[np.uint8]


class Contact:
    """Cells of the highest-scoring images that this start has seen. Only these are drawn, and a cell is small."""

    def __init__(self) -> None:
        self._cells: list[tuple[float, str, Picture]] = []

    def see(self, path: str, score: float, draw: Callable[[], Picture]) -> None:
        """Keep the cell that `draw()` makes, if the score is among the highest so far. An image's last score counts."""
        if any(path == other for _, other, _ in self._cells):
            self._cells = [cell for cell in self._cells if cell[1] != path]
            heapq.heapify(self._cells)
        if len(self._cells) < WORST:
            heapq.heappush(self._cells, (score, path, draw()))
        elif score > self._cells[0][0]:
            heapq.heapreplace(self._cells, (score, path, draw()))

    def sheet(self, rows: Iterable[tuple[str, float]], draw: Callable[[str], Picture | None]) -> Picture | None:
        """The sheet of the highest of all `rows`, (path, score). `draw(path)` makes the cells of images that an earlier start
        saw, None for one that is gone. None if there is no cell."""
        known = {path: cell for _, path, cell in self._cells}
        worst = heapq.nlargest(WORST, rows, key=lambda row: row[1])
        cells = [known[path] if path in known else draw(path) for path, _ in worst]
        return sheet([cell for cell in cells if cell is not None])

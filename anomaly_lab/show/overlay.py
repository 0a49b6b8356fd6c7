"""Pictures of a decision: the heatmap over the image, outlines of defects and their boxes; a sheet of several pictures."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.images import to_unit

CELL, MARGIN = 320, 26  # pixels: the longer side of a picture on a sheet, and the line of text below it
COLUMNS = 4  # of a sheet
CYAN = (0, 255, 255)  # outlines: no colour of magma, and visible on light and dark parts
WHITE = (255, 255, 255)
OPAQUE = 0.55  # of the heatmap at its highest
STRIP = 2**20  # pixels that are coloured together: as floats, a large image would fill the memory


def overlay(
    image: NDArray[np.generic],
    heatmap: NDArray[np.float32],
    mask: NDArray[np.bool_],
    boxes: Sequence[Sequence[int]],
    top: float,
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: the image in grey under the heatmap, which is transparent at 0, and outlines and boxes of defects.

    - `image`: (H, W, 1) or (H, W, 3), uint8 or uint16. - `heatmap`, `mask`: (H, W).
    - `boxes`: x, y, width and height of each defect. - `top`: the heatmap's value with the brightest colour.
    """
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_MAGMA)[0, :, ::-1].astype(np.float32) / 255
    drawn = np.empty((*heatmap.shape, 3), np.uint8)
    rows = max(1, STRIP // heatmap.shape[1])
    for strip in (slice(first, first + rows) for first in range(0, len(heatmap), rows)):
        grey = to_unit(image[strip]).mean(2, keepdims=True)
        level = np.clip(heatmap[strip] / max(top, 1e-9), 0, 1)
        opacity = OPAQUE * level[..., None]
        colour = colours[(256 * level).clip(0, 255).astype(np.uint8)]
        drawn[strip] = (255 * ((1 - opacity) * grey + opacity * colour)).round()
    width = max(1, round(max(mask.shape) / 400))
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, CYAN, width)
    for x, y, wide, tall in boxes:
        cv2.rectangle(
            drawn, (x - 2 * width, y - 2 * width), (x + wide + 2 * width, y + tall + 2 * width), (255, 255, 255), width
        )
    return drawn


def sheet(cells: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8: the cells in rows of `COLUMNS`; None without cells."""
    if not cells:
        return None
    columns = min(COLUMNS, len(cells))
    filled = [*cells, *[np.full_like(cells[0], 255)] * (-len(cells) % columns)]
    return np.vstack([np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)])


def cell(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """A cell of a sheet: the picture (H, W, 3) in a square of `CELL` pixels, and the text below."""
    scale = CELL / max(picture.shape[:2])
    size = [max(1, round(scale * side)) for side in picture.shape[:2]]
    small = cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    drawn = np.full((CELL + MARGIN, CELL + 8, 3), 255, np.uint8)
    top, left = (CELL - size[0]) // 2, 4 + (CELL - size[1]) // 2
    drawn[top : top + size[0], left : left + size[1]] = small
    # OpenCV draws ASCII alone; a longer text would run into the next cell
    words = text.encode("ascii", "replace").decode()
    cv2.putText(drawn, words[-42:], (6, CELL + 17), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return drawn

"""What a prediction saves beside its rows: overlays, masks, heatmaps, a COCO file, and a sheet of the highest scores."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anomaly_lab.data.pieces import Pieces
from anomaly_lab.errors import UserError
from anomaly_lab.files import digest, replacing
from anomaly_lab.show.overlay import overlay

KINDS = ("overlays", "masks", "heatmaps", "coco")
VALUES = 65504.0  # the largest float16
Row = Mapping[str, Any]


class Opened(NamedTuple):
    """An image that was read: its stored pixels (H, W, C), and what `scoring_data.prepared` makes of them."""

    stored: NDArray[Any]
    X: Tensor | Pieces
    size: tuple[int, int]
    seen: dict[str, float]
    way: Tensor | None


class Decided(NamedTuple):
    """A decision: heatmap and mask (H, W), and the mask's defects, see `defects_of`."""

    heatmap: NDArray[np.float32]
    mask: NDArray[np.bool_]
    defects: list[dict[str, Any]]


def defects_of(heatmap: NDArray[np.float32], mask: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Box (x, y, width, height), area, highest value and outline polygons of each component of the mask, the highest first."""
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    found = []
    for k in range(1, count):
        x, y, width, height, area = map(int, stats[k])
        box = slice(y, y + height), slice(x, x + width)
        own = label[box] == k
        outlines, _ = cv2.findContours(own.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
        polygons = [outline.reshape(-1).tolist() for outline in outlines if len(outline) > 2]
        found.append({"box": [x, y, width, height], "area": area, "peak": float(heatmap[box][own].max()), "polygons": polygons})
    return sorted(found, key=lambda defect: -defect["peak"])


def place(out: Path, kind: str, path: Path, suffix: str) -> Path:
    """Where the picture of an image lies: <out>/<kind>/<stem>_<digest of its path><suffix>; two images may share a stem."""
    return out / kind / f"{path.stem[:80]}_{digest(str(path))[:8]}{suffix}"


def save(kinds: Iterable[str], out: Path, path: Path, image: Opened, decided: Decided, threshold: float) -> None:
    """Write the pictures of an image. UserError if one can't be written."""
    if "overlays" in kinds:
        write_png(place(out, "overlays", path, ".png"), drawn(image, decided, threshold))
    if "masks" in kinds:
        write_png(place(out, "masks", path, ".png"), decided.mask.astype(np.uint8) * 255)
    if "heatmaps" in kinds:
        with replacing(place(out, "heatmaps", path, ".npy")) as temporary:
            np.save(temporary, np.clip(decided.heatmap, -VALUES, VALUES).astype(np.float16))


def remove(kinds: Iterable[str], out: Path, path: Path) -> None:
    """Remove the pictures of an image that can't be read any more."""
    for kind in kinds:
        for suffix in (".png", ".npy"):
            place(out, kind, path, suffix).unlink(missing_ok=True)


def drawn(image: Opened, decided: Decided, threshold: float) -> NDArray[np.uint8]:
    """The overlay, (H, W, 3) RGB; its colours end at twice the threshold."""
    tall, wide = decided.heatmap.shape
    stored = image.stored
    if stored.shape[:2] != (tall, wide):
        stored = cv2.resize(stored, (wide, tall), interpolation=cv2.INTER_AREA).reshape(tall, wide, -1)
    return overlay(stored, decided.heatmap, decided.mask, [d["box"] for d in decided.defects], 2 * threshold)


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (H, W) or (H, W, 3) RGB, uint8."""
    with replacing(path) as temporary:
        if not cv2.imwrite(str(temporary), np.ascontiguousarray(pixels[..., ::-1] if pixels.ndim == 3 else pixels)):
            raise UserError(f"{path} could not be written: free some space or choose another directory with out=")


def write_coco(path: Path, rows: Callable[[], Iterable[Row]]) -> None:
    """Write images and defects as COCO: polygons, boxes, areas. `rows()` gives the rows of all images that could be read.

    One image and one annotation at a time: there may be hundreds of thousands."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"categories": [{"id": 1, "name": "defect"}],\n"images": [')
        for kind, of_row in (("images", _coco_images), ("annotations", _coco_annotations)):
            number = 0
            if kind == "annotations":
                file.write('],\n"annotations": [')
            for image, row in enumerate(rows(), 1):
                for entry in of_row(row, image):
                    number += 1
                    file.write((",\n" if number > 1 else "\n") + json.dumps(entry | {"id": number}, ensure_ascii=False))
        file.write("]}\n")


def _coco_images(row: Row, image: int) -> list[dict[str, Any]]:
    return [{"file_name": row["path"], "height": row["height"], "width": row["width"]}]


def _coco_annotations(row: Row, image: int) -> list[dict[str, Any]]:
    return [
        {"image_id": image, "category_id": 1, "bbox": d["box"], "area": d["area"], "score": d["peak"], "iscrowd": 0}
        | {"segmentation": d.get("polygons", [])}
        for d in row["defects"]
    ]

"""A gallery without any network, and its page in a browser."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anomaly_lab.report.pictures.thumbnails import decisions, flip, quantised

THRESHOLD, MIN_AREA, SIDE = 0.3, 5, 24
COUNTS = ("tp", "fn", "fp", "tn")


def opened(browser: Any, path: Path, **size: int) -> Any:
    """The page at `path`, opened from disk without a network. `page.errors` lists its errors and its requests to a network."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900} | size)
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.errors.append(request.url) if request.url.startswith("http") else None)
    if path.is_file():
        page.goto(path.as_uri())
    return page


def heatmaps(count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` heatmaps of noise with a blob. Blobs differ in height and size; some are smaller than MIN_AREA."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        h = rng.random((SIDE, SIDE), dtype=np.float32) * np.float32(0.1)
        top, left, side = *rng.integers(0, SIDE - 6, 2), int(rng.integers(1, 6))
        h[top : top + side, left : left + side] += np.float32(rng.uniform(0, 1))
        found.append(h)
    return found


def made_up(count: int, category: str, seed: int = 0) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The payload of a gallery with `count` images, of which a third are normal, and their heatmaps."""

    def encoded(pixels: np.ndarray, suffix: str = ".png") -> str:
        return base64.b64encode(cv2.imencode(suffix, pixels)[1].tobytes()).decode()

    maps, images = heatmaps(count, seed), []
    top = float(max(h.max() for h in maps))
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    for i, h in enumerate(maps):
        defect = ("good", "hole", "stain")[i % 3]
        images.append({
            "path": f"test/{defect}/{i:03d}.png", "defect": defect, "label": int(defect != "good"), "score": float(h.max()),
            "flip": flip(h, MIN_AREA), "shrunk": 1.0, "input": encoded(grey, ".jpg"), "reconstruction": encoded(grey, ".jpg"),
            "truth": encoded(grey[..., 0]) if i % 2 else None, "heatmap": encoded(quantised(h, top)),
        })  # fmt: skip
    payload = {
        "data": "synthetic", "category": category, "setting": "restore λ=0.5", "seed": 0, "threshold": THRESHOLD,
        "minArea": MIN_AREA, "top": top, "range": 1e4, "stops": decisions(images, THRESHOLD),
        "images": images, "changed": 0,
    }  # fmt: skip
    return payload, maps

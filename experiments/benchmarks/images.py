"""A small category in MVTec AD's layout, drawn at random, so that no benchmark depends on what a machine has."""

from pathlib import Path

import cv2
import numpy as np

NAME = "drawn"


def draw(root: Path, train: int, good: int, defective: int, side: int) -> Path:
    """Write `train` normal training images, and normal and defective test images with masks; returns `root`."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]

    def write(place: str, mask: np.ndarray | None = None) -> None:
        wave = np.sin((rows + columns) * 2 * np.pi / 24 + rng.uniform(0, 6)) * 50
        image = 128 + wave[..., None] * (1, 0.7, 0.4) + rng.normal(0, 4, (side, side, 3))
        if mask is not None:
            image[mask > 0] = 40
        path = root / NAME / place
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))

    for i in range(train):
        write(f"train/good/{i:03}.png")
    for i in range(good):
        write(f"test/good/{i:03}.png")
    for i in range(defective):
        mask = np.zeros((side, side), np.uint8)
        x, y = (int(v) for v in rng.integers(side // 4, side - side // 4, 2))
        cv2.circle(mask, (x, y), side // 16, 255, -1)
        write(f"test/hole/{i:03}.png", mask)
        truth = root / NAME / f"ground_truth/hole/{i:03}_mask.png"
        truth.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(truth), mask)
    return root


def overrides(root: Path) -> list[str]:
    """What names this category on a command line, with a cache of its own."""
    return [
        "+category=custom",
        f"category.name={NAME}",
        "data=mvtec",
        f"data.root={root}",
        f"data.cache.folder={root / 'cache'}",
    ]

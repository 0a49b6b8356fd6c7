"""MVTec AD's layout with all 15 categories, generated: to rehearse `make paper` without the data. The numbers say nothing.

    python experiments/paper/miniatures.py DIR
    make paper DATA=DIR ARGS=--debug

The embedded data set draws nine of the categories; each of the other six borrows one of them. Kinds of defect have MVTec AD's
names.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from jobs import CATEGORIES

from anomaly_lab.data.folder import NORMAL
from anomaly_lab.data.synthetic.catalogue import KINDS
from anomaly_lab.data.synthetic.reader import Item, render
from anomaly_lab.files import replacing
from anomaly_lab.progress import watched
from anomaly_lab.report.read.official import mvtec_ad

BORROWED = {
    **{"cable": "bottle", "capsule": "pill", "screw": "metal_nut"},
    **{"toothbrush": "hazelnut", "transistor": "tile", "zipper": "wood"},
}
GREY = ("grid", "screw", "zipper")  # of one channel, as in MVTec AD


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="the folder to write the 15 categories to")
    options.add_argument("--side", type=int, default=256, help="of the images in pixels, 256 at most")
    options.add_argument("--train", type=int, default=8, help="normal training images of a category")
    options.add_argument("--test", type=int, default=3, help="normal test images of a category")
    options.add_argument("--kinds", type=int, default=2, help="kinds of defect of a category, with one image each")
    given = options.parse_args()
    for category in watched(CATEGORIES, "Drawing categories", len(CATEGORIES)):
        write(given.folder / category, given.side, given.train, given.test, given.kinds)


def write(folder: Path, side: int, train: int, test: int, kinds: int) -> None:
    """Write the category that `folder` is named after."""
    scene = BORROWED.get(folder.name, folder.name)
    for split, count in (("train", train), ("test", test)):
        for i in range(count):
            _put(folder / split / NORMAL / f"{i:03d}.png", render(scene, Item(split, NORMAL, i, i))[1], side)
    for i, (name, drawn) in enumerate(zip(mvtec_ad()[folder.name]["defects"][:kinds], KINDS[scene], strict=False)):
        _, image, mask = render(scene, Item("test", drawn, 0, i))
        _put(folder / "test" / name / "000.png", image, side)
        small = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
        _write(folder / "ground_truth" / name / "000_mask.png", np.where(small > 0, 255, 0).astype(np.uint8))


def _put(path: Path, image: np.ndarray, side: int) -> None:
    """Write (256, 256, 3) RGB as an image of `side`²."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    category = path.parents[2].name
    _write(path, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY if category in GREY else cv2.COLOR_RGB2BGR))


def _write(path: Path, pixels: np.ndarray) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


if __name__ == "__main__":
    main()

"""A test set made of training images alone, in light and contrast that the training does not see.

    python experiments/real_images/other_light.py ROOT OUT --categories magnetic_tile screw_512
    python -m anomaly_lab.train +category=custom category.name=magnetic_tile data=mvtec data.root=OUT

Kept from training are the 15 % that differ most from the others in mean or contrast, of which 16 are shown, and 12 of the rest;
a third group are those 12 with 1.3 or .75 times their contrast. Normal test images are all of these as they are, defective ones
some with one of seven kinds of synthetic corruption, none of them a training's. So the category's own test images are not
looked at, and what a setting is worth on material of another day can be told before there is any.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from anomaly_lab.corruption.contents import Blur, Swap, Texture, noise_field
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.images import read_image, to_unit

EXTREME, ORDINARY = 16, 12  # images of each group
SPREAD = 0.14  # as the program stretches contrasts, so that corruptions are as strong in each category
OTHER = (0.75, 1.3)  # times the contrast


@dataclass
class Grain:
    """Noise of 1 to 3 pixels added to what is there."""

    def __call__(self, image: np.ndarray, box: tuple[slice, slice], rng: Generator) -> np.ndarray:
        patch = image[box]
        noise = noise_field(patch.shape[:2], rng.uniform(1.0, 3.0), rng)
        return patch + np.float32(rng.uniform(0.06, 0.2)) * noise


KINDS: dict[str, dict[str, Any]] = {
    "texture": {"contents": [Texture((2, 12), (0.3, 1.0))], "shapes": ["ellipse", "blob"]},
    "faint": {"contents": [Texture((2, 12), (0.08, 0.3))], "shapes": ["ellipse", "blob"]},
    "blur": {"contents": [Blur((1.5, 5.0))], "shapes": ["ellipse", "blob"]},
    "scratch": {"contents": [Texture((2, 12), (0.3, 1.0))], "shapes": ["stroke"]},
    "swap": {"contents": [Swap()], "shapes": ["ellipse", "blob"]},
    "grain": {"contents": [Grain()], "shapes": ["ellipse", "blob"]},
    "spot": {"contents": [Texture((2, 12), (0.3, 1.0))], "shapes": ["ellipse", "blob"], "size": (0.01, 0.04)},
}
RANGES: dict[str, Any] = {
    "size": (0.05, 0.25),  # fractions of the image's sides
    "count": (1, 2),
    "brightness": (0.05, 0.25),  # only for patches that would stay flat
    "brightness_share": 0.0,
    "p": 1.0,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the folder that holds the categories")
    options.add_argument("out", type=Path, help="where the made ones go")
    options.add_argument("--categories", nargs="+", required=True)
    given = options.parse_args()
    for category in given.categories:
        try:
            build(given.root / category / "train" / "good", given.out / category)
        except (ValueError, OSError) as error:
            raise SystemExit(f"error: {category}: {error}") from error
        print(given.out / category)


def build(normal: Path, out: Path) -> None:
    """The category in `out`, from the folder of normal images. ValueError where there are too few."""
    paths = sorted(normal.iterdir())
    images = [to_unit(read_image(path)) for path in paths]
    extreme, ordinary, train = groups(images, np.random.default_rng(0))
    for i in train:
        link(paths[i], out / "train" / "good")
    mean, std = (float(np.mean([f(image) for image in images])) for f in (np.mean, np.std))
    rng, shown = np.random.default_rng(1), {"extreme": extreme, "ordinary": ordinary, "other": ordinary}
    for group, members in shown.items():
        for place, i in enumerate(members):
            write(out / "test" / "good" / f"{group}_{paths[i].stem}.png", in_light(images[i], group, place))
    for k, (kind, options) in enumerate(KINDS.items()):
        corrupt = LocalCorruption(**RANGES | options)
        for group, members in shown.items():
            for place in range(4 * k, 4 * k + (3 if group == "ordinary" else 4)):
                i = members[place % len(members)]
                image = in_light(images[i], group, place)
                X = np.clip(0.5 + SPREAD / std * (image - mean), 0, 1).astype(np.float32)
                corrupt.set_random_seed(int(rng.integers(2**31)))
                pair = corrupt(image=X, mask=np.zeros((*X.shape[:2], 1), np.float32))
                M = pair["mask"] > 0
                name = f"{group}_{paths[i].stem}"
                write(out / "test" / kind / f"{name}.png", np.where(M, (pair["image"] - 0.5) * std / SPREAD + mean, image))
                write(out / "ground_truth" / kind / f"{name}_mask.png", M.astype(np.float32))


def groups(images: Sequence[np.ndarray], rng: Generator) -> tuple[list[int], list[int], list[int]]:
    """Places of the extreme images, of ordinary ones, and of those to train on."""
    if len(images) < 2 * (EXTREME + ORDINARY):
        raise ValueError(f"{len(images)} normal images are too few: {2 * (EXTREME + ORDINARY)} are needed")
    traits = np.array([(image.mean(), np.log(image.std() + 1e-3)) for image in images])
    distance = (np.abs(traits - np.median(traits, 0)) / traits.std(0)).max(1)
    order, count = np.argsort(-distance), max(EXTREME, round(0.15 * len(images)))
    extreme = order[np.linspace(0, count - 1, EXTREME).round().astype(int)]
    rest = rng.permutation(order[count:])
    return extreme.tolist(), rest[:ORDINARY].tolist(), rest[ORDINARY:].tolist()


def in_light(image: np.ndarray, group: str, place: int) -> np.ndarray:
    """An image of the group "other" with another contrast, any other as it is."""
    if group != "other":
        return image
    return np.clip(image.mean() + OTHER[place % 2] * (image - image.mean()), 0, 1)


def link(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / path.name).is_symlink():
        (folder / path.name).symlink_to(path.resolve())


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.round(255 * np.clip(image[..., ::-1], 0, 1)).astype(np.uint8))  # OpenCV's order is BGR


if __name__ == "__main__":
    main()

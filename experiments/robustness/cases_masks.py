"""Cases of masks: their values, formats, sizes and names."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from cases_images import ALL, EVALUATE, PAIR, SAME, Make, exif
from pictures import category, picture, put
from PIL import Image
from trial import Case, accepted, every, refused, same, train

NEAR = every(same("aupro", "pixel_ap", within=0.03), accepted())


def masked(mask: str = "{}_mask.png", mask_of: Callable[[np.ndarray], Any] = lambda m: m) -> Make:
    """Test images with PNG masks in a, with other masks in b."""
    return lambda here: [
        category(here / "a/plain", train=0),
        category(here / "b/plain", train=0, mask=mask, mask_of=mask_of),
    ]


def only(mask_of: Callable[[np.ndarray], Any], mask: str = "{}_mask.png") -> Make:
    return lambda here: category(here / "plain", train=0, mask=mask, mask_of=mask_of)


def tif(convert: Callable[[np.ndarray], np.ndarray], **options: Any) -> Make:
    """PNG masks in a, TIFF masks in b."""

    def make(here: Path) -> None:
        category(here / "a/plain", train=0)
        folder = category(here / "b/plain", train=0)
        for path in sorted(folder.glob("ground_truth/dent/*.png")):
            tifffile.imwrite(path.with_suffix(".tif"), convert(np.asarray(Image.open(path))), **options)
            path.unlink()

    return make


def palette(first: tuple[int, int, int], second: tuple[int, int, int]) -> Callable[[np.ndarray], Image.Image]:
    def convert(mask: np.ndarray) -> Image.Image:
        found = Image.fromarray((mask > 0).astype(np.uint8), "P")
        found.putpalette([*first, *second])
        return found

    return convert


def alpha(colour: int) -> Callable[[np.ndarray], Image.Image]:
    return lambda mask: Image.fromarray(np.dstack([np.full((*mask.shape, 3), colour, np.uint8), mask]), "RGBA")


def soft(mask: np.ndarray) -> Image.Image:
    height, width = mask.shape
    return Image.fromarray(mask).resize((width * 4, height * 4)).resize((width, height), Image.Resampling.LANCZOS)


def ignored(mask: np.ndarray) -> np.ndarray:
    """Defects are 1, their surrounding 255, as in data sets with a label to ignore."""
    found = (mask > 0).astype(np.uint8)
    found[:4] = 255
    return found


def _turned(here: Path) -> None:
    """A photograph with an EXIF orientation, its mask drawn on the turned picture."""
    category(here / "plain", train=0, bad=0)
    pixels, mask = picture(1, (48, 64), defect=True)
    put(here / "plain/test/dent/000.jpg", pixels, exif=exif(6))
    put(here / "plain/ground_truth/dent/000_mask.png", np.rot90(mask, -1).copy())


def _two_masks(here: Path) -> None:
    folder = category(here / "plain", train=0)
    shutil.copy(folder / "ground_truth/dent/000_mask.png", folder / "ground_truth/dent/000.png")


def _of_good(here: Path) -> None:
    category(here / "plain", train=0)
    put(here / "plain/ground_truth/good/000_mask.png", np.zeros((64, 64), np.uint8))


def _partly(here: Path) -> None:
    category(here / "plain")
    (here / "plain/ground_truth/dent/001_mask.png").unlink()


def _no_truth(here: Path) -> None:
    category(here / "plain", mask="")


COVER = r"(?i)\d+ .*mask"
VALUES = [
    Case("jpeg_mask", masked("{}_mask.jpg"), PAIR, "as PNG", SAME),
    Case("m_jpg", masked("{}.jpg"), PAIR, "as m_png", SAME),
    Case("webp_mask", masked("{}_mask.webp"), PAIR, "as PNG", NEAR),
    Case("label_mask", masked(mask_of=lambda m: (m > 0).astype(np.uint8)), PAIR, "as PNG", SAME, "anomalib 2249"),
    Case("inverted_mask", only(lambda m: 255 - m), EVALUATE, "a warning", accepted(warns=COVER)),
    Case("full_mask", only(lambda m: np.full_like(m, 255)), EVALUATE, "a warning", accepted(warns=COVER)),
    Case("onebit_bmp_mask", masked("{}.bmp", lambda m: Image.fromarray(m > 0)), PAIR, "as PNG", SAME),
    Case("miniswhite_mask", tif(lambda m: 255 - m, photometric="miniswhite"), PAIR, "as PNG", SAME),
    Case("soft_mask", masked(mask_of=soft), PAIR, "cut at half", NEAR),
    Case("16_bit_mask", masked(mask_of=lambda m: m.astype(np.uint16) * 257), PAIR, "as PNG", SAME),
    Case("16_bit_label", masked(mask_of=lambda m: (m > 0).astype(np.uint16)), PAIR, "as PNG", SAME),
    Case(
        "float_mask",
        lambda h: tif(lambda m: m.astype(np.float32) / 255)(h),
        (PAIR[1],),
        "refused",
        refused("pixels of type float32"),
    ),
    Case("voc_palette", masked(mask_of=palette((0, 0, 0), (128, 0, 0))), PAIR, "as PNG", SAME),
    Case(
        "grey_palette",
        only(palette((40, 40, 40), (255, 255, 255))),
        EVALUATE,
        "refused",
        refused("which are defective is open"),
    ),
    Case("green_palette", only(palette((0, 200, 0), (200, 0, 0))), EVALUATE, "a warning", accepted(warns=COVER)),
    Case("red_mask", masked(mask_of=lambda m: np.dstack([m, m * 0, m * 0])), PAIR, "as PNG", SAME),
    Case("alpha_on_black", only(alpha(0)), EVALUATE, "refused", refused("marks no pixel"), "spot-diff 3"),
    Case("alpha_on_white", only(alpha(255)), EVALUATE, "a warning", accepted(warns=COVER)),
    Case("ignore_label", only(ignored), EVALUATE, "refused", refused("which are defective is open")),
    Case("empty_mask", only(lambda m: m * 0), EVALUATE, "refused", refused("marks no pixel")),
    Case(
        "mask_of_half_size",
        only(lambda m: m[::2, ::2].copy()),
        EVALUATE,
        "refused",
        refused("give the mask the size of the image"),
    ),
    Case("mask_of_turned", _turned, EVALUATE, "refused", refused("without EXIF orientation"), "opencv 8854"),
    Case("dark_jpeg_mask", only(lambda m: m // 4, "{}.jpg"), EVALUATE, "refused", refused("without a bright pixel")),
]
NAMED = "name it as its image, with or without _mask at the end"
NAMES = [
    Case(
        "gt_suffix",
        lambda h: category(h / "plain", mask="{}_GT.png"),
        (train(),),
        "refused, forms named",
        refused(NAMED),
        "anomalib 680",
    ),
    Case(
        "label_suffix",
        lambda h: category(h / "plain", mask="{}_label.png"),
        (train(),),
        "refused, forms named",
        refused(NAMED),
        "anomalib 2803",
    ),
    Case("partly_masked", _partly, (train(),), "1 counted", accepted(warns=r"\b1 .*mask", **ALL | {"n_unmasked": 1})),
    Case(
        "unmasked", _no_truth, (train(),), "no pixel metrics", accepted(**ALL | {"n_unmasked": 2}, aupro=None), "anomalib 708"
    ),
    Case("masks_and_good_masks", _of_good, EVALUATE, "left out", accepted(silent="not used", n_test=4, n_unmasked=0)),
    Case("two_masks", _two_masks, EVALUATE, "refused", refused("has two masks")),
    Case(
        "same_stems_in_kinds",
        lambda h: [category(h / "plain", kind=k) for k in ("dent", "hole")],
        (train(),),
        "each its own",
        accepted(n_test=6, n_unmasked=0),
        "anomalib 243",
    ),
]
KINDS = {"masks that are not two-valued": VALUES, "other sets' mask names and partly masked sets": NAMES}

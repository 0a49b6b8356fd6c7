"""Cases of images: their folders' names and layout, their files' formats, sets of unusual images."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from pictures import category, picture, put, put_bytes
from PIL import Image
from trial import Case, accepted, either, evaluate, every, refused, same, train

Make = Callable[[Path], Any]
ALL = {"n_train": 4, "n_validation": 2, "n_test": 4, "n_unmasked": 0}  # of a plain category
PAIR = (evaluate("data.root=DIR/a", output="out_a"), evaluate("data.root=DIR/b", output="out_b"))
MEASURED = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro", "pixel_f1")


def plain(**options: Any) -> Make:
    return lambda here: category(here / "plain", **options)


def changed(change: Make, **options: Any) -> Make:
    """A plain category, then `change(its folder)`."""
    return lambda here: change(category(here / "plain", **options))


def twins(change: Make, **options: Any) -> Make:
    """The same test images in a and b; those in b are changed."""

    def make(here: Path) -> None:
        category(here / "a/plain", train=0, **options)
        change(category(here / "b/plain", train=0, **options))

    return make


def images(folder: Path, below: str = "test") -> Iterator[tuple[Path, np.ndarray]]:
    for path in sorted((folder / below).rglob("*.png")):
        yield path, np.asarray(Image.open(path))


def saved(
    suffix: str, convert: Callable[[np.ndarray], Any] = lambda pixels: pixels, below: str = "test", **options: Any
) -> Make:
    """Every image (or mask) of a category saved in another form."""

    def change(folder: Path) -> None:
        for path, pixels in list(images(folder, below)):
            path.unlink()
            put(path.with_suffix(suffix), convert(pixels), **options)

    return change


def tiff(convert: Callable[[np.ndarray], Any], below: str = "test", **options: Any) -> Make:
    def change(folder: Path) -> None:
        for path, pixels in list(images(folder, below)):
            path.unlink()
            tifffile.imwrite(path.with_suffix(".tif"), convert(pixels), **options)

    return change


def beside(*names: str, content: bytes = b"no image") -> Make:
    """Files beside the images."""
    return lambda folder: [put_bytes(folder / name, content) for name in names]


def moved(old: str, new: str) -> Make:
    return lambda folder: (folder / old).rename(folder / new)


def pictures_in(folder: Path, count: int, suffix: str = ".png", **options: Any) -> None:
    for i in range(count):
        put(folder / f"n{i}{suffix}", picture(500 + i)[0], **options)


def exif(turn: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = turn
    return found


def grey(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0]


def cut(share: float) -> Make:
    def change(folder: Path) -> None:
        path = next(path for path in sorted((folder / "train/good").iterdir()))
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return change


LIKE = r"named like normal images, which belong in good"
NO_MASKS = r"has no masks, other kinds have, and there is no test.good"
SAME = every(same(*MEASURED), accepted())


def _good_twice(folder: Path) -> None:
    shutil.copytree(folder / "test/good", folder / "test/Good")


LABELS = [
    Case("ok_ko", plain(normal="ok", kind="ko", mask="{}.png"), (train(),), "refused", refused(LIKE), "anomalib 871"),
    Case("ok_test", changed(moved("test/good", "test/ok")), (train(),), "refused", refused(LIKE), "anomalib 1259"),
    Case("Good_test", twins(moved("test/good", "test/Good")), PAIR, "as good", SAME, "anomalib 2515"),
    Case("GOOD_train", changed(moved("train/good", "train/GOOD")), (train(),), "as good", accepted(**ALL)),
    *(
        Case(f"test/{name}", changed(moved("test/good", f"test/{name}"), mask=""), (train(),), "refused", refused(LIKE))
        for name in ("OK", "Normal", "no_defect", "good_2", "good ", "Good images", "正常")
    ),
    Case("okeh_no_masks", changed(moved("test/good", "test/okeh")), (train(),), "refused", refused(NO_MASKS)),
    Case("good_and_Good", changed(_good_twice), (train(),), "refused", refused("two folders of normal images")),
    Case(
        "evaluate_ok", changed(moved("test/good", "test/ok"), train=0), (evaluate("data.root=DIR"),), "refused", refused(LIKE)
    ),
]


def _ad2(folder: Path) -> None:
    shutil.rmtree(folder / "test")
    shutil.rmtree(folder / "ground_truth")
    pixels, mask = picture(1, defect=True)
    put(folder / "test_public/good/000_regular.png", picture()[0])
    put(folder / "test_public/bad/000_regular.png", pixels)
    put(folder / "test_public/ground_truth/bad/000_regular_mask.png", mask)


def _nested(folder: Path) -> None:
    for camera in ("cam1", "cam2"):
        pictures_in(folder / "train/good" / camera, 3)


def _two_folders(here: Path) -> None:
    pictures_in(here / "plain/good", 8)
    pictures_in(here / "plain/bad", 3)


def _some(suffix: str, count: int = 20) -> Make:
    return changed(lambda folder: pictures_in(folder / "train/good", count, suffix))


def _heic(folder: Path) -> None:
    for i in range(20):
        put_bytes(folder / f"train/good/IMG_{i}.HEIC", b"\0\0\0\x18ftypheic")


def _jfif(folder: Path) -> None:
    for i in range(20):
        put(folder / f"train/good/n{i}.jfif", picture(500 + i)[0], format="JPEG")


def _upper(folder: Path) -> None:
    for path in sorted(folder.rglob("*.png")):
        path.rename(path.with_suffix(".PNG"))


_read_or_counted = either(accepted(n_train=lambda n: n > 20), accepted(warns=r"\b20 images"))


EVALUATE = (evaluate("data.root=DIR"),)
UNREACHED = [
    Case("webp", plain(suffix=".webp"), (train(),), "read", accepted(**ALL), "torchvision 2605"),
    Case("some_webp", _some(".webp"), (train(),), "26 normal images", accepted(n_train=lambda n: n > 20)),
    Case("upper", changed(_upper), (train(),), "read", accepted(**ALL)),
    Case(
        "nested_all",
        changed(_nested, train=0),
        (train(),),
        "refused",
        refused("train.good (has no images|is missing)"),
        "anomalib 1554",
    ),
    Case(
        "nested_some",
        changed(lambda folder: pictures_in(folder / "train/good/night_shift", 30)),
        (train(),),
        "30 counted",
        accepted(warns=r"\b30 images", **ALL),
    ),
    Case("flat", lambda here: pictures_in(here / "plain", 8, ".jpg"), (train(),), "refused", refused("train.good is missing")),
    Case(
        "ev_nested",
        lambda here: pictures_in(here / "plain/test/new/monday", 8),
        EVALUATE,
        "refused",
        refused("no image to score"),
    ),
    Case("ev_flat", lambda here: pictures_in(here / "plain", 8), EVALUATE, "refused", refused("no image to score")),
    Case("ad2", changed(_ad2), (train(),), "3 counted", accepted(warns=r"\b3 images", n_test=0)),
    Case("twofolders", _two_folders, (train(),), "refused", refused("train.good is missing")),
    Case("upper_Train", changed(moved("train", "Train")), (train(),), "refused", refused("train.good is missing")),
    Case(
        "test_flat", changed(lambda f: pictures_in(f / "test", 2)), (train(),), "refused", refused("outside the folders test")
    ),
    Case(
        "train_bad", changed(lambda f: pictures_in(f / "train/bad", 4)), (train(),), "4 counted", accepted(warns=r"\b4 images")
    ),
    Case("some_avif", _some(".avif"), (train(),), "read or counted", _read_or_counted),
    Case("some_gif", _some(".gif"), (train(),), "read or counted", _read_or_counted),
    Case("some_jp2", _some(".jp2"), (train(),), "read or counted", _read_or_counted),
    Case("some_ppm", _some(".ppm"), (train(),), "read or counted", _read_or_counted),
    Case("some_jfif", changed(_jfif), (train(),), "read or counted", _read_or_counted),
    Case("some_heic", changed(_heic), (train(),), "counted", accepted(warns=r"\b20 (images|files)", **ALL)),
    Case(
        "all_gif",
        plain(suffix=".gif", mask="{}.png"),
        (train(),),
        "read or refused",
        either(accepted(**ALL), refused(r"train.good has no images.*\.gif")),
    ),
    Case("empty_kind", changed(lambda f: (f / "test/scratch").mkdir()), (train(),), "left out", accepted(**ALL)),
    Case(
        "masks_of_nothing",
        changed(lambda f: shutil.rmtree(f / "test/dent")),
        (train(),),
        "refused",
        refused("has no image in test.dent"),
        "crackseg9k 4",
    ),
]


def _bomb(folder: Path) -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0" + b"\0" * 64
    put_bytes(folder / "test/good/bomb.png", header)


def _link(folder: Path) -> None:
    (folder / "train/good/000.png").unlink()
    (folder / "train/good/000.png").symlink_to(folder / "gone.png")


def _spoilt(folder: Path) -> None:
    path = folder / "train/good/000.jpg"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)


WHOLE = r"no complete image file"
DAMAGED = [
    Case("truncated_jpeg", changed(cut(0.6), suffix=".jpg"), (train(),), "refused", refused(WHOLE), "torchvision 138"),
    Case("truncated_png", changed(cut(0.6)), (train(),), "refused", refused(WHOLE), "Biodiversity 605"),
    Case("jpeg_zero_tail", changed(_spoilt, suffix=".jpg"), (train(),), "refused", refused(WHOLE)),
    Case("empty_file", changed(cut(0)), (train(),), "refused", refused("is empty")),
    Case(
        "html_as_jpg", changed(beside("train/good/x.jpg", content=b"<html>404</html>")), (train(),), "refused", refused(WHOLE)
    ),
    Case(
        "png_header_60000",
        changed(_bomb),
        (train(),),
        "refused",
        refused("too large to decode, or damaged|no complete"),
        "opencv 17242",
    ),
    Case("dangling_link", changed(_link), (train(),), "refused", refused("cannot be read")),
    Case("folder_x.png", changed(lambda f: (f / "train/good/x.png").mkdir()), (train(),), "left out", accepted(**ALL)),
    Case(
        "lfs_pointer",
        changed(beside("test/good/p.png", content=b"version https://git-lfs.github.com/spec/v1\n")),
        (train(),),
        "refused",
        refused(WHOLE),
    ),
    Case(
        "mask_cut",
        changed(lambda f: put_bytes(f / "ground_truth/dent/000_mask.png", b"\x89PNG\r\n\x1a\n")),
        (train(),),
        "refused",
        refused(WHOLE),
        "ReLoBlur 4",
    ),
]

NONE_READ = accepted(silent="not used", **ALL)
FOREIGN = [
    Case(
        name.replace("/", "_"),
        changed(beside(f"{where}/{name}", content=b"\0\5\x16\7")),
        (train(),),
        "left out",
        NONE_READ,
        source,
    )
    for name, where, source in (
        ("Thumbs.db", "test/dent", "sd_dreambooth_extension 64"),
        (".DS_Store", "test", "sd_dreambooth_extension 44"),
        ("._000.png", "train/good", "MONAI 8305"),
        ("._000_mask.png", "ground_truth/dent", "openneuro 2520"),
        ("desktop.ini", "test/dent", ""),
        ("000.png~", "test/dent", ""),
        ("000.png.part", "test/good", ""),
        (".ipynb_checkpoints/000-checkpoint.png", "train/good", "InvokeAI 2715"),
        (".ipynb_checkpoints/001-checkpoint.png", "test", ""),
    )
] + [
    Case("@eaDir", changed(lambda f: pictures_in(f / "test/@eaDir/000.png", 2)), (train(),), "left out", NONE_READ),
    Case("__MACOSX", changed(beside("__MACOSX/plain/test/dent/._000.png")), (train(),), "left out", NONE_READ),
]


def _as(name: str, form: str) -> Make:
    def change(folder: Path) -> None:
        for path, pixels in list(images(folder)):
            put(path, pixels, format=form)

    return change


def _palette(pixels: np.ndarray) -> Image.Image:
    found = Image.fromarray(pixels).quantize(256)
    found.info["transparency"] = 3
    return found


def _alpha(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([pixels, np.full(pixels.shape[:2], 128, np.uint8)]), "RGBA")


CLOSE = every(same("image_auroc", "pixel_auroc", within=0.05), accepted())
FORMATS = [
    Case(
        "exif_jpeg",
        lambda h: [category(h / f"{x}/plain", train=0, suffix=".jpg", **o) for x, o in (("a", {}), ("b", {"exif": exif(6)}))],
        PAIR,
        "as stored",
        SAME,
        "opencv 8172",
    ),
    Case("exif_png", twins(saved(".png", exif=exif(3))), PAIR, "as stored", SAME, "opencv 16579"),
    Case("rgba_png", twins(saved(".png", _alpha)), PAIR, "colours beneath", SAME, "opencv 21695"),
    Case("grey_png", twins(saved(".png", grey)), PAIR, "as colour", SAME),
    Case("grey_alpha_png", twins(saved(".png", lambda p: Image.fromarray(grey(p)).convert("LA"))), PAIR, "as colour", SAME),
    Case("16_bit_png", twins(saved(".png", lambda p: grey(p).astype(np.uint16) * 257)), PAIR, "as 8 bit", SAME),
    Case(
        "16_bit_tiff",
        twins(tiff(lambda p: p.astype(np.uint16) * 257, photometric="rgb")),
        PAIR,
        "as 8 bit",
        SAME,
        "opencv 14609",
    ),
    Case(
        "planar_tiff",
        twins(tiff(lambda p: p.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate")),
        PAIR,
        "as PNG",
        SAME,
    ),
    Case("bigtiff", twins(tiff(lambda p: p, photometric="rgb", bigtiff=True)), PAIR, "as PNG", SAME),
    Case(
        "tiled_tiff",
        twins(tiff(lambda p: p, photometric="rgb", tile=(16, 16))),
        PAIR,
        "as PNG, or refused",
        either(SAME, refused(WHOLE)),
    ),
    Case(
        "pages_tiff",
        twins(saved(".tif", lambda p: Image.fromarray(p), save_all=True, append_images=[Image.new("RGB", (64, 64))])),
        PAIR,
        "the first page",
        SAME,
    ),
    Case(
        "float_tiff",
        changed(tiff(lambda p: p.astype(np.float32) / 255, photometric="rgb"), train=0),
        EVALUATE,
        "refused",
        refused("pixels of type float32"),
    ),
    Case(
        "int32_tiff",
        changed(tiff(lambda p: grey(p).astype(np.int32)), train=0),
        EVALUATE,
        "refused",
        refused("pixels of type int32"),
    ),
    Case("palette_alpha", twins(saved(".png", _palette)), PAIR, "colours", CLOSE),
    Case("cmyk_jpeg", twins(saved(".jpg", lambda p: Image.fromarray(p).convert("CMYK"))), PAIR, "colours", CLOSE),
    Case("one_bit", twins(saved(".png", lambda p: Image.fromarray(p).convert("1"))), PAIR, "read", accepted(n_test=4)),
    Case("gif_named_png", twins(_as("png", "GIF")), PAIR, "by content", CLOSE, "opencv 21835"),
    Case("jpeg_named_png", twins(_as("png", "JPEG")), PAIR, "by content", CLOSE),
    Case("progressive_jpeg", twins(saved(".jpg", progressive=True)), PAIR, "read", CLOSE),
    Case("gamma_png", twins(saved(".png", icc_profile=b"\0" * 128)), PAIR, "as stored", SAME),
]


def _doubled(folder: Path) -> None:
    for i in range(2):
        shutil.copy(folder / f"train/good/00{i}.png", folder / f"test/good/x{i}.png")


def _copies(folder: Path) -> None:
    for path in sorted((folder / "train/good").iterdir()):
        shutil.copy(path, path.with_name(f"{path.stem} (1).png"))


def _sizes(folder: Path) -> None:
    for i, size in enumerate(((48, 80), (90, 50), (120, 33))):
        put(folder / f"train/good/s{i}.png", picture(i, size)[0])


def _mixed(folder: Path) -> None:
    put(folder / "train/good/grey.png", grey(picture(1)[0]))
    put(folder / "train/good/deep.png", grey(picture(2)[0]).astype(np.uint16) * 257)


def _same_stem(folder: Path) -> None:
    put(folder / "test/dent/000.jpg", picture(3)[0])


def _case_stem(folder: Path) -> None:
    for name in ("a.png", "A.png"):
        put(folder / "test/good" / name, picture(4)[0])


def _constant(value: int, mode: str = "RGB") -> Make:
    def make(here: Path) -> None:
        category(here / "plain", train=0, good=1, bad=1)
        for i in range(6):
            put(here / f"plain/train/good/{i}.png", Image.new(mode, (64, 64), value if mode == "L" else (value,) * 3))

    return make


SETS = [
    Case("one_image", plain(train=1), (train(),), "refused", refused("holds a single image")),
    Case("two", plain(train=2, good=0, bad=0), (train(),), "trained", accepted(n_train=1, n_validation=1, n_test=0)),
    Case("no_train", plain(train=0), (train(),), "refused", refused("train.good (is missing|has no images)"), "anomalib 1215"),
    Case("only_normal", plain(bad=0), (train(),), "no AUROC", accepted(n_test=2, image_auroc=None)),
    Case("train_in_test", changed(_doubled), (train(),), "2 counted", accepted(warns=r"\b2 .*test images.*training")),
    Case("train_twice", changed(_copies), (train(),), "a warning", accepted(warns=r"held-out images.*training")),
    Case("mixed_sizes", changed(_sizes), (train(),), "trained", accepted(n_train=6)),
    Case("mixed_depth", changed(_mixed), (train(),), "trained", accepted(n_train=5)),
    Case("same_stem", changed(_same_stem), (train(),), "refused", refused("share the stem")),
    Case("stems_a_A", changed(_case_stem), (train(),), "read", accepted(n_test=6)),
    Case("oblong", plain(size=(40, 300)), (train(),), "trained", accepted(**ALL)),
    Case(
        "strip_1x300",
        plain(size=(1, 300), bad=0),
        (train(),),
        "refused or trained",
        either(refused(r"(pixels|size|small|width|side)"), accepted(n_train=4)),
    ),
    Case(
        "tiny_8x8",
        plain(size=(8, 8)),
        (train(),),
        "refused or trained",
        either(refused(r"(pixels|size|small|width|side)"), accepted(n_train=4)),
    ),
]


def _scaled(factor: float) -> Make:
    def make(here: Path) -> None:
        category(here / "plain", train=0)
        for below in ("test", "ground_truth"):
            for path, _ in list(images(here / "plain", below)):
                side = round(64 * factor)
                Image.open(path).resize((side, side), Image.Resampling.NEAREST if below != "test" else None).save(path)

    return make


def _photos(here: Path) -> None:
    new = here / "plain/test/new"
    for name, size in {"small": (10, 10), "dot": (1, 1), "strip": (8, 600), "tall": (700, 30), "big": (512, 640)}.items():
        put(new / f"{name}.png", picture(5, size)[0])
    pixels = picture(6)[0]
    put(new / "dead.png", np.zeros_like(pixels))
    put(new / "white.png", np.full_like(pixels, 255))
    put(new / "grey16.png", grey(pixels).astype(np.uint16) * 257)
    put(new / "cmyk.jpg", Image.fromarray(pixels).convert("CMYK"))
    put(new / "rgba.png", _alpha(pixels))
    put(new / "onebit.png", Image.fromarray(pixels).convert("1"))
    put(new / "palette.bmp", Image.fromarray(pixels).convert("P"))
    put(new / "same.png", pixels)


def _one_new(change: Callable[[np.ndarray], Any], count: int = 4) -> Make:
    def make(here: Path) -> None:
        for i in range(count):
            put(here / f"plain/test/new/{i}.png", change(picture(700 + i)[0]))

    return make


def _warns(pattern: str) -> Any:
    return accepted(warns=rf"(?i)\d+ .*({pattern})")


UNLIKE = [
    *(
        Case(
            f"resized_{factor:g}",
            _scaled(factor),
            EVALUATE,
            "a warning with counts",
            _warns("size|large|small|resol|pixels"),
            "cleanvision 175",
        )
        for factor in (0.25, 2, 4)
    ),
    Case("photos", _photos, EVALUATE, "a warning with counts", _warns("size|large|small|resol|pixels|bright|dark")),
    Case("same_size", _scaled(1), EVALUATE, "no word", accepted(silent="(?i)unlike|size|bright|sharp", n_test=4)),
    Case("dark", _one_new(lambda p: p // 4), EVALUATE, "a warning with counts", _warns("dark|bright")),
    Case(
        "12_bit_in_16",
        _one_new(lambda p: grey(p).astype(np.uint16) * 16),
        EVALUATE,
        "a warning with counts",
        _warns("dark|bright"),
    ),
    Case(
        "blurred",
        _one_new(lambda p: Image.fromarray(p).resize((8, 8)).resize((64, 64))),
        EVALUATE,
        "a warning with counts",
        _warns("sharp|blur"),
    ),
    Case(
        "wide_20000",
        lambda h: put(h / "plain/test/new/0.png", picture(8, (64, 20000))[0]),
        EVALUATE,
        "a warning with counts",
        _warns("size|large|pixels"),
    ),
    Case(
        "black",
        _constant(0, "L"),
        (train(),),
        "a warning",
        accepted(warns="(?i)black|one colour|show nothing"),
    ),
    Case("constant", _constant(90), (train(),), "a warning", accepted(warns="one colour")),
]


def _links(here: Path) -> None:
    category(here / "data")
    os.symlink(here / "data", here / "plain")


KINDS = {
    "spelling of the one magic folder name": LABELS,
    "images that the scan does not reach": UNREACHED,
    "input unlike the training's": UNLIKE,
    "pixel formats": FORMATS,
    "damaged files": DAMAGED,
    "foreign files": FOREIGN,
    "small and odd sets": [*SETS, Case("linked_category", _links, (train(),), "trained", accepted(**ALL))],
}

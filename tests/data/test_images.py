"""Image and mask files of every kind that `read_image` promises to read, and the errors for other files."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from anomaly_lab.data.images import image_size, read_image, read_mask, resize, resize_mask, to_unit
from anomaly_lab.errors import UserError

SIDES = st.integers(1, 12)
PNG_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels


def png_bytes(pixels: np.ndarray) -> bytes:
    """A PNG file made by hand: neither OpenCV nor Pillow can write grey with 16-bit alpha."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    height, width, channels = pixels.shape
    depth = 8 * pixels.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, PNG_COLOUR_TYPE[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(pixels.dtype.newbyteorder(">")))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pictures(channels: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(SIDES, SIDES, channels)
    return st.one_of(hnp.arrays(np.uint8, shapes), hnp.arrays(np.uint16, shapes))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images") / "file.png"


@pytest.fixture
def colours() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)


@given(pixels=pictures(st.integers(1, 4)))
def test_png_comes_back_without_its_alpha(file: Path, pixels: np.ndarray) -> None:
    file.write_bytes(png_bytes(pixels))
    image = read_image(file)
    assert image.dtype == pixels.dtype
    np.testing.assert_array_equal(image, pixels[..., : 1 if pixels.shape[2] < 3 else 3])
    assert image.flags["C_CONTIGUOUS"]
    assert image_size(file) == pixels.shape[:2]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF", ".jpg"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_formats(tmp_path: Path, colours: np.ndarray, suffix: str, mode: str) -> None:
    # JPEG would blur noise, so its picture has one plain colour
    pixels = np.full_like(colours, (200, 100, 50)) if suffix == ".jpg" else colours
    picture = Image.fromarray(pixels).convert(mode)
    path = tmp_path / f"Ünïcode 画像{suffix}"
    picture.save(path)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image_size(path) == (8, 10)
    expected = np.asarray(picture).reshape(8, 10, -1)
    assert image.shape == expected.shape
    np.testing.assert_allclose(image.astype(int), expected.astype(int), atol=2 if suffix == ".jpg" else 0)


def test_webp_is_read(tmp_path: Path, colours: np.ndarray) -> None:
    Image.fromarray(colours).save(tmp_path / "file.webp", lossless=True)
    np.testing.assert_array_equal(read_image(tmp_path / "file.webp"), colours)


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_tiff(tmp_path: Path, colours: np.ndarray, channels: int) -> None:
    pixels = colours[..., :channels].astype(np.uint16) * 257
    path = tmp_path / "deep.tif"
    cv2.imwrite(str(path), pixels)
    image = read_image(path)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, pixels[..., ::-1])


@pytest.mark.parametrize("transparency", [None, 0])
def test_palette_counts_as_colour(tmp_path: Path, colours: np.ndarray, transparency: int | None) -> None:
    picture = Image.fromarray(colours).quantize(16)
    path = tmp_path / "palette.png"
    if transparency is not None:
        picture.info["transparency"] = transparency
    picture.save(path)
    np.testing.assert_array_equal(read_image(path), np.asarray(picture.convert("RGB")))


def test_one_bit_file_is_grey(tmp_path: Path) -> None:
    pixels = np.eye(8, 10, dtype=bool)
    path = tmp_path / "bits.png"
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read_image(path), pixels[..., np.newaxis] * np.uint8(255))


def test_colour_file_of_equal_channels_stays_colour(tmp_path: Path) -> None:
    path = tmp_path / "equal.png"
    Image.new("RGB", (10, 8), (7, 7, 7)).save(path)
    assert read_image(path).shape == (8, 10, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exif_orientation_is_ignored(tmp_path: Path, colours: np.ndarray, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees
    path = tmp_path / f"turned{suffix}"
    Image.fromarray(colours).save(path, exif=exif)
    assert read_image(path).shape == (8, 10, 3)
    assert image_size(path) == (8, 10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32])
def test_pixels_without_a_fixed_range_are_refused(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / "odd.tif"
    cv2.imwrite(str(path), np.ones((8, 10), dtype))
    with pytest.raises(UserError, match=rf"odd\.tif has pixels of type {np.dtype(dtype)}.*convert"):
        read_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_truncated_file(tmp_path: Path, kind: str, share: float) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    path = tmp_path / "cut.png"
    path.write_bytes(buffer.getvalue()[: int(share * buffer.tell())])
    with pytest.raises(UserError, match=r"cut\.png is no complete image file: copy it again"):
        read_image(path)


@given(content=st.binary(min_size=1, max_size=64))
def test_arbitrary_bytes_give_only_user_errors(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"file\.png"):
        read_image(file)
    with pytest.raises(UserError, match=r"file\.png"):
        image_size(file)


def test_header_that_announces_too_many_pixels(tmp_path: Path) -> None:
    path = tmp_path / "huge.bmp"
    Image.new("RGB", (4, 4)).save(path)
    content = bytearray(path.read_bytes())
    content[18:26] = struct.pack("<II", 40_000, 40_000)  # width and height
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"huge\.bmp is too large to decode, or damaged: cut"):
        read_image(path)


def test_a_small_file_of_many_pixels_takes_no_memory(tmp_path: Path) -> None:
    """20,000² pixels in 50 kB. In a process of its own: OpenCV learns its limit when it is imported."""
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path, compress_level=9)
    assert path.stat().st_size < 1e5
    code = f"from pathlib import Path; from anomaly_lab.data.images import read_image; read_image(Path({str(path)!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "bomb.png is too large to decode" in ended.stderr


def test_empty_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    for read in (read_image, image_size):
        with pytest.raises(UserError, match=r"empty\.png is empty: copy"):
            read(tmp_path / "empty.png")
        with pytest.raises(UserError, match=r"none\.png cannot be read \(No such file.*restore"):
            read(tmp_path / "none.png")
        with pytest.raises(UserError, match=r"folder\.png cannot be read"):
            read(tmp_path / "folder.png")


def test_broken_files_print_nothing_of_opencv(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cut.bmp"
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "BMP")
    path.write_bytes(buffer.getvalue()[:500])
    with pytest.raises(UserError):
        read_image(path)
    assert capfd.readouterr().err == ""


@given(pixels=pictures(st.integers(1, 4)), value=st.integers(1, 255))
def test_a_mask_of_two_values_marks_what_is_above_zero(file: Path, pixels: np.ndarray, value: int) -> None:
    pixels = (pixels % 2 * value).astype(pixels.dtype)
    file.write_bytes(png_bytes(pixels))
    mask = read_mask(file, pixels.shape[:2])
    assert mask.dtype == bool
    colour = pixels[..., :-1] if pixels.shape[2] in (2, 4) else pixels
    np.testing.assert_array_equal(mask, colour.max(axis=2) > 0)


def disk(top: int = 255) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return (((y - 32) ** 2 + (x - 30) ** 2 <= 144) * top).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_lossy_mask_is_cut_at_half_of_its_maximum(tmp_path: Path, suffix: str, quality: int) -> None:
    Image.fromarray(disk()).save(tmp_path / f"mask{suffix}", quality=quality)
    wrong = read_mask(tmp_path / f"mask{suffix}", (64, 64)) != (disk() > 0)
    assert np.count_nonzero(wrong) <= 4
    assert np.count_nonzero(read_image(tmp_path / f"mask{suffix}").max(axis=2) > 0) > np.count_nonzero(disk()) + 4, "not at 0"


def test_a_mask_with_soft_edges_is_cut_at_half_of_its_maximum(tmp_path: Path) -> None:
    soft = cv2.GaussianBlur(disk(), (0, 0), 3)
    Image.fromarray(soft).save(tmp_path / "mask.png")
    assert np.count_nonzero(read_mask(tmp_path / "mask.png", (64, 64)) != (disk() > 0)) < 0.1 * np.count_nonzero(disk())


def test_numbered_defects_all_count(tmp_path: Path) -> None:
    labels = np.arange(17, dtype=np.uint8)[None]
    Image.fromarray(labels).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (1, 17)).tolist() == [[False] + [True] * 16]


def numbered(count: int, step: int = 1, gap: int = 2, dtype: type = np.uint8) -> np.ndarray:
    """Rectangles side by side, each with a value of its own."""
    labels = np.zeros((30, 9 * count + 9), dtype)
    for i in range(count):
        labels[5:25, 5 + 9 * i : 14 - gap + 9 * i] = (i + 1) * step
    return labels


@pytest.mark.parametrize(
    "labels",
    [numbered(17), numbered(40), numbered(200, gap=0), numbered(9, step=10), numbered(20, step=1000, dtype=np.uint16)],
    ids=["17 defects", "40", "200 that touch", "classes 10 to 90", "16 bits"],
)
def test_many_numbered_defects_all_count(tmp_path: Path, labels: np.ndarray) -> None:
    """They have as many values as soft edges, but each value is a region of its own."""
    cv2.imwrite(str(tmp_path / "mask.png"), labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", labels.shape), labels > 0)


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
def test_a_mask_that_was_a_lossy_file_before_is_cut_at_half_of_its_maximum(tmp_path: Path, quality: int) -> None:
    _, content = cv2.imencode(".jpg", disk(), [cv2.IMWRITE_JPEG_QUALITY, quality])
    cv2.imwrite(str(tmp_path / "mask.png"), cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))
    assert np.count_nonzero(read_mask(tmp_path / "mask.png", (64, 64)) != (disk() > 0)) <= 4


def test_many_values_that_may_be_either_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), numbered(20, gap=0)[::9, ::4])
    with pytest.raises(UserError, match=r"mask\.png has the values 0, 1, 2, 3, 4, 5, 6, …, 20, and which are"):
        read_mask(tmp_path / "mask.png", (4, 48))


def test_a_mask_that_leaves_open_what_is_defective_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 100, 255]], np.uint8)).save(tmp_path / "grey.png")
    with pytest.raises(UserError, match=r"grey\.png has the values 0, 100, 255, and which are defective is open"):
        read_mask(tmp_path / "grey.png", (1, 3))
    Image.fromarray(disk(1)).save(tmp_path / "dark.jpg")
    with pytest.raises(UserError, match=r"dark\.jpg is a lossy file without a bright pixel .*save the mask as a PNG"):
        read_mask(tmp_path / "dark.jpg", (64, 64))


def test_mask_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "000_mask.png"
    Image.new("L", (10, 8)).save(path)
    with pytest.raises(UserError, match=r"000_mask\.png is 8 x 10 pixels .* its image is 10 x 8: give"):
        read_mask(path, (10, 8))


@given(pixels=pictures(st.sampled_from([1, 3])), size=st.tuples(SIDES, SIDES))
def test_resize_keeps_dtype_channels_and_range(pixels: np.ndarray, size: tuple[int, int]) -> None:
    before = pixels.copy()
    resized = resize(pixels, size)
    assert resized.shape == (*size, pixels.shape[2])
    assert resized.dtype == pixels.dtype
    assert (resized.max(axis=(0, 1)) <= pixels.max(axis=(0, 1))).all()
    assert (resized.min(axis=(0, 1)) >= pixels.min(axis=(0, 1))).all()
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_shrinking_averages_areas_even_where_the_other_side_grows(dtype: type) -> None:
    pixels: np.ndarray = np.zeros((4, 8, 1), dtype)
    pixels[:, ::4] = 200  # one column in four
    for size in ((2, 2), (4, 2), (9, 2)):
        np.testing.assert_array_equal(resize(pixels, size), np.full((*size, 1), 50, dtype))


def test_enlarging_is_linear() -> None:
    pixels = np.array([0, 100], np.uint8).reshape(1, 2, 1)
    np.testing.assert_array_equal(resize(pixels, (1, 4)).ravel(), [0, 25, 75, 100])


def test_resize_to_the_same_size_is_free() -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    assert resize(pixels, (4, 5)) is pixels


@given(pixels=pictures(st.sampled_from([1, 3])))
def test_to_unit(pixels: np.ndarray) -> None:
    unit = to_unit(pixels)
    assert unit.shape == (*pixels.shape[:2], 3)
    assert unit.dtype == np.float32
    assert unit.min() >= 0 and unit.max() <= 1
    back = np.rint(unit.astype(np.float64) * np.iinfo(pixels.dtype).max)
    np.testing.assert_array_equal(back, np.broadcast_to(pixels, unit.shape))


def test_unit_range_is_that_of_the_dtype() -> None:
    assert to_unit(np.full((1, 1, 1), 255, np.uint8)).tolist() == [[[1.0, 1.0, 1.0]]]
    assert to_unit(np.full((1, 1, 1), 65535, np.uint16)).tolist() == [[[1.0, 1.0, 1.0]]]
    assert to_unit(np.full((1, 1, 1), 255, np.uint16)).max() < 0.004


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"link\.png cannot be read"):
        read_image(tmp_path / "link.png")


def test_a_mask_that_shrinks_keeps_what_covers_half_a_pixel_and_never_becomes_empty() -> None:
    mask = np.zeros((8, 8), bool)
    mask[0:2, 0:2] = mask[4, 4:6] = mask[7, 0] = True
    small = resize_mask(mask, (4, 4))
    assert small.tolist() == [[True, False, False, False], [False] * 4, [False, False, True, False], [False] * 4]
    mask[:] = False
    mask[3, 3] = True
    assert resize_mask(mask, (2, 2)).tolist() == [[True, False], [False, False]], "a single pixel of sixteen"
    assert resize_mask(mask, (8, 8)) is mask
    assert not resize_mask(np.zeros((8, 8), bool), (3, 3)).any()


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match="is a pipe, a socket or a device, no file"):
        read_image(tmp_path / "a.png")
    with pytest.raises(UserError, match="cannot be read"):
        read_image(tmp_path)

"""What the names of folders and files say: which folder holds normal images, which files are images."""

import unicodedata
from pathlib import Path

NORMAL = "good"
# Names that say the same; letters alone count, in any case.
LIKE_NORMAL = frozenset(
    ("good", "goods", "ok", "okay", "normal", "normals", "pass", "passed", "fine", "healthy", "nodefect", "nodefects")
) | frozenset(("defectfree", "nondefective", "正常", "良品", "合格"))
FILLING = ("images", "image", "samples", "sample", "parts", "part")  # words that say nothing beside another
# what every build of OpenCV reads
IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm")
)
# images too, but some builds can't read them, or OpenCV never does
UNREAD_SUFFIXES = frozenset(
    (".avif", ".gif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".exr", ".hdr", ".tga", ".psd", ".dng", ".cr2", ".nef", ".arw")
) | frozenset((".dcm", ".raw", ".npy", ".svg"))


def one_form(name: str) -> str:
    """The name in one normal form: an ü may be stored as one character or as two, and nobody sees which."""
    return unicodedata.normalize("NFC", name)


def kind_of(folder: Path) -> str:
    """The kind of defect whose images a folder holds: its name in one form; `NORMAL` for that in any case."""
    return NORMAL if folder.name.casefold() == NORMAL else one_form(folder.name)


def is_like_normal(name: str) -> bool:
    """Whether a folder's name says that its images are normal, without being `NORMAL`: "ok", "No_Defect", "good 2"."""
    letters = "".join(filter(str.isalpha, name.casefold()))
    for word in FILLING:
        letters = letters.removesuffix(word).removeprefix(word)
    return letters in LIKE_NORMAL and name.casefold() != NORMAL

"""What lies in a folder: subfolders and images. No file is opened. UserError for what can't be what is expected."""

import os
from collections.abc import Iterator
from pathlib import Path

from anomaly_lab.data.names import IMAGE_SUFFIXES, UNREAD_SUFFIXES, one_form
from anomaly_lab.errors import UserError, is_text

# folders that systems and disk stations make for themselves, beside those with a dot; the images in some are thumbnails
FOREIGN = frozenset({"lost+found", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "#recycle", "__MACOSX"})


def images(folder: Path) -> list[Path]:
    """The images directly in `folder`, sorted. A link to a missing file counts: reading it fails later, with a message.

    UserError for a pipe, a socket or a device, since to read it could take for ever, and for a name that is no text.
    """
    found = _named([path for path in visible(folder) if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()])
    for path in found:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is a pipe, a socket or a device: remove it, since an image is a file")
    return found


def folders(folder: Path) -> list[Path]:
    """The folders directly in `folder`, sorted. UserError for a name that is no text."""
    return _named([path for path in visible(folder) if path.is_dir()])


def visible(folder: Path) -> list[Path]:
    """What lies in `folder`, sorted, without hidden and `FOREIGN` names; nothing if there is no such folder.

    UserError for a file in its place, and a folder that can't be listed.
    """
    if not folder.is_dir():
        if folder.is_file():
            raise UserError(f"{folder} is a file: a folder of this name is expected, so rename or remove it")
        return []
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder} can't be listed ({error.strerror}): change its permissions, or move it elsewhere") from error
    return sorted((path for path in found if not _ignored(path.name)), key=Path.as_posix)


def walk(folder: Path) -> Iterator[Path]:
    """Every image in `folder` and below, in no order, also those in formats that are not read.

    Hidden and `FOREIGN` names, links to folders, and folders that can't be listed are left out.
    """
    for path, names, files in os.walk(folder):
        names[:] = [name for name in names if not _ignored(name)]  # the walk goes on into these
        for file in (Path(path, name) for name in files if not _ignored(name)):
            if file.suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES and file.is_file():
                yield file


def stem(path: Path) -> str:
    """A file's stem in one normal form."""
    return one_form(path.stem)


def _named(paths: list[Path]) -> list[Path]:
    for path in paths:
        if not is_text(path.name):
            raise UserError(f"{path} has a name that is no text in UTF-8: rename it")
    return paths


def _ignored(name: str) -> bool:
    return name.startswith(".") or name in FOREIGN

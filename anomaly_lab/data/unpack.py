"""Unpack an archive that others made: nothing it holds can land outside of its folder, overwrite a file, or fill the disk.

Members are written by this module alone, one by one: neither tarfile's nor zipfile's own extraction is used.
"""

import contextlib
import gzip
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from lzma import LZMAError
from pathlib import Path
from typing import IO, NamedTuple

from anomaly_lab.errors import UserError, printable

CHUNK = 1 << 20
MEMBERS = 1_000_000  # more files than any set of images has
BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, LZMAError, EOFError, NotImplementedError)


class Member(NamedTuple):
    """A member of an archive: its name, whether it is a folder, and its content. `odd`: what else it is, such as a link."""

    name: str
    folder: bool
    odd: str
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path, limit: int, progress: Callable[[int], None] = lambda done: None) -> None:
    """Unpack a tar (also .gz, .bz2, .xz) or zip archive into the new folder `folder`, at most `limit` bytes of it.

    `progress(done)` gets the number of bytes written. Permissions, owners and times are not taken over.
    UserError for a damaged archive, and for a member that is neither a file nor a folder, has an absolute path, "..", a
    backslash or a colon in it, is there twice, or differs from another in upper and lower case alone.
    """
    seen: dict[str, str] = {}
    written = 0
    folder.mkdir(parents=True)
    try:
        for count, member in enumerate(_members(archive), start=1):
            path = folder.joinpath(*_parts(archive, member, seen))
            if count > MEMBERS:
                raise UserError(f"{archive} holds more than {MEMBERS:,} files: it is no set of images, so remove it")
            if member.folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(_content(archive, member)) as content, path.open("xb") as file:
                while block := content.read(CHUNK):
                    written += len(block)
                    if written > limit:
                        raise UserError(
                            f"{archive} unpacks to more than {limit / 1e9:.3g} GB: it is no set of images, remove it"
                        )
                    file.write(block)
                    progress(written)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{archive} holds {error.filename} as a file and as a folder: remove the archive") from error
    except BROKEN as error:
        raise UserError(f"{archive} can't be unpacked ({printable(str(error))}): remove it, and load it again") from error


def _parts(archive: Path, member: Member, seen: dict[str, str]) -> list[str]:
    """The folders and the name of a member; `seen`: the paths so far, in one form. UserError if it may not be unpacked."""

    def refused(why: str) -> UserError:
        return UserError(f"{archive} holds {printable(member.name)!r}, {why}: it is not unpacked, so remove the archive")

    if member.odd:
        raise refused(f"which is {member.odd}")
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith("/") or ".." in parts or any(sign in member.name for sign in "\\:\0"):
        raise refused("which may lead out of its folder")
    path = ""
    for i, part in enumerate(parts, start=1):  # the folders above it, too: "A/x" and "a/y" are in one folder on some disks
        path = f"{path}/{part}"
        one_form = unicodedata.normalize("NFC", path).casefold()
        last = i == len(parts) and not member.folder
        if (known := seen.get(one_form)) is not None and (last or known != path):
            raise refused("which is there twice" if known == path else f"and {known[1:]!r}, which are one file on some disks")
        seen[one_form] = path
    return parts


def _content(archive: Path, member: Member) -> IO[bytes]:
    content = member.open()
    if content is None:
        raise UserError(f"{archive} has no content for {printable(member.name)!r}: remove it, and load it again")
    return content


def _members(archive: Path) -> Iterator[Member]:
    """The members in the order of the archive, which is read once."""
    if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)  # of zips made on Unix; 0 where it is not said
                odd = "" if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "a link or a device"
                odd = "encrypted" if info.flag_bits & 1 else odd
                yield Member(info.orig_filename, info.is_dir(), odd, lambda info=info: packed.open(info))  # type: ignore[misc]
        return
    with tarfile.open(archive, "r:*") as packed_tar:
        for entry in packed_tar:
            odd = "" if entry.isfile() or entry.isdir() else "a link or a device"
            yield Member(entry.name, entry.isdir(), odd, lambda entry=entry: packed_tar.extractfile(entry))  # type: ignore[misc]


def needed(gigabytes: float, folder: Path) -> None:
    """UserError if the disk of `folder` has less than that many GB free."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise UserError(
            f"{folder} has {free:.1f} GB free, and {gigabytes:.1f} GB are needed: free some space, or set data.root elsewhere"
        )

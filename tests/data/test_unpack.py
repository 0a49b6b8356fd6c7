"""Archives whose members would land elsewhere, overwrite files or fill the disk are refused; others arrive whole."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from anomaly_lab.data import unpack as module
from anomaly_lab.data.unpack import needed, unpack
from anomaly_lab.errors import UserError

LIMIT = 10_000


def tar(
    path: Path, *names: str, mode: str = "w", size: int = 3, change: Callable[[tarfile.TarInfo], None] | None = None
) -> Path:
    """A tar of files with these names; the last one is changed by `change`."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for i, name in enumerate(names, start=1):
            info = tarfile.TarInfo(name.rstrip("/"))
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            else:
                info.size = size
            if change is not None and i == len(names):
                change(info)
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def packed(path: Path, *names: str, mode: int = 0) -> Path:
    """A zip of files with these names; the last one has the Unix mode `mode`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, name in enumerate(names, start=1):
            info = zipfile.ZipInfo(name)
            if i == len(names):
                info.external_attr = mode << 16
            archive.writestr(info, b"xyz" if not name.endswith("/") else b"")
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.xz", "a.tar.gz", "a.tar.bz2", "a.zip"])
def test_a_sound_archive_arrives_whole(tmp_path: Path, name: str) -> None:
    names = ("bottle/", "bottle/train/good/000.png", "./carpet/ä b.png", "license.txt")
    mode = {"xz": "w:xz", "gz": "w:gz", "bz2": "w:bz2"}.get(name.rsplit(".", 1)[1], "w")
    archive = packed(tmp_path / name, *names) if name.endswith("zip") else tar(tmp_path / name, *names, mode=mode)
    told: list[int] = []
    unpack(archive, tmp_path / "out", LIMIT, told.append)
    assert sorted(files(tmp_path / "out")) == ["bottle/train/good/000.png", "carpet/ä b.png", "license.txt"]
    assert {len(content) for content in files(tmp_path / "out").values()} == {3} and told[-1] == 9


OUT = "may lead out of its folder"
NAMES = {
    ("../evil",): OUT,
    ("a/../../evil",): OUT,
    ("/tmp/evil",): OUT,
    ("..\\evil",): OUT,
    ("C:evil",): OUT,
    ("a/x.png", "a/x.png"): "is there twice",
    ("a/x.png", "a/X.png"): "one file on some disks",
    ("a/x.png", "A/y.png"): "one file on some disks",
    ("a/\u00e9.png", "a/e\u0301.png"): "one file on some disks",
}


@pytest.mark.parametrize("make", [tar, packed])
@pytest.mark.parametrize("names", NAMES)
def test_a_name_that_leads_out_or_overwrites_is_refused(
    tmp_path: Path, make: Callable[..., Path], names: tuple[str, ...]
) -> None:
    work = tmp_path / "deep" / "work"
    work.mkdir(parents=True)
    with pytest.warns(UserWarning) if make is packed and len(set(names)) < len(names) else _nothing():
        archive = make(work / "archive", *names)
    with pytest.raises(UserError, match=NAMES[names]):
        unpack(archive, work / "out", LIMIT)
    inside = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path == archive or path.is_relative_to(work / "out") for path in inside)


def _nothing() -> object:
    import contextlib

    return contextlib.nullcontext()


def kind(type_: bytes, target: str = "") -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = type_, target, 0

    return change


@pytest.mark.parametrize(
    "change",
    [
        kind(tarfile.SYMTYPE, "/etc/passwd"),
        kind(tarfile.SYMTYPE, "inside"),
        kind(tarfile.LNKTYPE, "../evil"),
        kind(tarfile.CHRTYPE),
        kind(tarfile.BLKTYPE),
        kind(tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, change: Callable[[tarfile.TarInfo], None]) -> None:
    archive = tar(tmp_path / "a.tar", "inside", "odd", change=change)
    with pytest.raises(UserError, match="'odd', which is a link or a device"):
        unpack(archive, tmp_path / "out", LIMIT)
    assert list(files(tmp_path / "out")) == ["inside"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", "inside", "odd", mode=stat.S_IFLNK | 0o777)
    with pytest.raises(UserError, match="'odd', which is a link or a device"):
        unpack(archive, tmp_path / "out", LIMIT)
    packed(tmp_path / "b.zip", "plain", mode=stat.S_IFREG | 0o644)
    unpack(tmp_path / "b.zip", tmp_path / "fine", LIMIT)


def test_a_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("a.png", bytes(50_000_000))
    assert archive.stat().st_size < 100_000
    with pytest.raises(UserError, match=r"unpacks to more than 0.005 GB"):
        unpack(archive, tmp_path / "out", 5_000_000)
    assert (tmp_path / "out/a.png").stat().st_size <= 5_000_000


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMBERS", 2)
    with pytest.raises(UserError, match="more than 2 files"):
        unpack(tar(tmp_path / "a.tar", "a", "b", "c"), tmp_path / "out", LIMIT)


@pytest.mark.parametrize("names", [("a", "a/b.png"), ("a/b.png", "a")])
def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=r"as a file and as a folder|is there twice"):
        unpack(tar(tmp_path / "a.tar", *names), tmp_path / "out", LIMIT)


@pytest.mark.parametrize("mode", ["w", "w:xz", "w:gz", "w:bz2"])
def test_a_cut_off_archive_is_refused(tmp_path: Path, mode: str) -> None:
    whole = tar(tmp_path / "whole", "a.png", "b.png", mode=mode, size=4000)
    archive = tmp_path / "cut"
    archive.write_bytes(whole.read_bytes()[: len(whole.read_bytes()) // 3])
    with pytest.raises(UserError, match="can't be unpacked"):
        unpack(archive, tmp_path / "out", LIMIT)


def test_no_archive_and_an_encrypted_member_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(UserError, match="can't be unpacked"):
        unpack(tmp_path / "text", tmp_path / "a", LIMIT)
    archive = packed(tmp_path / "a.zip", "secret")
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption, in the table of contents
    archive.write_bytes(data)
    with pytest.raises(UserError, match="'secret', which is encrypted"):
        unpack(archive, tmp_path / "b", LIMIT)


def test_a_full_disk_is_told_before(tmp_path: Path) -> None:
    needed(1e-6, tmp_path)
    with pytest.raises(UserError, match=r"GB free, and 1000000.0 GB are needed"):
        needed(1e6, tmp_path)

"""What lies in a folder: what is expected, what is left out, and what is refused in one sentence."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import write_category

from anomaly_lab.data import listing
from anomaly_lab.data.folder import read, scan
from anomaly_lab.errors import UserError

SCAN = {"_target_": "anomaly_lab.data.folder.scan"}


@pytest.fixture
def category(tmp_path: Path) -> Path:
    """A small, complete category "stripes"."""
    return write_category(tmp_path / "stripes", train=3, good=1, each=1)


def refusal(category: Path) -> str:
    """The one line with which the category is refused."""
    with pytest.raises(UserError) as caught:
        scan(category.parent, category.name)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("name", ["lost+found", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "__MACOSX", ".git"])
@pytest.mark.parametrize("below", ["", "train", "test", "ground_truth", "test/hole"])
def test_folders_of_the_system_are_left_out(
    category: Path, name: str, below: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = scan(category.parent, category.name)
    foreign = category / below / name
    foreign.mkdir()
    (foreign / "000.png").write_bytes(b"a thumbnail")
    deny(monkeypatch, foreign)
    assert read(SCAN, category.parent, category.name, need_training=True) == before
    assert not caplog.records


def deny(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let `folder` be one of mode 000, which hinders no administrator."""
    listed = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)


@pytest.mark.parametrize("below", ["train", "train/good", "test", "test/hole", "ground_truth", "ground_truth/hole"])
def test_a_folder_that_cannot_be_listed_is_named(category: Path, below: str, monkeypatch: pytest.MonkeyPatch) -> None:
    deny(monkeypatch, category / below)
    assert (
        refusal(category)
        == f"{category / below} can't be listed (Permission denied): change its permissions, or move it elsewhere"
    )


def test_one_beside_the_category_is_not(category: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (category.parent / "other").mkdir()
    deny(monkeypatch, category.parent / "other")
    assert scan(category.parent, category.name).train
    with pytest.raises(UserError, match=r"set category.name to one of stripes"):
        scan(category.parent, "none")


def special(path: Path, kind: str) -> None:
    """Make a file that is no regular one."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))  # the path of a socket has at most 108 bytes


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
@pytest.mark.parametrize("below", ["train/good", "test/hole", "ground_truth/hole"])
def test_what_is_no_file_is_never_read(category: Path, below: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it could take for ever."""
    monkeypatch.chdir(category)
    special(category / below / "x.png", kind)
    assert (
        refusal(category)
        == f"{category / below / 'x.png'} is a pipe, a socket or a device: remove it, since an image is a file"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_nor_is_it_counted_among_the_unused_images(category: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(category / "x.png")
    assert read(SCAN, category.parent, category.name, need_training=True).train
    assert not caplog.records


@pytest.mark.parametrize("below", ["train", "train/good", "test", "ground_truth"])
def test_a_file_where_a_folder_is_expected_is_named(category: Path, below: str) -> None:
    (category / below).rename(category.parent / "aside")
    (category / below).touch()
    assert refusal(category) == f"{category / below} is a file: a folder of this name is expected, so rename or remove it"


@pytest.mark.parametrize("name", ["test/hole.png", "train/good/x.png"])
def test_a_folder_named_like_an_image_is_no_image(category: Path, name: str) -> None:
    before = scan(category.parent, category.name)
    (category / name).mkdir()
    assert scan(category.parent, category.name) == before


def test_links_in_circles_end(category: Path, caplog: pytest.LogCaptureFixture) -> None:
    (category / "test/hole/again").symlink_to(".")
    (category / "up").symlink_to("..")
    (category / "self").symlink_to("self")
    assert len(read(SCAN, category.parent, category.name, need_training=True).test) == 3
    assert not caplog.records


@pytest.mark.parametrize("target", ["gone.png", "x.png"])
def test_a_link_to_nothing_or_to_itself_is_an_image_that_cannot_be_read(category: Path, target: str) -> None:
    from anomaly_lab.data.folder import verify

    (category / "train/good/x.png").symlink_to(target)
    with pytest.raises(UserError, match=r"x\.png"):
        verify(scan(category.parent, category.name).train)


def no_text(folder: Path) -> Path:
    """`folder` renamed to bytes that are no text. Some file systems take none."""
    renamed = folder.with_name(f"gr\udcf6n{folder.suffix}")
    try:
        return folder.rename(renamed)
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")


@pytest.mark.parametrize("name", ["train/good/000.png", "test/hole", "test/hole/000.png", "ground_truth/hole"])
def test_a_name_that_is_no_text_is_refused(category: Path, name: str) -> None:
    renamed = no_text(category / name)
    assert refusal(category) == f"{renamed} has a name that is no text in UTF-8: rename it"


def test_it_may_lie_beside_the_category(category: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    beside = no_text(tmp_path / "x")
    (beside / "train/good").mkdir(parents=True)
    assert scan(tmp_path, "stripes").train
    with pytest.raises(UserError, match=r"set category.name to one of gr\\udcf6n, stripes"):
        scan(tmp_path, "none")


def test_what_is_missing_holds_nothing(tmp_path: Path) -> None:
    assert (
        listing.images(tmp_path / "none") == listing.folders(tmp_path / "none") == list(listing.walk(tmp_path / "none")) == []
    )

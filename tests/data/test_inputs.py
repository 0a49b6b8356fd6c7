"""The images that a user names, in each way of naming them."""

import io
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from anomaly_lab.data import inputs as module
from anomaly_lab.data.inputs import arriving, inputs
from anomaly_lab.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/2.png", "b/1.PNG", "a/x/3.jpg", "4.tif", ".hidden/5.png", "@eaDir/6.png", "b/notes.txt", "b/7.heic"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    return tmp_path / "in"


def names(given: str, folder: Path, text: str = "") -> list[str]:
    return [path.relative_to(folder).as_posix() for path in inputs(given, io.StringIO(text))]


def test_a_folder_stands_for_every_image_below_it(folder: Path) -> None:
    assert names(str(folder), folder) == ["4.tif", "a/x/3.jpg", "b/1.PNG", "b/2.png", "b/7.heic"]


def test_a_pattern(folder: Path) -> None:
    assert names(f"{folder}/b/*", folder) == ["b/1.PNG", "b/2.png", "b/7.heic"]
    assert names(f"{folder}/**/*.jpg", folder) == ["a/x/3.jpg"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folder: Path) -> None:
    (folder / "part[1].png").touch()
    assert names(f"{folder}/part[1].png", folder) == ["part[1].png"]


@pytest.mark.parametrize("given", ["list.txt", "-"])
def test_a_list_of_paths(folder: Path, given: str) -> None:
    text = f"{folder}/b/2.png\r\n\n{folder}/missing.png\n{folder}/4.tif"
    (folder / "list.txt").write_text(text)
    assert names("-" if given == "-" else f"{folder}/{given}", folder, text) == ["b/2.png", "missing.png", "4.tif"]


@pytest.mark.parametrize("given", ["{}/.hidden/none", "{}/*.bmp", "{}/empty.txt", "{}/none.png", "{}/none"])
def test_nothing_is_a_mistake(folder: Path, given: str) -> None:
    (folder / ".hidden/none").mkdir()
    (folder / "empty.txt").touch()
    with pytest.raises(UserError, match="give images=PATH"):
        names(given.format(folder), folder)


def test_a_list_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"list.txt is no text in UTF-8"):
        names(f"{folder}/list.txt", folder)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_linked_folders_are_followed_and_each_folder_counts_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/8.png").touch()
    (folder / "a/elsewhere").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(folder / "b")  # another way to a folder below
    (folder / "a/0").symlink_to("x")
    for name, target in (("up", ".."), ("here", "."), ("self", "self"), ("gone", "nowhere")):
        (folder / name).symlink_to(target)
    found = names(str(folder), folder)
    assert sorted(Path(name).name for name in found) == ["1.PNG", "2.png", "3.jpg", "4.tif", "7.heic", "8.png"]
    assert "a/x/3.jpg" in found, "the folder itself rather than a link to it"
    assert "a/elsewhere/deep/8.png" in found


def test_a_folder_that_is_gone_is_told_and_not_left_out(folder: Path) -> None:
    found = inputs(str(folder), io.StringIO())
    assert next(found).name == "4.tif"
    shutil.rmtree(folder / "b")
    with pytest.raises(UserError, match=r"b can't be listed .*start again"):
        list(found)


def test_a_folder_that_may_not_be_entered_is_left_aside_with_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Permissions bind no administrator, so that the refusal is made here."""
    real = os.scandir

    def scandir(place: Any) -> Any:
        if Path(place).name == "a":
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    for _ in range(2):
        assert names(str(folder), folder) == ["4.tif", "b/1.PNG", "b/2.png", "b/7.heic"]
    assert caplog.text.count("a may not be entered: its images are left aside") == 1


def test_an_image_arrives_when_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is still being written has to wait; one that was there counts too, and each comes once."""
    monkeypatch.setattr(module, "SETTLED", 0.2)
    monkeypatch.setattr(module, "PAUSE", 0.02)
    (tmp_path / "old.png").write_bytes(b"old")

    def write() -> None:
        with (tmp_path / "slow.png").open("wb", buffering=0) as file:
            for _ in range(8):
                file.write(b"part")
                os.fsync(file.fileno())
                time.sleep(0.08)

    writer = threading.Thread(target=write)
    writer.start()
    seen: dict[str, int] = {}
    end = time.monotonic() + 20
    for path in arriving(tmp_path, lambda path, state: path.name in seen, lambda: len(seen) == 2 or time.monotonic() > end):
        assert path.name not in seen
        seen[path.name] = path.stat().st_size
    writer.join()
    assert seen == {"old.png": 3, "slow.png": 32}


def test_a_parquet_file_names_paths_in_its_column(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra ray is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"path": ["b.png", None, "a.png"], "n": [1, 2, 3]}), tmp_path / "a.parquet")
    assert list(inputs(str(tmp_path / "a.parquet"), io.StringIO())) == [Path("b.png"), Path("a.png")]
    parquet.write_table(pyarrow.table({"name": ["b.png"]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"no parquet")
    for name in ("b", "c"):
        with pytest.raises(UserError, match="is damaged or has no column path"):
            list(inputs(str(tmp_path / f"{name}.parquet"), io.StringIO()))


def test_an_image_that_is_replaced_arrives_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that stays as it is comes once."""
    monkeypatch.setattr(module, "SETTLED", 0.1)
    monkeypatch.setattr(module, "PAUSE", 0.02)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("1")
    done: dict[str, module.State] = {}
    came: list[str] = []
    end = time.monotonic() + 20

    def known(path: Path, state: module.State) -> bool:
        return done.get(path.name) == state

    for path in arriving(tmp_path, known, lambda: len(came) == 3 or time.monotonic() > end):
        done[path.name] = module.state_of(path)
        came.append(path.name)
        if came == ["a.png", "b.png"]:
            (tmp_path / "a.png").write_text("other")
    assert came == ["a.png", "b.png", "a.png"]


def test_the_state_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("four")
    assert module.state_of(tmp_path / "a") == (4, (tmp_path / "a").stat().st_mtime_ns)
    assert module.state_of(tmp_path / "b") == module.GONE


def test_a_place_is_told_from_another_one_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in a list, and on standard input, lie below the working directory."""
    for name in ("one", "two"):
        (tmp_path / name / "in").mkdir(parents=True)
        (tmp_path / name / "in/a.png").touch()
        (tmp_path / name / "list.txt").write_text("in/a.png")
    places = []
    for name in ("one", "two"):
        monkeypatch.chdir(tmp_path / name)
        places.append([module.place(given) for given in ("in", "in/a.png", "in/*.png", "list.txt", "-")])
    one = tmp_path.resolve() / "one"
    assert places[0] == [str(one / "in"), str(one / "in/a.png"), str(one / "in/*.png"), str(one), str(one)]
    assert all(first != second for first, second in zip(*places, strict=True))

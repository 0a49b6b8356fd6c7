"""Files are there whole or not at all; their digests follow from their content."""

import json
import os
from pathlib import Path

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.files import digest, make_folder, of_file, of_files, read_json, replacing, write_csv, write_json, write_text


def test_the_file_appears_only_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "deep/er/file.txt"
    with replacing(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent, "on the same file system, else it can't be renamed"
        assert temporary.suffix == ".txt", "writers choose the format by the suffix"
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_no_debris(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(type(error)), replacing(target) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_text_is_written_as_utf_8_and_readable_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "λ = ½\n")
    assert (tmp_path / "file.txt").read_bytes() == "λ = ½\n".encode()
    assert (tmp_path / "file.txt").stat().st_mode & 0o044 == 0o044


def test_json_is_written_whole_and_never_holds_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "metrics.json", {"tpr": None, "tnr": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"tpr": None, "tnr": 0.5}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "metrics.json", {"tpr": float("nan")})
    assert json.loads((tmp_path / "metrics.json").read_text())["tnr"] == 0.5


def test_the_digest_of_files_sees_every_byte_and_name(tmp_path: Path) -> None:
    for name in ("a.png", "b/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    paths = [tmp_path / "a.png", tmp_path / "b/c.png"]
    first = of_files(paths, tmp_path)
    os.utime(paths[0], (0, 0))
    assert of_files(reversed(paths), tmp_path) == first
    paths[0].write_bytes(b"a.pnh")
    assert of_files(paths, tmp_path) != first
    paths[0].write_bytes(b"a.png")
    paths[1] = paths[1].rename(tmp_path / "d.png")
    assert of_files(paths, tmp_path) != first


def test_the_digest_of_a_record_sees_its_values_and_not_its_order() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest({"a": 1}), digest({"a": 2}), digest({"b": 1}), digest({"a": "1"}), digest({"a": [1]})}) == 5


def test_the_digest_of_a_file_follows_its_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    first = of_file(file)
    assert of_file(file) == first
    file.write_bytes(b"another")
    assert of_file(file) != first
    with pytest.raises(OSError):
        of_file(tmp_path / "missing")


def test_a_table_has_empty_cells_for_what_a_row_lacks(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", ["a", "b"], [{"a": 1, "b": "x,y"}, {"b": 2}])
    assert (tmp_path / "table.csv").read_text() == 'a,b\n1,"x,y"\n,2\n'


def test_a_folder_that_cannot_be_made_or_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "a/b", "out=")
    make_folder(tmp_path / "a/b", "out=")
    assert (tmp_path / "a/b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/c cannot be written to \(Not a directory\): .* with out="):
        make_folder(tmp_path / "file/c", "out=")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"a/b cannot be written to \(Permission denied\): .* with out="):
        make_folder(tmp_path / "a/b", "out=")


def test_a_name_may_be_as_long_as_a_name_can_be(tmp_path: Path) -> None:
    for letter, count in (("a", 251), ("ü", 125), ("漢", 83)):
        write_text(tmp_path / f"{letter * count}.npy", "whole")
        assert (tmp_path / f"{letter * count}.npy").read_text() == "whole"


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "\udcff", '{"seed": NaN}', '{"seed": -Infinity}'])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content, errors="surrogateescape")
    with pytest.raises(UserError, match=r"^\S+a.json is damaged \(.*\): restore it from a copy, or make its run anew$"):
        read_json(tmp_path / "a.json")


def test_a_byte_order_mark_belongs_to_no_value(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"seed": 1}\r\n')
    assert read_json(tmp_path / "a.json") == {"seed": 1}

"""Files are there whole or not at all."""

from pathlib import Path

import pytest

from anomaly_lab.files import replacing, write_text


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

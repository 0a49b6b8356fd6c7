"""Files of weights are data: damaged ones, and ones that hold code, are refused without a warning."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from anomaly_lab.errors import UserError
from anomaly_lab.networks.stored import load, save


class Code:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "b": 3}, tmp_path / "a.ckpt")
    assert load(tmp_path / "a.ckpt")["a"].tolist() == [1, 1]


def test_a_replaced_file_becomes_the_previous_one(tmp_path: Path) -> None:
    for step in range(3):
        save({"step": step}, tmp_path / "a.ckpt", tmp_path / "b.ckpt")
    assert load(tmp_path / "a.ckpt") == {"step": 2} and load(tmp_path / "b.ckpt") == {"step": 1}
    save({"step": 3}, tmp_path / "a.ckpt")
    assert load(tmp_path / "b.ckpt") == {"step": 1} and len(list(tmp_path.iterdir())) == 2


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match=r"a\.ckpt could not be written .*: free some space or choose another folder$"):
        save({}, tmp_path / "file/a.ckpt")


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_not_executed(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps(Code(tmp_path / "executed"), protocol))
    with pytest.raises(ValueError, match="which is no plain data"):
        load(tmp_path / "a.ckpt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"PK\x03\x04", pickle.dumps([1])[:-2], bytes(range(256)), b"\x80\x02]q\x00."[:3]]
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match=r"\w"):
        load(tmp_path / "a.ckpt")


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="there is no such file"):
        load(tmp_path / "a.ckpt")

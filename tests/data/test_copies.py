"""Copies of images among those that measure are told."""

import shutil
from pathlib import Path

import pytest
from conftest import small_data, write_category

from anomaly_lab.data.copies import copied
from anomaly_lab.data.folder import Sample, scan
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import scoring_data


def test_a_copy_has_the_same_bytes_under_another_name(tmp_path: Path) -> None:
    contents = {"a": b"12", "b": b"12", "c": b"13", "d": b"123"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    a, b, c, d = (Sample(tmp_path / name, "good", None) for name in contents)
    assert copied([a, c, d], [a, b, c]) == [(a, b)]


def test_a_training_and_an_evaluation_tell_copies_in_the_test(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_category(tmp_path / "stripes")
    for i in range(2):
        shutil.copy(folder / f"train/good/00{i}.png", folder / f"test/good/copy{i}.png")
    small_data(tmp_path).setup()
    found = scan(tmp_path, "stripes")
    scoring_data({"_target_": "anomaly_lab.data.folder.scan"}, str(tmp_path), "stripes", Preprocessing(1, "none", 0, 1), 0.3, 0)
    assert len(found.test) == 9
    for message in caplog.messages:
        assert message.startswith(f"2 of 9 test images are copies of training images, such as {folder}/test/good/copy0.png of")
    assert len(caplog.messages) == 2


def test_a_held_out_copy_makes_the_threshold_too_low(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_category(tmp_path / "stripes", train=3)
    for path in sorted((folder / "train/good").iterdir()):
        shutil.copy(path, path.with_name(f"{path.stem} (1).png"))
    small_data(tmp_path).setup()
    (message,) = caplog.messages
    assert "held-out images are copies of training images" in message and "the threshold is too low" in message

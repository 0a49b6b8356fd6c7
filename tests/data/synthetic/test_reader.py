"""The reader of data=synthetic: generates once, lists afterwards."""

from pathlib import Path

import pytest

from anomaly_lab.data.synthetic import reader, write
from anomaly_lab.errors import UserError


def test_the_embedded_images_are_generated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = write.Counts(2, 1, 1)
    monkeypatch.setattr(reader, "ensure", lambda root, category, progress: write.ensure(root, category, progress, few))
    found = reader.read(tmp_path, "carpet")
    stamps = [sample.path.stat().st_mtime_ns for sample in found.train]
    assert (found.name, len(found.train)) == ("carpet", 2)
    assert {sample.defect for sample in found.test} > {"good"}
    again = reader.read(tmp_path, "carpet")
    assert again == found and [sample.path.stat().st_mtime_ns for sample in again.train] == stamps


def test_an_unknown_category_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="screw"):
        reader.read(tmp_path, "screw")

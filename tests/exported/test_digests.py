"""A changed file is noticed by the report beside it."""

from pathlib import Path

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.exported import digests
from anomaly_lab.files import write_json


def test_each_part_of_a_file_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, weights = tmp_path / "m.xml", tmp_path / "m.bin"
    file.write_text("a")
    with pytest.raises(UserError, match=r"m.bin: there is no such file, but m.xml needs it"):
        digests.of(file)
    weights.write_text("b")
    digests.require_unchanged(file)
    assert "has no report beside it (m.xml.json)" in caplog.text
    write_json(digests.report_of(file), {"digest": digests.of(file)})
    digests.require_unchanged(file)
    weights.write_text("cc")
    with pytest.raises(UserError, match=r"m.xml was changed since its export, or m.xml.json is another's"):
        digests.require_unchanged(file)

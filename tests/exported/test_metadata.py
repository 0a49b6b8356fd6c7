"""The record inside an exported file."""

import json

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.exported.metadata import FORMAT, as_text, from_text
from exported.tiny import RECORD


def test_a_record_comes_back_as_it_was() -> None:
    assert from_text(as_text(RECORD), "m.onnx") == RECORD


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "m.onnx is no export of anomaly_lab, or damaged"),
        ("[1]", r"is no export of anomaly_lab, or damaged \(it is no record\)"),
        (json.dumps(RECORD | {"format": FORMAT + 1}), f"m.onnx has format {FORMAT + 1}, and this version reads {FORMAT}"),
        (json.dumps(RECORD | {"threshold": float("nan")}), r"has a damaged record \(threshold is nan\)"),
        (json.dumps(RECORD | {"levels": None}), r"has a damaged record \(levels is None\)"),
    ],
)
def test_another_record_is_refused(text: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        from_text(text, "m.onnx")

"""Groups of images, the rule of the wanted rate, and the images of a calibration."""

import io
from pathlib import Path

import pytest

from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.errors import UserError
from anomaly_lab.pipeline.calibrate import grouping, normal_images, rule


def test_groups_of_names() -> None:
    of = grouping(r"part(\d+)_")
    assert of(Path("a/part12_3.png")) == of(Path("b/part12_9.png")) == "12" and of(Path("a/x.png")) == "a/x.png"
    assert grouping("[ab]")(Path("xbx")) == "b"
    with pytest.raises(UserError, match=r"group is \(, which is no regular expression"):
        grouping("(")


def test_the_rule_of_a_rate() -> None:
    assert rule(0.1, None, False)["name"] == "rate", "as far as the images can promise it"
    assert rule(0.1, None, True)["name"] == "conformal", "or not at all"
    assert rule(0.1, 0.95, True) == {
        "_target_": "anomaly_lab.calibration.rules.tolerance", "name": "tolerance", "alpha": 0.1, "confidence": 0.95
    }  # fmt: skip


def test_an_image_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    (tmp_path / "c.png").write_text("a/1.png")  # a copy
    given = [f"{tmp_path}/{name}\n" for name in ("a/1.png", "b/2.png", "a/../a/1.png", "c.png", "gone.png")]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(given)))
    data, copies = normal_images("-", "parts", Preprocessing())
    assert [sample.path.name for sample in data.held_out] == ["1.png", "2.png", "gone.png"]
    assert copies == 1 and data.found.root == tmp_path
    assert data.training_images()[1] == 0 and all(sample.label == 0 for sample in data.held_out)

"""An image on the page has the score and the decision that `predict` gives to the same file."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Finished, in_process

from anomaly_lab.app import decide
from anomaly_lab.app.decide import Judge
from anomaly_lab.calibration.levels import detect
from anomaly_lab.errors import UserError
from anomaly_lab.predict import main as predict
from anomaly_lab.runs.trained import load


def test_the_rows_are_those_of_predict(judge: Judge, finished: Finished, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    held_out = sorted((finished.root / "stripes/train").rglob("*.png"))  # among them the one that sets the threshold
    for i, image in enumerate([*images, *held_out]):
        shutil.copy(image, tmp_path / f"in/{i}.png")
    (tmp_path / "in/broken.png").write_bytes(b"no image")
    assert in_process(tmp_path, predict, "predict", f"run={finished.directory}", "images=in", "out=out").status == 0
    rows = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    assert {row.get("defective") for row in rows} == {True, False, None}
    for row in rows:
        for name in ("ms", "bytes", "changed"):  # of the command and its file
            row.pop(name, None)
        own = judge.row(judge.judge(tmp_path / row["path"], row["path"]))
        assert own == row, row["path"]


def test_a_decision_at_another_threshold_is_that_of_the_mask(judge: Judge, images: list[Path]) -> None:
    for image in images:
        found = judge.judge(image, image.name)
        assert found.level is not None
        heatmap = judge._kept[found.digest].heatmap
        for threshold in (judge.threshold, found.level, np.nextafter(found.level, 0), 0.0):
            assert found.defective(threshold) == bool(detect(heatmap, threshold, judge.min_area).any())
            picture = judge.picture(found, float(threshold))
            assert picture is not None and bool(picture.defects) == found.defective(threshold)


def test_a_large_image_is_shown_small_with_all_its_defects(
    judge: Judge, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "SHOWN", 16)
    defective = next(image for image in images if judge.judge(image, "").defective(judge.threshold))
    judge._kept.clear()
    found = judge.judge(defective, "large")
    picture = judge.picture(found, judge.threshold)
    assert picture is not None and picture.found.shape == picture.plain.shape == (16, 16, 3)
    assert [d["box"] for d in picture.defects] == [d["box"] for d in judge.row(found)["defects"]]
    x, y, width, height = picture.defects[0]["box"]
    assert max(x + width, y + height) > 16, "defects are told in the image's own pixels"
    judge._kept.clear()


def test_what_is_shown_small_loses_no_defect() -> None:
    mask = np.zeros((3000, 1500), bool)
    mask[1001, 7] = mask[2000:2200, 100:300] = True
    heatmap = mask.astype(np.float32)
    boxes = [{"box": [7, 1001, 1, 1]}, {"box": [100, 2000, 200, 200]}]
    small = decide._fitted(decide.Decided(heatmap, mask, boxes))
    assert small.mask.shape == small.heatmap.shape == (1400, 700)
    count, _, stats, _ = cv2.connectedComponentsWithStats(small.mask.view(np.uint8), connectivity=8)
    assert count == 3 and small.mask[467, 3]
    assert small.defects[1]["box"] == [47, 933, 93, 93] and abs(stats[2][2] - 93) <= 2


def test_heatmaps_are_kept_up_to_a_limit_and_made_again(
    judge: Judge, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge._kept.clear()
    first, *_ = found = [judge.judge(image, image.name) for image in images[:3]]
    assert len(judge._kept) == 3
    before = judge.picture(first, judge.threshold)
    monkeypatch.setattr(decide, "KEPT", 64 * 64 * 4)
    judge.judge(images[3], "fourth")
    assert len(judge._kept) == 1 and found[0].digest not in judge._kept
    after = judge.picture(first, judge.threshold)
    assert before is not None and after is not None and np.array_equal(before.found, after.found)


def test_a_file_that_is_gone_has_no_picture(judge: Judge, images: list[Path], tmp_path: Path) -> None:
    pixels = cv2.imread(str(images[0]))
    cv2.imwrite(str(tmp_path / "other.png"), pixels[::-1])
    found = judge.judge(tmp_path / "other.png", "other")
    (tmp_path / "other.png").unlink()
    assert judge.picture(found, 1.0) is not None, "it is kept"
    judge._kept.clear()
    assert judge.picture(found, 1.0) is None


def test_a_reason_names_the_file_as_the_user_calls_it(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "a3f9").write_bytes(b"")
    found = judge.judge(tmp_path / "a3f9", "mine.png")
    assert found.error is not None and found.error.startswith("mine.png is empty") and str(tmp_path) not in found.error
    assert not found.defective(0) and judge.picture(found, 0) is None


def test_a_run_without_a_threshold_is_refused(finished: Finished) -> None:
    trained = load(finished.directory)
    trained.module.threshold.fill_(float("nan"))
    with pytest.raises(UserError, match="has no threshold: let it finish"):
        Judge(trained)

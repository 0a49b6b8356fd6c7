"""What a prediction saves: defects by hand, and COCO that says the same."""

import json
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.pipeline.saved import defects_of, place, write_coco


def test_defects_by_hand() -> None:
    heatmap = np.zeros((20, 30), np.float32)
    heatmap[2:5, 4:8], heatmap[10:12, 20:21] = 3, 5
    first, second = defects_of(heatmap, heatmap > 1)
    assert (first["box"], first["area"], first["peak"]) == ([20, 10, 1, 2], 2, 5.0), "the highest first: x, y, width, height"
    assert (second["box"], second["area"], second["peak"]) == ([4, 2, 4, 3], 12, 3.0)
    assert second["polygons"] == [[4, 2, 4, 4, 7, 4, 7, 2]]


@given(st.integers(0, 2**31))
@settings(max_examples=30)
def test_areas_are_those_of_the_mask_and_outlines_stay_in_their_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heatmap = cv2.GaussianBlur(rng.random((40, 50), np.float32), (0, 0), 2)
    mask = heatmap > np.quantile(heatmap, rng.uniform(0.2, 1))
    found = defects_of(heatmap, mask)
    assert sum(defect["area"] for defect in found) == mask.sum()
    for defect in found:
        x, y, width, height = defect["box"]
        points = np.array([p for polygon in defect["polygons"] for p in polygon]).reshape(-1, 2)
        assert ((points >= [x, y]) & (points < [x + width, y + height])).all()


def test_coco_numbers_images_and_annotations(tmp_path: Path) -> None:
    defect = {"box": [1, 2, 3, 4], "area": 9, "peak": 2.5, "polygons": [[1, 2, 1, 5, 3, 5]]}
    rows = [
        {"path": "ü.png", "height": 8, "width": 9, "defects": [defect, defect]},
        {"path": "b.png", "height": 8, "width": 9, "defects": []},
        {"path": "c.png", "height": 8, "width": 9, "defects": [defect]},
    ]
    write_coco(tmp_path / "coco.json", lambda: rows)
    found = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
    assert found["categories"] == [{"id": 1, "name": "defect"}]
    assert [(image["id"], image["file_name"]) for image in found["images"]] == [(1, "ü.png"), (2, "b.png"), (3, "c.png")]
    assert [(a["id"], a["image_id"]) for a in found["annotations"]] == [(1, 1), (2, 1), (3, 3)]
    assert found["annotations"][0]["segmentation"] == defect["polygons"] and found["annotations"][0]["bbox"] == [1, 2, 3, 4]
    write_coco(tmp_path / "none.json", list)
    assert json.loads((tmp_path / "none.json").read_text())["images"] == []


def test_two_images_of_one_name_have_places_of_their_own(tmp_path: Path) -> None:
    assert place(tmp_path, "masks", Path("a/1.png"), ".png") != place(tmp_path, "masks", Path("b/1.png"), ".png")
    assert len(place(tmp_path, "masks", Path("x" * 250 + ".png"), ".png").name) < 120

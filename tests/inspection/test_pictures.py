"""Thumbnails and histograms."""

import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np

from anomaly_lab.data.folder import Sample
from anomaly_lab.inspect.duplicates import Pair
from anomaly_lab.inspect.looked import TEST, TRAIN, look
from anomaly_lab.inspect.pictures import EACH, PAIRS, SIDE, histogram, histograms, pairs, samples, shown, thumbnail
from inspection.made_up import made, several


def decoded(data: str) -> np.ndarray:
    kind, text = data.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_thumbnail_is_small_and_outlines_even_a_tiny_defect() -> None:
    stored, mask = np.full((400, 800, 1), 60, np.uint8), np.zeros((400, 800), bool)
    mask[200:204, 400:404] = True
    found = decoded(thumbnail(stored, mask))
    assert found.shape == (SIDE // 2, SIDE, 3) and np.abs(found[10, 10].astype(int) - 60).max() <= 4
    cyan = found[..., 1].astype(int) - found[..., 0] > 60
    assert cyan.sum() >= 12 and np.abs(np.argwhere(cyan).mean(0) - (SIDE / 4, SIDE / 2)).max() < 2
    assert found[SIDE // 4, SIDE // 2, 1] < found[..., 1].max() - 60, "the defect itself can be seen"


def test_twelve_bits_of_sixteen_are_stretched() -> None:
    stored = np.linspace(0, 4095, 64 * 64).astype(np.uint16).reshape(64, 64, 1)
    assert decoded(thumbnail(stored, None)).max() > 245


def test_an_image_that_has_gone_leaves_its_name(tmp_path: Path) -> None:
    found = shown(made(3, TEST, "hole"))
    assert found == ("", "test: hole/003.png")


def test_samples_are_spread_over_each_kind_and_bad_files_left_out(tmp_path: Path) -> None:
    path = tmp_path / "good" / "a.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.full((8, 8), 9, np.uint8))
    looked = [look(Sample(path, "good", None), TRAIN) for _ in range(9)]
    found = samples([*looked, *several(3, TEST, "hole"), made(9, TEST, "gone", fault="is empty")])
    assert {what: len(of) for what, of in found.items()} == {"training, good": EACH, "test, hole": 3}
    assert decoded(found["training, good"][0].data).shape == (8, 8, 3)


def test_pairs_across_a_split_come_first() -> None:
    within, across = Pair(made(0), made(1), "copy"), Pair(made(2), made(3, TEST), "relit")
    found = pairs([within, across])
    assert [how for *_, how in found] == ["the same part in other light", "copies"]
    assert len(pairs([within] * 50)) == PAIRS


def test_a_histogram_has_bars_as_high_as_its_counts() -> None:
    svg = ET.fromstring(histogram({"training": [0.0] * 8 + [1.0] * 4, "defective test": [0.5]}))
    heights = [float(bar.get("height", 0)) for bar in svg.iter("rect")]
    tall = [height for height in heights if height > 0]
    assert len(tall) == 3 and np.isclose(tall[0], 2 * tall[1], atol=0.11) and np.isclose(tall[2], tall[0])
    texts = [text.text for text in svg.iter("text")]
    assert texts == ["training (12)", "defective test (1)", "0", "0.5", "1"]
    assert histogram({}) == ""


def test_histograms_have_a_row_for_each_part_that_is_there() -> None:
    found = histograms([*several(3, brightness=0.4), *several(2, TEST, "hole")])
    assert set(found) == {"brightness", "sharpness"}
    assert re.findall(r">([a-z ]+\(\d\))<", found["brightness"]) == ["training (3)", "defective test (2)"]

"""Trivial maps on a small data set: the same metrics as beside those of a run, and the best map's name."""

from pathlib import Path

import numpy as np
import pytest
from conftest import write_category

from anomaly_lab.data.folder import scan
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.inspect.baselines import baselines, best_map
from anomaly_lab.inspect.finding import NOTE
from anomaly_lab.scoring.poolings import maximum


def test_bright_squares_are_found_without_training(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes", train=2, good=4, defects=("hole",), each=4)
    test = scan(tmp_path, "stripes").test
    seen = []

    def watch(places: object, total: int) -> object:
        seen.append(total)
        return places

    (found,) = baselines(test, Preprocessing(), [0.5, 0.5, 0.5], 2.0, maximum, watch)  # type: ignore[arg-type]
    assert seen == [8] and found.numbers["images"] == 8
    assert found.severity == NOTE and found.numbers["trivial_pixel_auroc"] > 0.9
    assert "pixel AUROC" in found.sentence and "(flat)" in found.sentence
    good = [sample for sample in test if not sample.label]
    assert baselines(good, Preprocessing(), [0.5] * 3, 2.0, maximum, watch) == [], "no metric without defects"  # type: ignore[arg-type]


def test_the_best_map_is_named() -> None:
    values = {"flat_image_auroc": 0.4, "gradient_image_auroc": 0.8, "spread_image_auroc": None, "brightness_image_auroc": 0.7}
    assert best_map(values, "image_auroc") == ("gradient", 0.8)
    assert best_map({}, "aupro") == ("", None)
    assert np.isfinite(pytest.approx(1).expected)

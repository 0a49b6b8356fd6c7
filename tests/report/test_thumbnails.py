"""Thumbnails and the slider's stops, against the decision rule itself."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.calibration.levels import detect
from anomaly_lab.report.pictures.thumbnails import RANGE, decisions, flip, quantised, stops

HEATMAPS = arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 5).map(float))


@given(HEATMAPS, st.integers(1, 10), st.floats(-1, 6))
def test_an_image_counts_as_defective_exactly_below_its_flip(heatmap: np.ndarray, min_area: int, threshold: float) -> None:
    found = flip(heatmap, min_area)
    assert (found is not None and threshold < found) == bool(detect(heatmap, threshold, min_area).any())


def test_the_slider_stops_where_decisions_change_and_at_the_run_s_own() -> None:
    found = stops([0.5, None, 0.125, 0.5], 0.25)
    assert found == sorted(set(found))
    assert {0.0, 0.125, 0.25, 0.5} <= set(found)
    assert stops([None], 0.0) == [0.0]


def test_counts_and_rates_are_printed_as_in_tables_ties_included() -> None:
    """3 of 16 normal images: JavaScript would round .8125 to .813."""
    flips = [*range(16), 13.5, None]
    images = [{"flip": f, "label": int(i >= 16)} for i, f in enumerate(flips)]
    found = {stop["threshold"]: stop["texts"] for stop in decisions(images, 12.0)}
    assert set(found) == set(stops(flips, 12.0))
    assert found[12.0] == {
        "tp": "1", "fn": "1", "fp": "3", "tn": "13", "tpr": "0.500", "tnr": "0.812", "mean": "0.656", "f1": "0.333",
    }  # fmt: skip


def test_a_rate_without_images_is_a_gap() -> None:
    texts = decisions([{"flip": 1.0, "label": 0}], 0.5)[0]["texts"]
    assert (texts["tpr"], texts["mean"], texts["f1"], texts["tnr"]) == ("–", "–", "–", "0.000")


@given(arrays(np.float32, (4, 4), elements=st.floats(0, 10, width=32)))
def test_thumbnails_levels_are_within_two_percent(heatmap: np.ndarray) -> None:
    """The page computes value = top · RANGE^((level − 1)/254 − 1), and 0 for level 0."""
    top = 10.0
    level = quantised(heatmap, top).astype(float)
    back = np.where(level > 0, top * RANGE ** ((level - 1) / 254 - 1), 0)
    high = heatmap > 2 * top / RANGE
    np.testing.assert_allclose(back[high], heatmap[high], rtol=0.02)
    assert (back[heatmap == 0] == 0).all()

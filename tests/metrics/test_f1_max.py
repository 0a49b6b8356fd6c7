"""F1-max against scikit-learn and by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from anomaly_lab.metrics.f1_max import ImageF1Max

NO_MASK = np.zeros((2, 2), bool)


def computed(images: list[tuple[float, int]]) -> float | None:
    metric = ImageF1Max()
    for score, label in images:
        scored: Any = SimpleNamespace(score=score, sample=SimpleNamespace(label=label))
        metric.update(scored, NO_MASK)
    return metric.compute()["image_f1_max"]


def test_by_hand() -> None:
    assert computed([(1.0, 0), (3.0, 1), (2.0, 0)]) == 1.0
    assert computed([(1.0, 1), (2.0, 0), (3.0, 1)]) == pytest.approx(4 / 5), "all are called defective"
    assert computed([(1.0, 0)]) is None and computed([]) is None


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=1, max_size=30))
def test_against_scikit_learn(images: list[tuple[float, int]]) -> None:
    scores, labels = (np.array(values) for values in zip(*images, strict=True))
    if not labels.any():
        return
    precision, recall, _ = precision_recall_curve(labels, scores)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert computed(images) == pytest.approx(best)

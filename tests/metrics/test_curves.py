"""The metrics of scores against scikit-learn, a brute-force AUPRO, and examples by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_lab.metrics import curves
from anomaly_lab.metrics.curves import f1, operating_point, turns_of_scores
from metrics.examples import all_pixels, brute_force_aupro, localised, two_classes


def auroc(negative, positive):
    return curves.auroc(turns_of_scores(negative, positive))


def average_precision(negative, positive):
    return curves.average_precision(turns_of_scores(negative, positive))


def aupro(negative, positive, area, limit=0.3):
    return curves.aupro(turns_of_scores(negative, positive, 1 / np.asarray(area)), limit)


@given(two_classes())
def test_auroc_and_average_precision_equal_scikit_learn(scores):
    negative, positive = scores
    label, score = np.repeat([0, 1], [negative.size, positive.size]), np.concatenate(scores)
    assert auroc(negative, positive) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    expected = average_precision_score(label, score)
    assert average_precision(negative, positive) == pytest.approx(expected, abs=1e-12)


@given(localised(), st.sampled_from([0.05, 0.3, 0.5, 1.0]))
def test_aupro_equals_brute_force(images, limit):
    assert aupro(*all_pixels(images), limit) == pytest.approx(brute_force_aupro(images, limit), abs=1e-9)


def test_curves_by_hand():
    negative, positive = [1.0, 2.0, 3.0, 4.0], [3.0, 5.0]
    assert auroc(negative, positive) == (2.5 + 4) / 8
    assert average_precision(negative, positive) == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    # one region; (FPR, PRO): (0, 0) (0, ½) (¼, ½) (½, 1) (1, 1); up to 0.4 there is a rectangle and a part of the slope
    area = (0.25 * 0.5 + 0.15 * (0.5 + 0.8) / 2) / 0.4
    assert aupro(negative, positive, [2, 2], limit=0.4) == pytest.approx(area)


def test_scores_outside_the_unit_interval_are_not_squashed():
    assert auroc([100.0, 200.0], [150.0, 300.0]) == 0.75  # a sigmoid in float32 would make all four equal: 0.5


def test_aupro_of_all_equal_scores_is_the_diagonal():
    assert aupro(np.zeros(10), np.zeros(4), np.full(4, 4)) == pytest.approx(0.15)


def test_aupro_gives_a_small_region_the_weight_of_a_large_one():
    large, small, normal = np.full(99, 9.0), np.full(1, 0.0), np.full(50, 5.0)
    area = np.repeat([99, 1], [99, 1])
    assert aupro(normal, np.concatenate([large, small]), area) == pytest.approx(0.5 * (1 + 0))
    assert aupro(normal, np.concatenate([-large, small + 9]), area) == pytest.approx(0.5 * (1 + 0))


def test_without_a_class_there_are_no_turns():
    some, none = np.array([0.2, 0.4]), np.array([])
    for negative, positive in ((some, none), (none, some), (none, none)):
        assert turns_of_scores(negative, positive) is None
    assert turns_of_scores(some, some) is not None


def test_nan_is_refused_and_counted():
    with pytest.raises(ValueError, match="3 of 5 scores are NaN"):
        turns_of_scores([1.0, np.nan, np.nan], [np.nan, 2.0])
    with pytest.raises(ValueError, match="1 of 1 scores are NaN"):
        turns_of_scores([], [np.nan])


@pytest.mark.parametrize("limit", [0, -0.3, 1.1])
def test_aupro_refuses_a_wrong_limit(limit):
    with pytest.raises(ValueError, match="limit"):
        aupro([0.0], [1.0], [1], limit)


def test_the_inputs_are_not_changed():
    negative, positive = np.array([3.0, 1.0, 2.0]), np.array([5.0, 0.0])
    auroc(negative, positive)
    assert negative.tolist() == [3, 1, 2] and positive.tolist() == [5, 0]


@given(two_classes(), st.sampled_from([0.3, 0.7]))
def test_the_bounds_are_zero_exactly_without_ties_between_the_classes(scores, limit):
    turns = turns_of_scores(*scores)
    tied = bool(set(scores[0].tolist()) & set(scores[1].tolist()))
    assert (curves.auroc_bound(turns) > 0) == tied
    if not tied:
        assert curves.aupro_bound(turns, limit) == 0


def test_f1():
    assert f1(2, 1, 3) == 0.5 and f1(0, 1, 0) is None and f1(0, 0, 0) is None


def test_operating_points_by_hand():
    levels, labels = [1, 2, 3, 4, 5], [0, 0, 1, 0, 1]
    by_hand = {"tpr": 1 / 2, "tnr": 2 / 3, "tpr_tnr_mean": 7 / 12, "image_f1": 1 / 2}
    assert operating_point(3, levels, labels) == pytest.approx(by_hand)
    assert operating_point(0, levels, labels)["tnr"] == 0
    assert operating_point(3, [1, 5], [0, 0]) == {"tpr": None, "tnr": 0.5, "tpr_tnr_mean": None, "image_f1": None}

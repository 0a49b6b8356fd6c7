"""Bootstrap intervals over test images: against brute force, and against a normal distribution's width."""

from pathlib import Path

import numpy as np
import pytest
from fake_runs import fake_run, records_of
from sklearn.metrics import roc_auc_score

from anomaly_lab.report.read.run import read
from anomaly_lab.report.tables import intervals
from anomaly_lab.report.tables.intervals import interval, wins
from anomaly_lab.report.tables.table import Table


def scores(shift: float, count: int = 60, seed: int = 0) -> list[tuple[str, int, float, int]]:
    """`count` normal and `count` defective images, whose scores are higher by `shift` standard deviations."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, count)).round(1) + np.array([[0], [shift]])
    return [(("good", "hole")[label], label, float(v), 0) for label in (0, 1) for v in values[label]]


def table_of(folder: Path) -> Table:
    (found,) = intervals.tables(records_of(folder))
    return found


def test_the_mean_of_wins_is_the_auroc_with_ties_counted_half(tmp_path: Path) -> None:
    found = wins(read(fake_run(tmp_path / "run", scores=scores(0.5))))
    assert found is not None
    labels, values = zip(*((label, value) for _, label, value, _ in scores(0.5)), strict=True)
    assert found.won.mean() == pytest.approx(roc_auc_score(labels, values))
    assert [path.split("/")[1] for path in found.paths] == ["hole"] * 60 + ["good"] * 60


def test_the_interval_is_that_of_images_drawn_anew(tmp_path: Path) -> None:
    rows = scores(0.7, 40)
    found = wins(read(fake_run(tmp_path / "run", scores=rows)))
    assert found is not None
    rng = np.random.default_rng(1)
    normal, defective = (np.array([value for _, of, value, _ in rows if of == label]) for label in (0, 1))
    drawn = []
    for _ in range(2000):
        a, b = rng.choice(normal, 40), rng.choice(defective, 40)
        drawn.append(roc_auc_score([0] * 40 + [1] * 40, [*a, *b]))
    assert interval(found.won) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.01)


def test_the_interval_holds_the_true_auroc_as_often_as_it_says() -> None:
    """Of scores one standard deviation apart it is Φ(1/√2) = .760."""
    hits = 0
    for seed in range(100):
        normal, defective = np.random.default_rng(seed).normal(size=(2, 50))
        low, high = interval((1 + defective[:, None] > normal).astype(np.float32))
        hits += low <= 0.760 <= high
    assert 88 <= hits <= 99, "95 % of 100, give or take"


def test_the_difference_is_paired(tmp_path: Path) -> None:
    """Two settings that rank all images alike differ by exactly 0, however wide their own intervals are."""
    rows = scores(0.7)
    fake_run(tmp_path / "a", scores=rows, proxy_ap=0.9)
    fake_run(tmp_path / "b", scores=[(d, label, value * 2, p) for d, label, value, p in rows], lam=0.9)
    first, second = table_of(tmp_path).rows
    assert first[5].text == "–" and second[5].text == "restore λ=0.5"
    assert second[6].values == (0.0,) and second[7].values == (0.0, 0.0)
    assert first[4].values[1] - first[4].values[0] > 0.1  # type: ignore[operator]


def test_seeds_are_averaged_and_other_images_are_not_compared(tmp_path: Path) -> None:
    for seed in (0, 1):
        fake_run(tmp_path / f"a{seed}", scores=scores(1.0, seed=seed), seed=seed, proxy_ap=0.9)
    fake_run(tmp_path / "b", scores=scores(1.0, 30), lam=0.9)
    first, second = table_of(tmp_path).rows
    seeds = [wins(read(tmp_path / f"a{seed}")) for seed in (0, 1)]
    assert first[3].values == (pytest.approx(np.mean([f.won.mean() for f in seeds if f is not None])),)  # type: ignore[misc]
    assert second[5].text == "–" == second[7].text


def test_one_class_has_no_interval(tmp_path: Path) -> None:
    fake_run(tmp_path / "run", scores=[("good", 0, 0.1, 0)])
    assert intervals.tables(records_of(tmp_path)) == []

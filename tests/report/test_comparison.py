"""Paired comparisons, against SciPy."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_runs import fake_run, groups_of, records_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from anomaly_lab.report.tables import comparison
from anomaly_lab.report.tables.comparison import PAIRWISE, Comparison, comparisons, signed, t_interval, verdict
from anomaly_lab.report.tables.table import Table, to_csv


def found_table(folder: Path) -> Table:
    (table,) = comparison.tables(records_of(folder))
    return table


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_the_interval_is_that_of_scipys_paired_t_test(differences: list[float]) -> None:
    interval = t_interval(differences, 0.95)
    assert interval is not None
    if np.ptp(differences) > 1e-6:
        expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        assert interval == pytest.approx((expected.low, expected.high), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(("n", "level", "t"), [(2, 0.95, 12.706), (3, 0.95, 4.303), (11, 0.99, 3.169), (31, 0.9, 1.697)])
def test_the_interval_uses_the_quantiles_of_printed_tables(n: int, level: float, t: float) -> None:
    values = list(range(n))
    interval = t_interval(values, level)
    assert interval is not None
    assert (interval[1] - interval[0]) / 2 == pytest.approx(t * np.std(values, ddof=1) / np.sqrt(n), rel=2e-4)


@pytest.mark.parametrize("few", [[], [0.3]])
def test_fewer_than_two_units_have_no_interval(few: list[float]) -> None:
    assert t_interval(few, 0.95) is None


def test_seeds_are_averaged_within_a_category_before_categories_are_compared(tmp_path: Path) -> None:
    """Without this, twenty seeds on one category would count as twenty independent findings."""
    gain = {("carpet", 0): 0.1, ("carpet", 1): 0.3, ("wood", 0): 0.4, ("wood", 1): 0.4}
    for (category, seed), more in gain.items():
        for objective, auroc in (("amplify", 0.5), ("restore", 0.5 + more)):
            name = f"{objective}{category}{seed}"
            fake_run(tmp_path / name, objective=objective, category=category, seed=seed, image_auroc=auroc)
    (found,) = (c for c in comparisons(groups_of(tmp_path)) if c.metric == "image_auroc")
    assert (found.a, found.b) == ("amplify λ=0.5", "restore λ=0.5")
    assert sorted(found.differences) == pytest.approx([0.2, 0.4])
    assert (found.units, found.pairs, found.mean) == ("2 categories: carpet, wood", 4, pytest.approx(0.3))
    half = stats.t.ppf(0.975, 1) * np.std([0.2, 0.4], ddof=1) / np.sqrt(2)
    assert found.interval() == pytest.approx((0.3 - half, 0.3 + half))


def test_only_common_categories_and_seeds_are_compared(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", objective="restore", seed=0, image_auroc=0.5)
    fake_run(tmp_path / "b", objective="restore", seed=1, image_auroc=0.9)
    fake_run(tmp_path / "c", objective="amplify", seed=1, image_auroc=0.8)
    fake_run(tmp_path / "d", objective="amplify", seed=2, image_auroc=0.1)
    (found,) = (c for c in comparisons(groups_of(tmp_path)) if c.metric == "image_auroc")
    assert (found.pairs, found.mean, found.interval()) == (1, pytest.approx(0.1), None)
    table = found_table(tmp_path)
    assert {r[6].text for r in table.rows} == {"undecided"}, "one pair decides nothing"
    assert {r[7].text for r in table.rows} == {"1 seed of carpet"}


def test_compared_categories_are_named_and_others_are_counted(tmp_path: Path) -> None:
    for i, category in enumerate(("carpet", "grid", "tile", "wood")):
        fake_run(tmp_path / f"r{category}", objective="restore", category=category)
        if i < 2:
            fake_run(tmp_path / f"a{category}", objective="amplify", category=category)
    fake_run(tmp_path / "zipper", objective="amplify", category="zipper")
    table = found_table(tmp_path)
    assert {r[7].text for r in table.rows} == {"2 categories: carpet, grid (3 categories left out)"}
    assert "units,units (which),pairs" in to_csv(table)
    assert ',2,"2 categories: carpet, grid (3 categories left out)",2\n' in to_csv(table)


def test_pairs_from_different_states_of_the_code_are_named(tmp_path: Path) -> None:
    def note(*commits: str) -> str:
        for name, commit in zip(("a0", "r0", "a1", "r1"), commits, strict=True):
            record = {"git": {"commit": commit, "dirty": False}}
            (tmp_path / name / "environment.json").write_text(json.dumps(record))
        return " ".join(found_table(tmp_path).notes)

    for seed in (0, 1):
        fake_run(tmp_path / f"a{seed}", objective="amplify", seed=seed)
        fake_run(tmp_path / f"r{seed}", objective="restore", seed=seed)
    assert "different states of the code, which may explain their difference. Against amplify λ=0.5: restore λ=0.5." in note(
        *"xxxy"
    )
    assert "different states" not in note(*"xxxx")
    assert "different states" not in note(*"xxyy"), "the two runs of each pair agree"


def test_more_comparisons_need_clearer_differences() -> None:
    c = Comparison("a", "b", "synthetic", "aupro", "categories", (0.010, 0.011, 0.013), 3, 0.0113, True)
    interval = c.interval()
    assert interval is not None and interval[0] > 0
    assert (verdict(c, 1), verdict(c, 100)) == ("better", "undecided")
    assert verdict(replace(c, differences=(-0.010, -0.011, -0.013)), 1) == "worse"


def test_data_of_different_kinds_are_never_compared(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", objective="restore", data="synthetic")
    fake_run(tmp_path / "b", objective="amplify", data="mvtec")
    assert comparisons(groups_of(tmp_path)) == []


def test_verdicts_follow_the_interval(tmp_path: Path) -> None:
    for seed in range(4):
        fake_run(tmp_path / f"a{seed}", objective="amplify", seed=seed, image_auroc=0.5, pixel_auroc=0.5 + seed / 10, aupro=0.9)
        fake_run(
            tmp_path / f"r{seed}", objective="restore", seed=seed, image_auroc=0.6 + seed / 100, pixel_auroc=0.6, aupro=0.8
        )
    table = found_table(tmp_path)
    verdict = {r[3].text: r[6].text for r in table.rows}
    assert verdict["image AUROC"] == "better"
    assert verdict["pixel AUROC"] == "undecided"
    assert verdict["AUPRO"] == "worse"
    assert all("4 seeds of carpet" in r[7].text for r in table.rows)


def test_many_settings_are_compared_with_the_one_of_the_highest_proxy(tmp_path: Path) -> None:
    for i in range(PAIRWISE + 2):
        fake_run(tmp_path / str(i), lam=i / 10, proxy_ap=0.9 if i == 3 else 0.1, image_auroc=i / 10)
    found = comparisons(groups_of(tmp_path))
    assert {c.a for c in found} == {"restore λ=0.3"}
    assert len({c.b for c in found}) == PAIRWISE + 1


def test_signs() -> None:
    values = (0.0121, -0.0121, 0.0001, -0.0001, -0.0, None)
    assert [signed(x) for x in values] == ["+0.012", "-0.012", "0.000", "0.000", "0.000", "–"]

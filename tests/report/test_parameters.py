"""The tables of metrics over λ, a_min and α."""

from pathlib import Path

import numpy as np
import pytest
from fake_runs import fake_run, groups_of

from anomaly_lab.report.read.curves import Curves, Point
from anomaly_lab.report.read.records import Group, Records
from anomaly_lab.report.read.run import read
from anomaly_lab.report.tables import parameters


def sweep(folder: Path, value=lambda objective, lam, category, seed: 0.5, lams=(0.3, 0.9), seeds=(0, 1)) -> list[Group]:  # type: ignore[no-untyped-def]
    """Runs over objective, λ, category and seed; `value` is their image AUROC."""
    for objective in ("restore", "amplify"):
        for lam in lams:
            for category in ("carpet", "wood"):
                for seed in seeds:
                    auroc = value(objective, lam, category, seed)
                    name = f"{objective}{lam}{category}{seed}"
                    fake_run(folder / name, objective=objective, lam=lam, category=category, seed=seed, image_auroc=auroc)
    return groups_of(folder)


def test_series_over_lambda_are_ordered_and_averaged_over_seeds(tmp_path: Path) -> None:
    groups = sweep(tmp_path, lambda o, lam, c, seed: lam / 2 + seed / 10 + (c == "wood") / 100, lams=(0.9, 0.1, 0.5))
    series = parameters.over_lambda(groups, "image_auroc")
    assert set(series) == {("synthetic", o, c) for o in ("restore", "amplify") for c in ("carpet", "wood")}
    points = series["synthetic", "restore", "wood"]
    assert [p.lam for p in points] == [0.1, 0.5, 0.9]
    assert [p.statistic.mean for p in points] == pytest.approx([0.11, 0.31, 0.51])
    assert [p.statistic.spread for p in points] == pytest.approx([np.std([0, 0.1], ddof=1)] * 3)


def test_a_series_has_its_setting_s_name_without_lambda(tmp_path: Path) -> None:
    for i, (model, lam) in enumerate((m, lam) for m in ("sdc", "tiny") for lam in (0.5, 0.9)):
        fake_run(tmp_path / str(i), model=model, lam=lam, corruption="swap" if model == "sdc" else "elastic")
    series = parameters.over_lambda(groups_of(tmp_path), "image_auroc")
    assert sorted(setting for _, setting, _ in series) == ["sdc, restore, swap", "tiny, restore, elastic"]


def test_series_of_different_settings_never_share_a_name(tmp_path: Path) -> None:
    """No two runs have the same λ here, so no name of a setting has a letter."""
    for lam, size in ((0.3, 9), (0.5, 9), (0.4, 10), (0.6, 10)):
        run = fake_run(tmp_path / str(lam), lam=lam)
        text = (run / "config.yaml").read_text() + f"callbacks: {{sizes: {[[0.0, 0.5]] * size}}}\n"
        (run / "config.yaml").write_text(text)
    series = parameters.over_lambda(groups_of(tmp_path), "image_auroc")
    assert {setting: [p.lam for p in points] for (_, setting, _), points in series.items()} == {
        "restore (a)": [0.3, 0.5], "restore (b)": [0.4, 0.6],
    }  # fmt: skip


def test_the_lambda_tables_hold_every_lambda_and_category(tmp_path: Path) -> None:
    groups = sweep(tmp_path, lambda o, lam, c, seed: lam)
    found = {table.name: table for table in parameters.lambda_tables(Records([], groups, []))}
    assert len(found["lambda"].rows) == 8
    heat = found["lambda_category_image_auroc_1"]
    assert list(heat.columns) == ["setting", "λ", "carpet", "wood"]
    rows = [[s, f"{lam:g}", f"{lam:.3f}", f"{lam:.3f}"] for s in ("amplify", "restore") for lam in (0.3, 0.9)]
    assert [[c.text for c in r] for r in heat.rows] == rows


def test_without_a_second_lambda_there_is_nothing_over_lambda(tmp_path: Path) -> None:
    groups = sweep(tmp_path, lams=(0.5,))
    assert parameters.lambda_tables(Records([], groups, [])) == []


def test_without_curves_there_is_no_table() -> None:
    assert parameters.operating_tables(Records([], [], [])) == []


def test_each_point_of_the_curves_is_a_row_and_the_run_s_own_a_min_is_marked(tmp_path: Path) -> None:
    points = [Point(2, 0.5, 1.0, 0.5, 0.8), Point(4, 0.25, 1.0, None, 0.9)]
    curves = Curves(read(fake_run(tmp_path / "a")), "a setting", 4, points, [Point(0.5, 0.25, 0.0, 1.0, 0.0)])
    area, alpha = parameters.operating_tables(Records([], [], [curves]))
    first = ["synthetic", "carpet", "a setting", "0"]
    assert [[cell.text for cell in row] for row in area.rows] == [
        [*first, "2", "0.5", "1.000", "0.500", "0.750", "0.800", ""],
        [*first, "4", "0.25", "1.000", "–", "–", "0.900", "the run's own"],
    ]
    assert [[cell.text for cell in row] for row in alpha.rows] == [
        [*first, "0.500", "0.25", "0.000", "1.000", "0.500", "0.000", ""],
    ]
    assert area.folded and alpha.folded

"""Published columns as printed, and ours beside them only for the complete MVTec AD."""

import math
from pathlib import Path
from typing import Any

import pytest
from fake_runs import SHORT, fake_run, groups_of, official_run, records_of

from anomaly_lab.report.read.official import OFFICIAL
from anomaly_lab.report.read.records import Statistic
from anomaly_lab.report.tables import paper
from anomaly_lab.report.tables.paper import AVERAGES, averages, columns, our_columns, published
from anomaly_lab.report.tables.table import Cell, Table, latex, to_csv

CATEGORIES = [*published()["textures"], *published()["objects"]]


@pytest.mark.parametrize("name", ["table2", "table3", "table4"])
def test_the_copied_rows_have_the_averages_that_the_paper_prints(name: str) -> None:
    """A wrongly copied digit would fail here. Two columns of table 2 are wrong in the paper itself."""
    record, members = published()[name], {"textures": CATEGORIES[:5], "objects": CATEGORIES[5:], "all": CATEGORIES}
    for i, method in enumerate(record["methods"]):
        for kind in AVERAGES:
            printed, rows = record["averages"][kind][i], [record["rows"][c][i] for c in members[kind]]
            pairs = zip(printed, zip(*rows, strict=True), strict=True) if isinstance(printed, list) else [(printed, rows)]
            for value, column in pairs:
                mean = sum(column) / len(column)
                wrong = name == "table2" and method in ("AE_L2", "AnoGAN") and kind != "textures"
                if math.isnan(mean) or math.isnan(value):
                    assert math.isnan(mean) and math.isnan(value)
                else:
                    assert (abs(mean - value) > 0.1) if wrong else (abs(mean - value) < 0.0101), (method, kind, mean, value)


def test_an_average_is_a_gap_if_a_category_is_missing() -> None:
    column = {category: (Statistic(0.5, None, 1),) for category in CATEGORIES[:5]}
    found = averages(column, width=1)
    assert [found[name][0].mean for name in AVERAGES] == [0.5, None, None]


def test_a_value_that_the_paper_lacks_is_a_gap() -> None:
    column = columns(published()["table2"])["TI"]
    assert (column["carpet"][0].mean, column["bottle"][0].mean) == (0.59, None)


CATEGORIES = [*published()["textures"], *published()["objects"]]


def found_tables(folder: Path) -> dict[str, Table]:
    return {table.name: table for table in paper.tables(records_of(folder))}


def row(table: Table, name: str) -> list[Cell]:
    (found,) = (r for r in table.rows if r[0].text.removesuffix(" †") == name)
    return list(found)


def test_averages_are_recomputed_and_the_papers_wrong_ones_are_named(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet")
    table = found_tables(tmp_path)["table2"]
    column = list(table.columns).index("AE_L2")
    assert row(table, "average of objects")[column].text == "0.74"
    assert row(table, "average of all")[column].text == "0.71"
    assert "AE_L2, objects: 0.88" in table.notes[0] and "AnoGAN, all: 0.71" in table.notes[0]
    assert "Bauer" not in table.notes[0].split("other averages for")[1]
    assert row(table, "average of all")[list(table.columns).index("TI")].text == "–", "its objects are a gap in the paper"


def test_the_cable_row_of_table_3_has_its_footnote(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet")
    found = found_tables(tmp_path)
    assert row(found["table3"], "cable")[0].text == "cable †"
    assert any(note.startswith("† cable: five of the values") for note in found["table3"].notes)
    assert row(found["table2"], "cable")[0].text == "cable"


def test_a_run_on_the_complete_mvtec_ad_stands_beside_the_published_columns(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet", tpr_tnr_mean=0.994, pixel_auroc=0.9, image_f1=0.5, pixel_f1=0.99)
    found = found_tables(tmp_path)
    assert set(found) == {"table2", "table3", "table4"}
    assert found["table2"].columns[-1] == "ours: restore λ=0.5"
    ours = row(found["table2"], "carpet")[-1]
    assert (ours.text, ours.bold) == ("0.99", True), "equal to the best at two digits"
    assert not row(found["table3"], "carpet")[-1].bold
    assert row(found["table4"], "carpet")[-1].text == "0.50 / 0.99"
    assert row(found["table2"], "grid")[-1].text == "–", "a category without a run is a gap"
    for kind in AVERAGES:
        assert row(found["table2"], f"average of {kind}")[-1].text == "–", "an average over some categories is a gap too"
    assert f"Data: {OFFICIAL}, complete" in found["table2"].notes[0]
    for part in ("tiny", "64 px", "10 steps", "n = 1", "max", "a_min 4"):
        assert part in found["table2"].notes[1]


def test_with_all_categories_our_averages_are_there(tmp_path: Path) -> None:
    for i, category in enumerate(CATEGORIES):
        official_run(tmp_path / category, category, tpr_tnr_mean=0.5 + i / 100)
    table = found_tables(tmp_path)["table2"]
    assert len(table.columns) == 1 + 8 + 1, "one column for all categories"
    assert row(table, "average of textures")[-1].text == "0.52"
    assert row(table, "average of objects")[-1].text == f"{0.5 + (5 + 14) / 200:.2f}"
    assert row(table, "average of all")[-1].text == "0.57"


@pytest.mark.parametrize("change", SHORT.values(), ids=SHORT)
def test_synthetic_or_partial_data_never_stand_beside_published_columns(tmp_path: Path, change: dict[str, Any]) -> None:
    official_run(tmp_path / "whole", "carpet", tpr_tnr_mean=0.123)
    official_run(tmp_path / "part", "grid", tpr_tnr_mean=0.456, **change)
    found = found_tables(tmp_path)
    for name in ("table2", "table3", "table4"):
        assert [column for column in found[name].columns if column.startswith("ours")] == ["ours: restore λ=0.5"]
        assert row(found[name], "grid")[-1].text == "–"
        assert "0.456" not in to_csv(found[name])
        other = found[f"{name}_other1"]
        assert row(other, "grid")
        assert not any(method in other.columns for method in published()[name]["methods"])
        assert f"not {OFFICIAL}" in other.notes[0]
    assert row(found["table2"], "carpet")[-1].text == "0.12"
    assert row(found["table2_other1"], "grid")[-1].text == "0.46"


def test_an_evaluation_stands_beside_them_only_if_its_network_was_trained_on_mvtec_ad(tmp_path: Path) -> None:
    whole = official_run(tmp_path / "whole", "carpet", tpr_tnr_mean=0.9)
    synthetic = fake_run(tmp_path / "synthetic")
    official_run(tmp_path / "good", "carpet", source_run=str(whole), trained_on="mvtec", tpr_tnr_mean=0.8)
    official_run(tmp_path / "bad", "carpet", source_run=str(synthetic), trained_on="synthetic", tpr_tnr_mean=0.7)
    official_run(tmp_path / "lost", "carpet", source_run=str(tmp_path / "gone"), trained_on="mvtec", lam=0.7)
    table = found_tables(tmp_path)["table2"]
    ours = dict(zip(table.columns, row(table, "carpet"), strict=True))
    texts = {name: cell.text for name, cell in ours.items() if name.startswith("ours")}
    assert texts == {"ours: restore λ=0.5": "0.90", "ours: restore λ=0.5, evaluated again, trained on mvtec": "0.80"}


def test_one_partial_seed_keeps_the_whole_group_out(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet", seed=0)
    official_run(tmp_path / "b", "carpet", seed=1, n_train=10)
    assert set(found_tables(tmp_path)) == {"table2_other1", "table3_other1", "table4_other1"}, (
        "no column of ours, so no published ones"
    )
    official_run(tmp_path / "c", "grid")
    table = found_tables(tmp_path)["table2"]
    assert (row(table, "carpet")[-1].text, row(table, "grid")[-1].text) == ("–", "0.78")


def test_other_data_are_named_with_a_reason(tmp_path: Path) -> None:
    for name in ("grid_mini", "wood_mini"):
        fake_run(tmp_path / name, data="mvtec", category=name, root="/pictures/mine")
    table = found_tables(tmp_path)["table2_other1"]
    example = f"(for example: {OFFICIAL} has no category grid_mini)"
    data = f"folder “mine” (data=mvtec), not {OFFICIAL}"
    assert table.notes[0].startswith(f"Data: {data} {example}; not comparable with published columns.")
    assert "folder ``mine'' (data=mvtec)" in latex(table), "quotes that LaTeX opens and closes"


def test_seeds_are_averaged_and_n_is_stated(tmp_path: Path) -> None:
    for seed, value in enumerate((0.6, 0.7, 0.8)):
        official_run(tmp_path / str(seed), "carpet", seed=seed, tpr_tnr_mean=value)
    assert row(found_tables(tmp_path)["table2"], "carpet")[-1].text == "0.70 ± 0.10 (3)"


def test_settings_that_differ_have_columns_of_their_own(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet", lam=0.5)
    official_run(tmp_path / "b", "carpet", lam=0.9)
    official_run(tmp_path / "c", "grid", lam=0.9)
    table = found_tables(tmp_path)["table2"]
    assert list(table.columns[-2:]) == ["ours: restore λ=0.5", "ours: restore λ=0.9"]
    assert [cell.text for cell in row(table, "grid")[-2:]] == ["–", "0.78"]


def test_folders_with_the_same_category_have_columns_of_their_own(tmp_path: Path) -> None:
    for root, value in (("x", 0.25), ("y", 0.75)):
        fake_run(tmp_path / root, data="mvtec", root=f"/{root}", tpr_tnr_mean=value)
    found = our_columns(groups_of(tmp_path), ["tpr_tnr_mean"])
    assert {title: column["carpet"][0].mean for title, column in found.items()} == {
        "restore λ=0.5": 0.25,
        "restore λ=0.5 #2": 0.75,
    }

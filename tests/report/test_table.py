"""The report's tables: published columns as printed, ours beside them only where the data are MVTec AD, numbers that agree."""

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from fake_runs import fake_run, official_run

from anomaly_lab.report.make import tables_of
from anomaly_lab.report.read.collect import collect
from anomaly_lab.report.read.groups import group
from anomaly_lab.report.read.official import OFFICIAL, lacking, mvtec_ad, source
from anomaly_lab.report.tables.overview import METRICS
from anomaly_lab.report.tables.paper import AVERAGES, paper_tables, published
from anomaly_lab.report.tables.table import Cell, Table, latex, markdown, number, to_csv

CATEGORIES = [*published()["textures"], *published()["objects"]]


def tables(folder: Path) -> dict[str, Table]:
    runs = collect([folder])
    return {table.name: table for table in tables_of(runs, group(runs), [folder])}


def paper(folder: Path) -> dict[str, Table]:
    return {table.name: table for table in paper_tables(group(collect([folder])))}


def row(table: Table, name: str) -> list[Cell]:
    (found,) = (r for r in table.rows if r[0].text.removesuffix(" †") == name)
    return list(found)


# ---- the data files


def test_mvtec_ad_has_its_published_totals() -> None:
    """Bergmann et al.: 3,629 training and 1,725 test images, 467 of them normal, 73 kinds of defect in 15 categories."""
    records = mvtec_ad().values()
    assert len(records) == 15 and set(mvtec_ad()) == set(CATEGORIES)
    assert sum(r["train"] for r in records) == 3629
    assert sum(r["good"] for r in records) == 467
    assert sum(r["good"] + r["defective"] for r in records) == 1725
    assert sum(len(r["defects"]) for r in records) == 73


@pytest.mark.parametrize("name", ["table2", "table3", "table4"])
def test_the_rows_as_copied_give_the_averages_that_the_paper_prints(name: str) -> None:
    """A digit copied wrongly would show here. Two columns of table 2 are wrong in the paper itself; .02 is its rounding."""
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


def test_averages_are_recomputed_and_the_papers_wrong_ones_are_named(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet")
    table = paper(tmp_path)["table2"]
    column = list(table.columns).index("AE_L2")
    assert row(table, "average of objects")[column].text == "0.74"
    assert row(table, "average of all")[column].text == "0.71"
    assert "AE_L2, objects: 0.88" in table.notes[0] and "AnoGAN, all: 0.71" in table.notes[0]
    assert "Bauer" not in table.notes[0].split("other averages for")[1]
    assert row(table, "average of all")[list(table.columns).index("TI")].text == "–", "its objects are a gap in the paper"


def test_the_cable_row_of_table_3_has_its_footnote(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet")
    found = paper(tmp_path)
    assert row(found["table3"], "cable")[0].text == "cable †"
    assert any(note.startswith("† cable: five of the values") for note in found["table3"].notes)
    assert row(found["table2"], "cable")[0].text == "cable"


# ---- whose columns they are


def test_a_run_on_the_complete_mvtec_ad_stands_beside_the_published_columns(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet", tpr_tnr_mean=0.994, pixel_auroc=0.9, image_f1=0.5, pixel_f1=0.99)
    found = paper(tmp_path)
    assert set(found) == {"table2", "table3", "table4"}
    assert found["table2"].columns[-1] == "ours: restore λ=0.5"
    ours = row(found["table2"], "carpet")[-1]
    assert (ours.text, ours.bold) == ("0.99", True), "as good as the best at two digits"
    assert not row(found["table3"], "carpet")[-1].bold
    assert row(found["table4"], "carpet")[-1].text == "0.50 / 0.99"
    assert row(found["table2"], "grid")[-1].text == "–", "a category without a run is a gap"
    for kind in AVERAGES:
        assert row(found["table2"], f"average of {kind}")[-1].text == "–", "and so is an average over some categories only"
    assert f"Data: {OFFICIAL}, complete" in found["table2"].notes[0]
    for part in ("tiny", "64 px", "10 steps", "n = 1", "max", "a_min 4"):
        assert part in found["table2"].notes[1]


def test_with_all_categories_our_averages_are_there(tmp_path: Path) -> None:
    for i, category in enumerate(CATEGORIES):
        official_run(tmp_path / category, category, tpr_tnr_mean=0.5 + i / 100)
    table = paper(tmp_path)["table2"]
    assert len(table.columns) == 1 + 8 + 1, "one column for all categories"
    assert row(table, "average of textures")[-1].text == "0.52"
    assert row(table, "average of objects")[-1].text == f"{0.5 + (5 + 14) / 200:.2f}"
    assert row(table, "average of all")[-1].text == "0.57"


SHORT = {
    "synthetic": {"data": "synthetic"},
    "fewer training images": {"n_train": 7},
    "fewer test images": {"n_test": 14},
    "another size": {"stored_size": 512},
    "size unknown": {"stored_size": None},
    "counts unknown": {"n_train": None},
    "unscored images": {"scores": [("good", 0, 0.1, 0), ("bent", 1, 0.9, 1)]},
    "other kinds": {"scores": [("good", 0, 0.1, 0)] * 21 + [("dent", 1, 0.9, 1)] * 57},
}


@pytest.mark.parametrize("change", SHORT.values(), ids=SHORT)
def test_synthetic_or_partial_data_never_stand_in_a_column_that_looks_like_mvtec_ad(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    official_run(tmp_path / "whole", "carpet", tpr_tnr_mean=0.123)
    official_run(tmp_path / "part", "grid", tpr_tnr_mean=0.456, **change)
    by_name = {run.path.name: run for run in collect([tmp_path])}
    assert lacking(by_name["whole"]) is None and source(by_name["whole"]) == OFFICIAL
    assert lacking(by_name["part"]) and source(by_name["part"]) != OFFICIAL
    found = paper(tmp_path)
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


def test_an_evaluation_counts_as_mvtec_ad_only_if_its_network_was_trained_on_it(tmp_path: Path) -> None:
    whole = official_run(tmp_path / "whole", "carpet", tpr_tnr_mean=0.9)
    synthetic = fake_run(tmp_path / "synthetic")
    official_run(tmp_path / "good", "carpet", source_run=str(whole), trained_on="mvtec", tpr_tnr_mean=0.8)
    official_run(tmp_path / "bad", "carpet", source_run=str(synthetic), trained_on="synthetic", tpr_tnr_mean=0.7)
    official_run(tmp_path / "lost", "carpet", source_run=str(tmp_path / "gone"), trained_on="mvtec", lam=0.7)
    reasons = {run.path.name: lacking(run) for run in collect([tmp_path])}
    assert reasons["whole"] is None and reasons["good"] is None
    assert "behind this evaluation is on other data (data=synthetic)" in str(reasons["bad"])
    assert "not to be found" in str(reasons["lost"])
    table = paper(tmp_path)["table2"]
    ours = dict(zip(table.columns, row(table, "carpet"), strict=True))
    texts = {name: cell.text for name, cell in ours.items() if name.startswith("ours")}
    assert texts == {"ours: restore λ=0.5": "0.90", "ours: restore λ=0.5, evaluated again": "0.80"}


def test_one_partial_seed_keeps_the_whole_group_out(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet", seed=0)
    official_run(tmp_path / "b", "carpet", seed=1, n_train=10)
    assert set(paper(tmp_path)) == {"table2_other1", "table3_other1", "table4_other1"}, "nothing of ours, nothing beside it"
    official_run(tmp_path / "c", "grid")
    table = paper(tmp_path)["table2"]
    assert (row(table, "carpet")[-1].text, row(table, "grid")[-1].text) == ("–", "0.78")


def test_a_folder_of_another_name_is_not_mvtec_ad(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", data="mvtec", category="grid_mini", root="/pictures/mine")
    (run,) = collect([tmp_path])
    assert source(run) == f"folder “mine” in MVTec's layout, not {OFFICIAL}"
    fake_run(tmp_path / "b", data="mvtec", category="wood_mini", root="/pictures/mine")
    table = tables(tmp_path)["table2_other1"]
    example = f"(for example: {OFFICIAL} has no category grid_mini)"
    assert table.notes[0].startswith(f"Data: {source(run)} {example}; not comparable with published columns.")
    assert "folder ``mine'' in MVTec's layout" in latex(table), "quotes that LaTeX opens and closes"


def test_seeds_are_averaged_and_n_is_stated(tmp_path: Path) -> None:
    for seed, value in enumerate((0.6, 0.7, 0.8)):
        official_run(tmp_path / str(seed), "carpet", seed=seed, tpr_tnr_mean=value)
    assert row(paper(tmp_path)["table2"], "carpet")[-1].text == "0.70 ± 0.10 (3)"


def test_settings_that_differ_have_columns_of_their_own(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet", lam=0.5)
    official_run(tmp_path / "b", "carpet", lam=0.9)
    official_run(tmp_path / "c", "grid", lam=0.9)
    table = paper(tmp_path)["table2"]
    assert list(table.columns[-2:]) == ["ours: restore λ=0.5", "ours: restore λ=0.9"]
    assert [cell.text for cell in row(table, "grid")[-2:]] == ["–", "0.78"]


# ---- numbers agree


def test_tables_print_what_metrics_json_holds(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", image_auroc=0.12345678, pixel_ap=None, tnr=0.8125)
    metrics = json.loads((tmp_path / "a/metrics.json").read_text())
    for name in ("results", "runs"):
        table = tables(tmp_path)[name]
        cells = dict(zip(table.columns, table.rows[0], strict=True))
        for metric, label in METRICS.items():
            assert cells[label].text == number(metrics[metric])
            assert cells[label].values[0] == metrics[metric]
        read = next(csv.DictReader(io.StringIO(to_csv(table))))
        assert float(read["image AUROC"]) == metrics["image_auroc"], "CSV rounds nothing"
        assert read["pixel AP"] == ""
        assert f"| {number(metrics['image_auroc'])} |" in markdown(table)
        assert number(metrics["image_auroc"]) in latex(table)


def test_every_table_carries_its_protocol_and_data(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    for table in tables(tmp_path).values():
        if table.rows and table.name not in ("settings", "left_out"):
            assert table.notes, table.name
        if table.name in ("results", "runs", "kinds"):
            assert table.columns[0] == "data"
            assert all(r[0].text == "synthetic" for r in table.rows)


def test_the_notes_say_how_weights_and_thresholds_were_chosen_by_the_runs_own_records(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    weights, rule = "Weights: the last step;", "threshold from held-out normal images by calibration=area;"
    for name in ("results", "runs", "kinds", "table2_other1"):
        assert weights in tables(tmp_path)[name].notes[0] and rule in tables(tmp_path)[name].notes[0], name
    best = {"selection": "highest val/proxy_ap", "calibration": "conformal", "calibration_parameter": 0.05}
    fake_run(tmp_path / "b", category="wood", **best)
    fake_run(tmp_path / "old", category="grid", selection=None, calibration=None)
    weights = "Weights: highest val/proxy_ap or not recorded or the last step;"
    rule = "by calibration=area or conformal 0.05 or not recorded; test images choose nothing."
    for name in ("results", "runs", "kinds", "table2_other1"):
        assert weights in tables(tmp_path)[name].notes[0] and rule in tables(tmp_path)[name].notes[0], name


def test_proxy_ap_is_explained_wherever_it_stands_and_nowhere_else(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", lam=0.5)
    fake_run(tmp_path / "b", lam=0.9)
    explained = {t.name for t in tables(tmp_path).values() if any("Proxy AP: pixel AP on synthetic" in n for n in t.notes)}
    assert explained == {"runs", "lambda", "lambda_category_proxy_ap_1"}


def test_kinds_count_what_scores_csv_says(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    texts = [[cell.text for cell in r[3:]] for r in tables(tmp_path)["kinds"].rows]
    assert texts == [["good", "1 of 2 false alarms", "0.500"], ["hole", "1 of 2 found", "0.500"]]


# ---- forms


AWKWARD = Table("t", "50 % of a_b & {x}", ["a|b", "v"], [[Cell("x_1 | y", ("x_1 | y",)), Cell("0.5 ± 0.1", (0.5, 0.1), True)]], ["λ ≤ 1"], {"v": ("sd",)})  # fmt: skip  # noqa: E501


def test_markdown_escapes_what_would_break_a_table() -> None:
    lines = markdown(AWKWARD).splitlines()
    assert lines[2] == "| a\\|b | v |"
    assert lines[3] == "|---|---:|"
    assert lines[4] == "| x_1 \\| y | **0.5 ± 0.1** |"


def test_latex_escapes_what_it_would_read_as_a_command() -> None:
    text = latex(AWKWARD)
    assert r"\caption{50 \% of a\_b \& \{x\}. $\lambda$ $\le$ 1}" in text
    assert r"x\_1 | y & \textbf{0.5 $\pm$ 0.1} \\" in text
    assert text.count("{") == text.count("}") and r"\begin{tabular}{lr}" in text


def test_csv_has_a_field_a_value() -> None:
    assert to_csv(AWKWARD) == "a|b,v,v (sd)\nx_1 | y,0.5,0.1\n"


def test_latex_of_a_report_holds_ascii_only(tmp_path: Path) -> None:
    """Else the user's engine decides whether it compiles."""
    official_run(tmp_path / "a", "carpet")
    fake_run(tmp_path / "b", objective="amplify", lam=0.99)
    fake_run(tmp_path / "c", objective="amplify", lam=0.5)
    fake_run(tmp_path / "d", data="mvtec", root="/pictures/a_b")
    for table in tables(tmp_path).values():
        assert latex(table).isascii(), set(re.findall(r"[^\x00-\x7f]", latex(table)))

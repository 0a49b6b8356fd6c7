"""The tables of results, of single runs, of their settings, and of runs without a result."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import fake_run, records_of

from anomaly_lab.report.read.protocol import METRICS
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import NOT_STARTED, Run
from anomaly_lab.report.tables import results
from anomaly_lab.report.tables.table import Table, latex, markdown, number, to_csv


def test_seeds_are_averaged_in_one_row(tmp_path: Path) -> None:
    for seed, value in enumerate((0.91, 0.95, 0.86)):
        fake_run(tmp_path / str(seed), seed=seed, image_auroc=value, train_seconds=60.0 * seed, steps=10 + seed)
    (table,) = results.results(records_of(tmp_path))
    (row,) = table.rows
    cells = dict(zip(table.columns, (cell.text for cell in row), strict=True))
    assert (cells["image AUROC"], cells["n"], cells["seeds"]) == ("0.907 ± 0.045", "3", "0, 1, 2")
    assert (cells["minutes of training"], cells["steps"], cells["px"]) == ("1.0 ± 1.0", "11", "64")


def test_one_run_is_printed_without_spread(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    (table,) = results.results(records_of(tmp_path))
    assert table.rows[0][5].text == "0.900"


@pytest.mark.parametrize("tables", [results.results, results.runs])
def test_the_tables_print_what_metrics_json_holds(tables: Callable[[Records], list[Table]], tmp_path: Path) -> None:
    fake_run(tmp_path / "a", image_auroc=0.12345678, pixel_ap=None, tnr=0.8125)
    metrics = json.loads((tmp_path / "a/metrics.json").read_text())
    (table,) = tables(records_of(tmp_path))
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    for metric, label in METRICS.items():
        assert cells[label].text == number(metrics[metric])
        assert cells[label].values[0] == metrics[metric]
    read_back = next(csv.DictReader(io.StringIO(to_csv(table))))
    assert float(read_back["image AUROC"]) == metrics["image_auroc"], "CSV rounds nothing"
    assert read_back["pixel AP"] == ""
    assert f"| {number(metrics['image_auroc'])} |" in markdown(table)
    assert number(metrics["image_auroc"]) in latex(table)


def test_the_notes_warn_of_seeds_that_may_not_be_comparable(tmp_path: Path) -> None:
    def cautions() -> list[str]:
        (table,) = results.results(records_of(tmp_path))
        return list(table.notes[1:])

    fake_run(tmp_path / "a", seed=0)
    fake_run(tmp_path / "b", seed=1)
    assert cautions() == []
    fake_run(tmp_path / "old", seed=1, age=100)
    (tmp_path / "a/environment.json").write_text(json.dumps({"git": {"commit": "x", "dirty": False}}))
    (fake_run(tmp_path / "c", category="wood") / "config.yaml").unlink()
    assert [note.partition(":")[0] for note in cautions()] == [
        "Rows with seeds from different states of the code",
        "Runs that were repeated later with the same setting and seed",
        "Runs without config.yaml",
    ]


def test_kinds_count_the_rows_of_scores_csv(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    (table,) = results.kinds(records_of(tmp_path))
    texts = [[cell.text for cell in r[3:]] for r in table.rows]
    assert texts == [["good", "1 of 2 false alarms", "0.500"], ["hole", "1 of 2 found", "0.500"]]


def test_seeds_are_counted_together(tmp_path: Path) -> None:
    for seed in range(3):
        fake_run(tmp_path / str(seed), seed=seed)
    (table,) = results.kinds(records_of(tmp_path))
    assert [row[4].text for row in table.rows] == ["3 of 6 false alarms", "3 of 6 found"]


def test_a_row_of_the_table_of_runs_names_the_run(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    (table,) = results.runs(records_of(tmp_path))
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert (cells["run"].text, cells["train/validation/test"].text, cells["proxy AP"].text) == ("a", "51/9/4", "0.300")


def test_a_repeated_run_is_listed_and_marked(tmp_path: Path) -> None:
    fake_run(tmp_path / "old", age=100, image_auroc=0.1)
    fake_run(tmp_path / "new", age=10, image_auroc=0.7)
    (table,) = results.runs(records_of(tmp_path))
    listed = {row[-2].text: row[-1].text for row in table.rows}
    assert listed == {"new": "", "old": "repeated later, counts nowhere"}


def test_an_evaluation_names_the_run_behind_it(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", source_run="/runs/first", trained_on="synthetic")
    (table,) = results.runs(records_of(tmp_path))
    assert table.rows[0][-1].text == "evaluation of first, trained on synthetic."


def test_each_setting_has_a_row_for_each_key_that_differs(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", lr=0.1)
    fake_run(tmp_path / "b", lr=0.2)
    fake_run(tmp_path / "c", lr=0.2, category="wood")
    (table,) = results.settings(records_of(tmp_path))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["restore λ=0.5, lr=0.1", "optimizer.lr", "0.1"],
        ["restore λ=0.5, lr=0.2", "optimizer.lr", "0.2"],
    ]


def test_complete_names_need_no_legend(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", lam=0.3)
    fake_run(tmp_path / "b", lam=0.9)
    assert results.settings(records_of(tmp_path)) == []


def test_every_name_with_a_letter_is_explained(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        run = fake_run(tmp_path / name, lr=(0.1, 0.2)[i])
        text = (run / "config.yaml").read_text() + f"callbacks: {{sizes: {[[0.0, 0.5]] * (i + 9)}}}\n"
        (run / "config.yaml").write_text(text)
    records = records_of(tmp_path)
    (table,) = results.settings(records)
    assert {row[0].text for row in table.rows} == {g.name for g in records.groups} == {"restore λ=0.5 (a)", "restore λ=0.5 (b)"}


def test_runs_without_a_result_are_listed_with_what_is_known(tmp_path: Path) -> None:
    fake_run(tmp_path / "finished")
    run = fake_run(tmp_path / "failed")
    (run / "metrics.json").unlink()
    (run / "error.txt").write_text("the disk is full: free some space")
    records = records_of(tmp_path)
    waiting = Run(tmp_path, NOT_STARTED, overrides=("seed=1", "+category=wood"), note="not yet")
    (table,) = results.left_out(Records([*records.runs, waiting], records.groups, []))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["failed", "failed", "", "the disk is full: free some space"],
        ["–", "not started", "seed=1 +category=wood", "not yet"],
    ]

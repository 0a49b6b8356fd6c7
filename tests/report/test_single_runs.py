"""The table of single runs."""

import csv
import io
import json
from pathlib import Path

from fake_runs import fake_run, records_of

from anomaly_lab.report.tables import single_runs
from anomaly_lab.report.tables.forms import to_csv
from anomaly_lab.report.tables.labels import METRICS
from anomaly_lab.report.tables.table import number


def test_the_table_prints_what_metrics_json_holds(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", image_auroc=0.12345678, pixel_ap=None, tnr=0.8125)
    metrics = json.loads((tmp_path / "a/metrics.json").read_text())
    (table,) = single_runs.tables(records_of(tmp_path))
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    for metric, label in METRICS.items():
        assert cells[label].text == number(metrics[metric])
        assert cells[label].values[0] == metrics[metric]
    read_back = next(csv.DictReader(io.StringIO(to_csv(table))))
    assert float(read_back["image AUROC"]) == metrics["image_auroc"], "CSV rounds nothing"
    assert read_back["pixel AP"] == ""
    assert (cells["run"].text, cells["train/validation/test"].text, cells["proxy AP"].text) == ("a", "51/9/4", "0.300")


def test_a_repeated_run_is_listed_and_marked(tmp_path: Path) -> None:
    fake_run(tmp_path / "old", age=100, image_auroc=0.1)
    fake_run(tmp_path / "new", age=10, image_auroc=0.7)
    (table,) = single_runs.tables(records_of(tmp_path))
    listed = {row[-2].text: row[-1].text for row in table.rows}
    assert listed == {"new": "", "old": "repeated later, counts nowhere"}


def test_an_evaluation_names_the_run_behind_it(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", source_run="/runs/first", trained_on="synthetic")
    (table,) = single_runs.tables(records_of(tmp_path))
    assert table.rows[0][-1].text == "evaluation of first, trained on synthetic."

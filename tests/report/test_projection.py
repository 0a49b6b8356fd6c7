"""The table of what analyze has found."""

import json
from pathlib import Path
from typing import Any

import pytest
from fake_runs import fake_run, records_of

from anomaly_lab.report.make import TABLES
from anomaly_lab.report.tables import projection


def analysed(run: Path, value: float | None) -> None:
    places = [*projection.SHOWN, *projection.LARGE]
    properties: dict[str, Any] = {}
    for place in places:
        name, quantity = place.split(".")
        properties.setdefault(name, {})[quantity] = {"mean": value, "low": None, "high": None, "n": 1}
    (run / "analysis.json").write_text(json.dumps({"properties": properties}))


def test_a_setting_has_the_mean_over_its_analysed_seeds(tmp_path: Path) -> None:
    for seed, value in ((0, 0.2), (1, 0.4), (2, None)):
        run = fake_run(tmp_path / f"{seed}", seed=seed)
        if value is not None:
            analysed(run, value)
    fake_run(tmp_path / "other", objective="amplify")
    (table,) = projection.tables(records_of(tmp_path))
    (row,) = table.rows
    assert row[3].text == "2" and len(row) == len(table.columns)
    assert row[4].values == (pytest.approx(0.3), pytest.approx(0.1414, rel=1e-3)) and row[4].text == "0.30 ± 0.14"
    assert projection.tables in TABLES


def test_no_analysis_has_no_table_and_a_damaged_one_no_row(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    assert projection.tables(records_of(tmp_path)) == []
    for damaged in ("{", "[]", "{}", '{"properties": 3}'):
        (run / "analysis.json").write_text(damaged)
        assert projection.tables(records_of(tmp_path)) == []


def test_what_another_version_has_not_measured_is_a_gap(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    (run / "analysis.json").write_text(json.dumps({"properties": {"identity": {"error": {"mean": 0.5}}}}))
    (table,) = projection.tables(records_of(tmp_path))
    assert [cell.text for cell in table.rows[0][4:6]] == ["0.50", "–"]

"""The table of runs without a result."""

from pathlib import Path

from fake_runs import fake_run, records_of

from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import NOT_STARTED, Run
from anomaly_lab.report.tables import left_out


def test_runs_without_a_result_are_listed_with_what_is_known(tmp_path: Path) -> None:
    fake_run(tmp_path / "finished")
    run = fake_run(tmp_path / "failed")
    (run / "metrics.json").unlink()
    (run / "error.txt").write_text("the disk is full: free some space")
    records = records_of(tmp_path)
    waiting = Run(tmp_path, NOT_STARTED, overrides=("seed=1", "+category=wood"), note="not yet")
    (table,) = left_out.tables(Records([*records.runs, waiting], records.groups, []))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["failed", "failed", "", "the disk is full: free some space"],
        ["–", "not started", "seed=1 +category=wood", "not yet"],
    ]

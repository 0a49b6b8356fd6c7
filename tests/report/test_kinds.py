"""The table of decisions by kind of defect."""

from pathlib import Path

from fake_runs import fake_run, records_of

from anomaly_lab.report.tables import kinds


def test_kinds_count_the_rows_of_scores_csv(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    (table,) = kinds.tables(records_of(tmp_path))
    texts = [[cell.text for cell in r[3:]] for r in table.rows]
    assert texts == [["good", "1 of 2 false alarms", "0.500"], ["hole", "1 of 2 found", "0.500"]]


def test_seeds_are_counted_together(tmp_path: Path) -> None:
    for seed in range(3):
        fake_run(tmp_path / str(seed), seed=seed)
    (table,) = kinds.tables(records_of(tmp_path))
    assert [row[4].text for row in table.rows] == ["3 of 6 false alarms", "3 of 6 found"]

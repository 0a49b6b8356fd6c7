"""The table of what tells the settings apart."""

from pathlib import Path

from fake_runs import fake_run, records_of

from anomaly_lab.report.tables import legend


def test_each_setting_has_a_row_for_each_key_that_differs(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", lr=0.1)
    fake_run(tmp_path / "b", lr=0.2)
    fake_run(tmp_path / "c", lr=0.2, category="wood")
    (table,) = legend.tables(records_of(tmp_path))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["restore λ=0.5, lr=0.1", "optimizer.lr", "0.1"],
        ["restore λ=0.5, lr=0.2", "optimizer.lr", "0.2"],
    ]


def test_complete_names_need_no_legend(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", lam=0.3)
    fake_run(tmp_path / "b", lam=0.9)
    assert legend.tables(records_of(tmp_path)) == []


def test_every_name_with_a_letter_is_explained(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        run = fake_run(tmp_path / name, lr=(0.1, 0.2)[i])
        text = (run / "config.yaml").read_text() + f"callbacks: {{sizes: {[[0.0, 0.5]] * (i + 9)}}}\n"
        (run / "config.yaml").write_text(text)
    records = records_of(tmp_path)
    (table,) = legend.tables(records)
    assert {row[0].text for row in table.rows} == {g.name for g in records.groups} == {"restore λ=0.5 (a)", "restore λ=0.5 (b)"}

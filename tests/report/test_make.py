"""The whole report."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Finished
from fake_runs import fake_run, records_of

from anomaly_lab.report.make import TABLES, Options, Report, build_report
from anomaly_lab.report.tables.table import Table, number


def test_a_folder_of_failures_only_gives_a_page_that_lists_them(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a")
    (run / "metrics.json").unlink()
    report = build_report(Options([tmp_path], tmp_path / "out", "one", True, []))
    assert [table.name for table in report.tables] == ["left_out"]
    assert "resume=" in (tmp_path / "out/report.html").read_text()
    assert json.loads(json.dumps(report.notes))[0].startswith("0 of 1 runs have finished; 1 stopped")


def test_doubts_about_a_run_are_told(tmp_path: Path) -> None:
    fake_run(tmp_path / "good", n_covered=0, n_unlike=0, relative_error=0.05)
    fake_run(tmp_path / "bad", seed=1, n_covered=2, n_unlike=3, unlike="size (3)", n_test=9, relative_error=0.99)
    notes = build_report(Options([tmp_path], tmp_path / "out", "none", False, [])).notes
    assert [note for note in notes if "F(X)" in note or "masks" in note] == [
        "bad: F(X) is hardly better than a flat grey (relative error 0.99 on held-out images); its heatmap rests on no "
        "reconstruction.",
        "bad: 2 masks mark over half of their image; they may be inverted.",
    ]
    (unlike,) = [note for note in notes if "unlike" in note]
    assert unlike.endswith("of 9 test images, some are unlike the training images in size (3); 1 runs.")


def tables(folder: Path) -> dict[str, Table]:
    records = records_of(folder)
    return {table.name: table for made in TABLES for table in made(records)}


def test_every_table_carries_its_protocol_and_data(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    for table in tables(tmp_path).values():
        if table.rows and table.name not in ("settings", "left_out"):
            assert table.notes, table.name
        if table.name in ("results", "runs", "kinds"):
            assert table.columns[0] == "data"
            assert all(r[0].text == "synthetic" for r in table.rows)


def test_the_notes_say_how_weights_and_thresholds_were_chosen(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    fake_run(tmp_path / "b", category="wood", calibration="conformal", calibration_alpha=0.05)
    for name in ("results", "runs", "kinds", "table2_other1"):
        note = tables(tmp_path)[name].notes[0]
        assert "weights are those after the last training step" in note, name
        assert "by calibration=area or calibration=conformal (alpha=0.05). Test images choose nothing." in note, name


def test_only_tables_with_the_proxy_ap_explain_it(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", lam=0.5)
    fake_run(tmp_path / "b", lam=0.9)
    explained = {t.name for t in tables(tmp_path).values() if any("Proxy AP: pixel AP on held-out" in n for n in t.notes)}
    assert explained == {"runs", "lambda", "lambda_category_proxy_ap_1"}


def test_curves_over_a_min_agree_with_the_run_at_its_own_value(reported: Report, finished: Finished) -> None:
    metrics: Mapping[str, Any] = json.loads((finished.directory / "metrics.json").read_text())
    (table,) = (t for t in reported.tables if t.name == "min_area")
    assert [t.name for t in reported.tables if t.folded] == ["min_area", "alpha"]
    own = [dict(zip(table.columns, row, strict=True)) for row in table.rows if row[-1].text == "the run's own"]
    assert len(own) == len(reported.records.groups) == 2
    assert own[0]["a_min (px)"].values == (metrics["min_area"],)
    assert own[0]["threshold"].values[0] == pytest.approx(metrics["threshold"], rel=1e-6)
    for label, metric in {"TPR": "tpr", "TNR": "tnr", "image F1": "image_f1"}.items():
        assert own[0][label].text == number(metrics[metric])


def test_a_note_names_a_missing_checkpoint_or_image_and_the_rest_is_made(tmp_path: Path, finished: Finished) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.directory, run, ignore=shutil.ignore_patterns("checkpoints", "heatmaps", "truth"))
    report = build_report(Options([run], tmp_path / "a", "one", False, []))
    assert any("best.ckpt is missing" in note for note in report.notes)
    assert (tmp_path / "a/tables/results.md").is_file()
    shutil.copytree(finished.directory / "checkpoints", run / "checkpoints")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(finished.root), str(tmp_path / "gone")))
    report = build_report(Options([run], tmp_path / "b", "one", False, []))
    assert any("gone is not a folder" in note for note in report.notes)
    (run / "checkpoints/best.ckpt").write_bytes(b"damaged")
    report = build_report(Options([run], tmp_path / "c", "one", False, []))
    assert any("best.ckpt is damaged" in note for note in report.notes)

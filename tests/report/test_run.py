"""The state of a run directory and its records."""

import fcntl
import json
import math
from pathlib import Path
from typing import Any

import pytest
from fake_runs import fake_run

from anomaly_lab.report.read.collect import collect
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import FINISHED, read
from anomaly_lab.report.tables import results


def test_every_state_is_recognised_and_no_run_is_dropped(tmp_path: Path) -> None:
    fake_run(tmp_path / "finished")
    for name in ("stopped", "running", "failed"):
        (fake_run(tmp_path / name) / "metrics.json").unlink()
    (tmp_path / "stopped/metrics.csv").write_text("step,train/loss\n20,0.5\n40,0.4\n")
    (tmp_path / "failed/error.txt").write_text("the disk is full: free some space\n")
    (fake_run(tmp_path / "damaged") / "metrics.json").write_text("{")
    (fake_run(tmp_path / "poor") / "metrics.json").write_text('{"data": "mvtec"}')
    (fake_run(tmp_path / "garbled") / "config.yaml").write_text("a: [")
    hydra = tmp_path / "early/.hydra"
    hydra.mkdir(parents=True)
    (hydra / "hydra.yaml").write_text("hydra:\n  job:\n    name: train\n    chdir: null\n")
    (hydra / "overrides.yaml").write_text("- +category=nowhere\n")
    with (tmp_path / "running/.claimed").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        runs = {run.path.name: run for run in collect([tmp_path])}
    expected = {
        "finished": FINISHED, "stopped": "stopped", "running": "running", "failed": "failed", "damaged": "unreadable",
        "poor": "unreadable", "garbled": "unreadable", "early": "failed",
    }  # fmt: skip
    assert {name: run.state for name, run in runs.items()} == expected
    assert "step 40" in runs["stopped"].note and f"resume={tmp_path}/stopped" in runs["stopped"].note
    assert runs["failed"].note == "the disk is full: free some space"
    assert "lacks category, objective, seed" in runs["poor"].note
    assert runs["early"].overrides == ("+category=nowhere",)
    (table,) = results.left_out(Records(list(runs.values()), [], []))
    assert {row[0].text for row in table.rows} == set(expected) - {"finished"}


def test_numbers_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", image_auroc=math.nan)
    assert collect([tmp_path])[0].metrics["image_auroc"] is None


def test_a_missing_or_damaged_record_is_empty(tmp_path: Path) -> None:
    run = read(fake_run(tmp_path / "a"))
    assert (run.levels, run.environment, run.commit) == ([], {}, "unknown")
    assert [row["predicted"] for row in run.scores] == ["0", "1", "1", "0"]
    (tmp_path / "a/environment.json").write_text("{")
    assert read(tmp_path / "a").environment == {}


def test_the_commit_says_whether_the_code_was_changed(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    for dirty, expected in ((False, "01234567"), (True, "01234567 (changed)")):
        record = {"git": {"commit": "0123456789abcdef", "dirty": dirty}}
        (tmp_path / "a/environment.json").write_text(json.dumps(record))
        assert read(tmp_path / "a").commit == expected


def test_minutes_are_those_of_the_training(tmp_path: Path) -> None:
    assert read(fake_run(tmp_path / "a", train_seconds=90.0)).minutes == 1.5
    assert read(fake_run(tmp_path / "b", train_seconds=None)).minutes is None


def test_an_evaluation_reads_the_run_that_trained_its_network_once(tmp_path: Path) -> None:
    trained = fake_run(tmp_path / "trained")
    run = read(fake_run(tmp_path / "again", source_run=str(trained)))
    assert run.source_run is not None and run.source_run.path == trained
    assert run.source_run is run.source_run
    assert read(trained).source_run is None


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "path,label\nx\n", "path,label\nx,1,2\n", "path,label\n\udcff,1\n"])
def test_damaged_scores_make_a_run_unreadable(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.json").write_text('{"data": "mvtec", "category": "a", "objective": "l2", "seed": 0}')
    (tmp_path / "scores.csv").write_text(content, errors="surrogateescape")
    found = read(tmp_path)
    assert (found.state, found.note) == ("unreadable", "scores.csv is damaged")


@pytest.mark.parametrize(
    ("name", "value"),
    [("lam", "much"), ("min_area", "x"), ("image_auroc", "x"), ("seed", [1]), ("train_seconds", "x"), ("source_run", [3]),
     ("model", ["tiny"]), ("proxy_ap", "x"), ("steps", {}), ("category", {"name": "carpet"})],
)  # fmt: skip
def test_a_value_of_another_kind_makes_a_run_unreadable(tmp_path: Path, name: str, value: Any) -> None:
    found = read(fake_run(tmp_path / "a"))
    assert found.state == "finished"
    (tmp_path / "a/metrics.json").write_text(json.dumps({**found.metrics, name: value}))
    found = read(tmp_path / "a")
    assert (found.state, found.note) == ("unreadable", f"metrics.json is damaged ({name} is {value})")


def test_scores_without_one_of_their_columns_make_a_run_unreadable(tmp_path: Path) -> None:
    (fake_run(tmp_path / "run") / "scores.csv").write_text("path,label,score,predicted\na.png,0,1,0\n")
    assert read(tmp_path / "run").note == "scores.csv is damaged"


def test_records_may_have_passed_through_another_editor(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    for name in ("metrics.json", "scores.csv", "config.yaml"):
        path = run / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(run).state == "finished"
    assert read(run).scores

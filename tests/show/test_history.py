"""metrics.csv: the history of a run, which a resumed run continues."""

import csv
from pathlib import Path

import pytest
from conftest import Finished

from anomaly_lab.errors import UserError
from anomaly_lab.show.history import History


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_one_row_per_step_and_one_column_per_value(tmp_path: Path) -> None:
    history = History(tmp_path / "metrics.csv")
    history.log_metrics({"train/loss": 0.5}, 20)
    history.log_metrics({"train/loss": 0.1}, 3)
    history.log_metrics({"val/proxy_ap": 1e-17}, 3)
    history.save()
    assert rows_of(tmp_path / "metrics.csv") == [
        {"step": "3", "train/loss": "0.1", "val/proxy_ap": "1e-17"},
        {"step": "20", "train/loss": "0.5", "val/proxy_ap": ""},
    ]


def test_a_new_logger_goes_on_where_the_file_ends(tmp_path: Path) -> None:
    first = History(tmp_path / "metrics.csv")
    first.log_metrics({"train/loss": 0.1 + 0.2}, 0)
    first.finalize("success")
    second = History(tmp_path / "metrics.csv")
    second.log_metrics({"val/proxy_ap": 0.25}, 5)
    second.save()
    assert rows_of(tmp_path / "metrics.csv") == [
        {"step": "0", "train/loss": repr(0.1 + 0.2), "val/proxy_ap": ""},
        {"step": "5", "train/loss": "", "val/proxy_ap": "0.25"},
    ]


def test_what_was_logged_after_a_checkpoint_is_forgotten(tmp_path: Path) -> None:
    history = History(tmp_path / "metrics.csv")
    for step in (1, 5, 6):
        history.log_metrics({"train/loss": step}, step)
    history.forget_after(5)
    history.save()
    assert [row["step"] for row in rows_of(tmp_path / "metrics.csv")] == ["1", "5"]
    history.forget_after(-1)
    assert history.rows == {}


def test_a_run_s_history_holds_its_training_validation_and_test(finished: Finished) -> None:
    rows = rows_of(finished.directory / "metrics.csv")
    losses = [row for row in rows if row["train/loss"]]
    validations = [row for row in rows if row["val/proxy_ap"]]
    assert [int(row["step"]) for row in losses] == list(range(10))
    assert [int(row["step"]) for row in validations] == [4, 9], "one per epoch"
    for name in ("val/relative_error", "val/restoration_error", "val/proxy_auroc"):
        assert all(float(row[name]) >= 0 for row in validations)
    assert float(rows[-1]["test/image_auroc"]) >= 0


@pytest.mark.parametrize("content", [b"\xff\x00", b"a,b\n1,2\n", b"step,a\nx,2\n"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"metrics.csv is damaged \(.*\): restore it from a copy, or remove it"):
        History(tmp_path / "metrics.csv")


def test_a_byte_order_mark_belongs_to_no_column(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(b"\xef\xbb\xbfstep,a\r\n3,2\r\n")
    assert History(tmp_path / "metrics.csv").rows == {3: {"step": "3", "a": "2"}}

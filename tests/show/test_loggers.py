"""metrics.csv in each run, W&B and TensorBoard on request: one run per job, ended once."""

import csv
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import TINY, Ended, sentence, stripes

from anomaly_lab.show import loggers

FEW = ["trainer.max_epochs=1", "data.steps_per_epoch=2", "trainer.log_every_n_steps=1"]


@pytest.fixture
def ended_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What W&B knew of each run when it was finished."""
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    runs: list[dict[str, Any]] = []
    finish = wandb.finish

    def recording(*args: Any, **kwargs: Any) -> None:
        if wandb.run is not None:
            runs.append({"id": wandb.run.id, "name": wandb.run.name, "config": dict(wandb.run.config), "dir": wandb.run.dir})
            runs[-1]["summary"] = dict(wandb.run.summary)
        finish(*args, **kwargs)

    monkeypatch.setattr(wandb, "finish", recording)
    yield runs
    finish()
    wandb.teardown()


def test_each_job_of_a_multirun_is_a_wandb_run_of_its_own(
    train: Callable[..., Ended], data_root: Path, ended_runs: list[dict[str, Any]]
) -> None:
    sweep = train("-m", *stripes(data_root), *FEW, "logger=wandb", "objective.lam=0.3,0.9").directory
    jobs = sorted(path for path in sweep.iterdir() if path.is_dir())
    assert [len(list((job / "wandb").glob("offline-run-*"))) for job in jobs] == [1, 1], "below the run directory"
    assert len({run["id"] for run in ended_runs}) == len(ended_runs) == 2, "each is finished once"
    for job, run, lam in zip(jobs, ended_runs, (0.3, 0.9), strict=True):
        assert (job / "metrics.json").is_file()
        assert Path(run["dir"]).is_relative_to(job)
        assert f"objective.lam={lam}" in run["name"]
        assert run["config"]["objective"]["lam"] == lam
        assert run["config"]["category"]["name"] == "stripes", "the whole configuration is there"
        assert run["config"]["seed"] == 0
        assert run["config"]["lam"] == lam
        assert (run["config"]["category_name"], run["config"]["study"]) == ("stripes", sweep.name)
        assert {"train/loss", "val/proxy_ap", "test/image_auroc", "test/pixel_auroc"} <= set(run["summary"])
        pictures = {path.name.split("_")[0] for path in (job / "wandb").rglob("*.png")}
        assert {"training", "detections", "extremes", "history"} <= pictures


def records(run: Path) -> Iterator[Any]:
    """The records of an offline W&B run, read from its file.

    The file has a header of 7 bytes, then blocks of 32 KiB, as in LevelDB's logs. Each piece of a block has a checksum
    (4 bytes), a length (2 bytes) and a kind (1 byte; 1: whole, 2: first, 3: middle, 4: last).
    """
    import wandb
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # W&B's own process writes the rest when it ends
    (path,) = run.glob("*.wandb")
    data, place, whole = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        if kind == 0:  # padding
            place += left
            continue
        whole = (b"" if kind in (1, 2) else whole) + data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record


def items(updates: Any) -> dict[str, Any]:
    """Keys and values of a record; a nested key makes mappings."""
    found: dict[str, Any] = {}
    for item in updates:
        *parents, last = item.nested_key or [item.key]
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = json.loads(item.value_json)
    return found


def test_an_offline_run_holds_group_tags_columns_summary_panels_and_the_table(
    train: Callable[..., Ended], data_root: Path, ended_runs: list[dict[str, Any]]
) -> None:
    """These are the files that `wandb sync` would send."""
    some = ["trainer.max_epochs=2", "data.steps_per_epoch=2"]
    own = ["logger.wandb.group=first study", "logger.wandb.tags=[mine]"]
    run = train(*stripes(data_root), *some, "logger=wandb", *own, "objective.lam=0.7").directory
    (offline,) = (run / "wandb").glob("offline-run-*")
    found = list(records(offline))
    (begun,) = (record.run for record in found if record.HasField("run"))
    assert begun.run_group == "first study"
    assert set(begun.tags) == {"mvtec", "stripes", "restore", "first study", "mine"}
    assert begun.run_id == (run / "wandb_id").read_text()
    config: dict[str, Any] = {}
    for record in found:
        if record.HasField("config"):
            config |= items(record.config.update)
    assert (config["lam"], config["category_name"], config["study"]) == (0.7, "stripes", "first study")
    assert config["category"]["name"] == "stripes"
    history = [items(record.history.item) for record in found if record.HasField("history")]
    for kind in ("validation", "test"):
        panels = [row for row in history if f"panels/{kind}" in row]
        assert [row["trainer/global_step"] for row in panels] == [2, 4], "after each epoch"
        assert all((offline / "files" / row[f"panels/{kind}"]["filenames"][0]).is_file() for row in panels)
    metrics = json.loads((run / "metrics.json").read_text())
    summary: dict[str, Any] = {}
    for record in found:
        if record.HasField("summary"):
            summary |= items(record.summary.update)
    assert {k: summary[k] for k in metrics if metrics[k] is not None} == {k: v for k, v in metrics.items() if v is not None}
    (table,) = (row["test/images"] for row in history if "test/images" in row)
    content = json.loads((offline / "files" / table["path"]).read_text())
    with (run / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert content["columns"] == list(rows[0])
    assert [[str(value) for value in row] for row in content["data"]] == [list(row.values()) for row in rows]


def test_a_resumed_run_goes_on_in_the_wandb_run_that_it_began(
    train: Callable[..., Ended], data_root: Path, ended_runs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from anomaly_lab.training.callbacks import StopOnDivergence

    def crash(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step == 4:
            raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(StopOnDivergence, "on_train_batch_end", crash)
        some = ["trainer.max_epochs=2", "data.steps_per_epoch=2", "logger=wandb"]
        (run,) = train(*stripes(data_root), *some).directories
    assert train(f"resume={run}").status == 0
    first, second = sorted((run / "wandb").glob("offline-run-*"))
    ids = [record.run.run_id for part in (first, second) for record in records(part) if record.HasField("run")]
    assert ids == [(run / "wandb_id").read_text()] * 2
    assert [entry["id"] for entry in ended_runs] == ids


def test_wandb_is_finished_when_a_run_fails_too(
    train: Callable[..., Ended], data_root: Path, ended_runs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next job of a multirun would continue its W&B run."""
    import wandb

    from anomaly_lab.module import AnomalyModule

    def broken(self: AnomalyModule, batch: Any, index: int) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(AnomalyModule, "validation_step", broken)
    assert train(*stripes(data_root), *FEW, "logger=wandb").status == 1
    assert len(ended_runs) == 1
    assert wandb.run is None


def test_tensorboard_gets_scalars_and_pictures(train: Callable[..., Ended], data_root: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(*stripes(data_root), *FEW, "logger=tensorboard").directory
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "val/proxy_ap", "test/image_auroc"} <= set(tags["scalars"])
    assert {"training_pairs", "detections", "extremes", "history", "panels/validation", "panels/test"} <= set(tags["images"])
    assert "test/images/text_summary" in tags["tensors"]
    text = events.Tensors("test/images/text_summary")[0].tensor_proto.string_val[0].decode()
    with (run / "scores.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert f"| {row['path']} | {row['defect']} | {row['label']} | {row['score']} |" in text
    hparams = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    given = HParamsPluginData.FromString(hparams).session_start_info.hparams
    assert (given["lam"].number_value, given["category_name"].string_value) == (0.9, "stripes")
    plain = train(*stripes(data_root), *FEW).directory
    for name in ("metrics.csv", "scores.csv"):
        assert (plain / name).read_bytes() == (run / name).read_bytes(), "panels do not change the results"


def test_an_unknown_logger_s_name_lists_what_there_is(train: Callable[..., Ended]) -> None:
    ended = train("+category=carpet", "logger=nonsense", *TINY)
    assert ended.status == 1
    assert all(name in ended.err for name in ("csv", "tensorboard", "wandb"))


def test_wandb_is_offline_without_a_key_or_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def connect(address: tuple[str, int], timeout: float) -> SimpleNamespace:
        asked.append(address)
        return SimpleNamespace(close=lambda: None)

    def no_network(address: tuple[str, int], timeout: float) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.create_connection", connect)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert loggers.wandb_offline()
    (tmp_path / ".netrc").write_text("machine example.org login me password x\n")
    assert loggers.wandb_offline()
    assert not asked, "without a key there is no connection"
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password x\n")
    assert not loggers.wandb_offline()
    (tmp_path / ".netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert not loggers.wandb_offline()
    assert asked == [("api.wandb.ai", 443)] * 2
    monkeypatch.setattr("socket.create_connection", no_network)
    assert loggers.wandb_offline()


def test_without_a_home_wandb_is_refused_before_the_training(
    train: Callable[..., Ended], data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does without HOME and an entry for the user
    said = sentence(train(*stripes(data_root), *FEW, "logger=wandb"))
    assert "logger=wandb needs a home directory, and there is none: set HOME" in said

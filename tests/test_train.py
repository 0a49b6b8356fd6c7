"""The command train from end to end: the files of a run, the answers to mistakes, and interruptions."""

import csv
import errno
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import (
    TINY,
    WHOLE,
    Ended,
    Finished,
    assert_same_training,
    metrics_of,
    scores_of,
    sentence,
    stripes,
    write_category,
)
from omegaconf import OmegaConf
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_lab.module import AnomalyModule
from anomaly_lab.results import Results
from anomaly_lab.runs.command_line import CONF
from anomaly_lab.training.callbacks import StopOnDivergence

Train = Callable[..., Ended]

UNDEFINED_WITHOUT_IMAGES = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr", "tnr", "tpr_tnr_mean")
METRICS = [
    "data", "category", "objective", "lam", "corruption", "model", "seed", "image_size", "steps", "train_seconds", "device",
    "image_auroc", "pixel_auroc", "pixel_ap", "aupro", "image_f1", "pixel_f1", "tpr", "tnr", "tpr_tnr_mean",
    "threshold", "min_area", "score_pooling", "n_train", "n_validation", "n_test", "n_unmasked",
]  # fmt: skip


def heatmaps_of(run: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The saved heatmaps: "<defect>/<stem>" → (heatmap, truth)."""
    found = {}
    for path in sorted((run / "heatmaps").rglob("*.npy")):
        name = path.relative_to(run / "heatmaps").with_suffix("").as_posix()
        truth = cv2.imread(str(run / "truth" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        found[name] = (np.load(path), truth)
    return found


# ---- the files of a run


def test_a_run_writes_every_file_of_the_contract(finished: Finished) -> None:
    names = {path.relative_to(finished.directory).as_posix() for path in finished.directory.rglob("*") if path.is_file()}
    expected = {"metrics.json", "config.yaml", "environment.json", "metrics.csv", "scores.csv", "train.log"}
    expected |= {"checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    expected |= {f"figures/{name}.png" for name in ("detections", "extremes", "history", "training_pairs")}
    assert expected <= names
    images = [f"{kind}/{i:03d}" for kind, count in (("good", 3), ("hole", 2), ("stain", 2)) for i in range(count)]
    assert {name for name in names if name.startswith("heatmaps/")} == {f"heatmaps/{image}.npy" for image in images}
    assert {name for name in names if name.startswith("truth/")} == {f"truth/{image}.png" for image in images}
    assert not [name for name in names if ".part" in name], "no incomplete file is left"


def test_metrics_hold_every_key_and_their_protocol(finished: Finished) -> None:
    metrics = metrics_of(finished.directory)
    assert set(METRICS) <= set(metrics)
    assert not [key for key, value in metrics.items() if isinstance(value, dict | list)], "one flat object"
    assert (metrics["data"], metrics["category"], metrics["steps"]) == ("mvtec", "stripes", 10)
    assert (metrics["n_train"], metrics["n_validation"], metrics["n_test"]) == (4, 2, 7)
    assert metrics["image_size"] == 64
    assert metrics["train_seconds"] > 0


def test_scores_have_one_row_per_test_image(finished: Finished) -> None:
    rows = scores_of(finished.directory)
    assert {"path", "defect", "label", "score", "predicted"} <= set(rows[0])
    folder = finished.root / "stripes"
    stored = {path.relative_to(folder).as_posix() for path in (folder / "test").rglob("*.png")}
    assert {row["path"] for row in rows} == stored
    assert len(rows) == 7
    for row in rows:
        assert row["defect"] == row["path"].split("/")[1]
        assert row["label"] == str(int(row["defect"] != "good"))
        assert row["predicted"] in ("0", "1")


def test_image_metrics_follow_from_scores_csv(finished: Finished) -> None:
    metrics, rows = metrics_of(finished.directory), scores_of(finished.directory)
    label, score, predicted = (np.array([float(row[name]) for row in rows]) for name in ("label", "score", "predicted"))
    assert metrics["image_auroc"] == pytest.approx(roc_auc_score(label, score))
    assert metrics["tpr"] == pytest.approx(predicted[label == 1].mean())
    assert metrics["tnr"] == pytest.approx(1 - predicted[label == 0].mean())
    assert metrics["tpr_tnr_mean"] == pytest.approx((metrics["tpr"] + metrics["tnr"]) / 2)


def test_pixel_metrics_scores_and_decisions_follow_from_the_heatmaps(finished: Finished) -> None:
    metrics, heatmaps = metrics_of(finished.directory), heatmaps_of(finished.directory)
    heatmap = np.concatenate([h.ravel() for h, _ in heatmaps.values()])
    truth = np.concatenate([t.ravel() for _, t in heatmaps.values()])
    assert set(np.unique(truth)) == {0, 255}
    assert all(h.dtype == np.float32 and h.shape == t.shape == (64, 64) for h, t in heatmaps.values())
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(truth > 0, heatmap), abs=1e-6)
    assert metrics["pixel_ap"] == pytest.approx(average_precision_score(truth > 0, heatmap), abs=1e-6)
    for row in scores_of(finished.directory):
        h, _ = heatmaps[row["path"].removeprefix("test/").removesuffix(".png")]
        assert float(row["score"]) == pytest.approx(h.max()), "score_pooling is max"
        _, _, stats, _ = cv2.connectedComponentsWithStats((h > metrics["threshold"]).astype(np.uint8), connectivity=8)
        largest = stats[1:, cv2.CC_STAT_AREA].max(initial=0)
        assert int(row["predicted"]) == int(largest >= metrics["min_area"])


def test_config_is_resolved_and_environment_names_versions_and_machine(finished: Finished) -> None:
    text = (finished.directory / "config.yaml").read_text()
    assert "${" not in text
    config = OmegaConf.load(finished.directory / "config.yaml")
    assert config.category.name == "stripes"
    assert config.data.root == str(finished.root)
    environment = json.loads((finished.directory / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert {"date", "command", "git", "host", "python", "cores"} <= set(environment)


def test_the_checkpoint_is_data_and_reproduces_the_saved_heatmaps(finished: Finished) -> None:
    """It holds network, preprocessing, scoring and threshold, and it loads without code."""
    path = finished.directory / "checkpoints/best.ckpt"
    stored = torch.load(path, map_location="cpu", weights_only=True)
    assert float(stored["state_dict"]["threshold"]) == metrics_of(finished.directory)["threshold"]
    assert stored["global_step"] == metrics_of(finished.directory)["steps"]
    module = AnomalyModule.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    from anomaly_lab.data.folder import scan
    from anomaly_lab.scored import score

    samples = scan(finished.root, "stripes").test
    saved = heatmaps_of(finished.directory)
    for scored in score(module, samples):
        heatmap, sample = scored.heatmap, scored.sample
        np.testing.assert_allclose(heatmap, saved[f"{sample.defect}/{sample.path.stem}"][0], rtol=1e-4, atol=1e-7)


def test_the_screen_shows_data_sizes_course_metrics_and_places(finished: Finished) -> None:
    text = re.sub(r"\s+", "", finished.out)
    for part in ("mvtec(realimages)", "4train,2validation", "3normaland4defective", "64px", "10steps"):
        assert part in text
    assert "imageAUROC" in text
    assert "flatgrey" in text
    assert f"{finished.directory.name}/figures" in text
    assert f"{finished.directory.name}/checkpoints/best.ckpt" in text
    assert len(re.findall(r"^step +\d+ .*proxy AP", finished.out, re.M)) == 2, "one line per validation"


def test_the_run_directory_carries_the_overrides_in_its_name(finished: Finished) -> None:
    assert re.match(r"\d{4}-\d\d-\d\d_.*category=custom,category.name=stripes,data=mvtec", finished.directory.name)
    assert "data.root" not in finished.directory.name


def test_a_second_run_of_the_same_command_has_another_directory_and_equal_results(
    train: Train, data_root: Path, finished: Finished
) -> None:
    second = train(*stripes(data_root), *WHOLE).directory
    assert second.name.split("_", 2)[2] == finished.directory.name.split("_", 2)[2]
    assert second.name != finished.directory.name
    assert scores_of(second) == scores_of(finished.directory), "a run is deterministic"


# ---- every objective, every corruption


def choices(group: str, *but: str) -> list[str]:
    return sorted({path.stem for path in (CONF / group).glob("*.yaml")} - {"base", *but})


OBJECTIVES = choices(
    "objective", "none", "own", "patch_reconstruction"
)  # of the first system; the others: test_second_system.py
PAIRS = list(zip_longest(OBJECTIVES, choices("corruption", "proxy"), fillvalue=""))  # each at least once, in few runs


@pytest.mark.parametrize(("objective", "corruption"), PAIRS)
def test_every_objective_and_every_corruption_trains(train: Train, data_root: Path, objective: str, corruption: str) -> None:
    objective, corruption = objective or "restore", corruption or "elastic"
    few = ["trainer.max_epochs=1", "data.steps_per_epoch=2"]
    metrics = metrics_of(train(*stripes(data_root), f"objective={objective}", f"corruption={corruption}", *few).directory)
    assert (metrics["objective"], metrics["corruption"], metrics["steps"]) == (objective, corruption, 2)
    assert 0 <= metrics["pixel_auroc"] <= 1


def test_the_embedded_data_set_is_the_default(train: Train) -> None:
    ended = train("+category=carpet", *TINY)
    metrics = metrics_of(ended.directory)
    assert (metrics["data"], metrics["category"]) == ("synthetic", "carpet")
    assert metrics["image_auroc"] is not None
    assert metrics["aupro"] is not None
    assert "embedded, synthetic" in ended.out, "nobody may take the data for real images"


# ---- unusual data


@pytest.mark.parametrize(
    ("options", "absent", "reason"),
    [
        ({"defects": ()}, {"image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr", "tpr_tnr_mean"}, "a defective one"),
        ({"good": 0}, {"image_auroc", "tnr", "tpr_tnr_mean"}, "a normal one"),
        ({"masks": False}, {"pixel_auroc", "pixel_ap", "aupro", "pixel_f1"}, "ground-truth masks"),
        ({"good": 0, "defects": ()}, {*UNDEFINED_WITHOUT_IMAGES}, "there are none"),
    ],
    ids=["only_normal", "only_defective", "no_masks", "no_test_images"],
)
def test_a_metric_that_cannot_be_computed_is_null_and_the_log_says_why(
    train: Train, tmp_path: Path, options: dict[str, Any], absent: set[str], reason: str
) -> None:
    write_category(tmp_path / "data/stripes", **options)
    run = train(*stripes(tmp_path / "data")).directory
    metrics = metrics_of(run)
    assert {key for key in METRICS if metrics[key] is None} - {"image_f1", "pixel_f1"} == absent - {"image_f1", "pixel_f1"}
    assert set(METRICS) <= set(metrics)
    log = (run / "train.log").read_text()
    for name in absent:
        assert re.search(rf"\b{name} cannot be computed: .*{reason}", log), name


def test_images_of_different_sizes_are_scored_at_their_own_size(train: Train, tmp_path: Path) -> None:
    write_category(tmp_path / "data/stripes", sizes=[(64, 64), (48, 80), (90, 50)])
    run = train(*stripes(tmp_path / "data"), "test.save_heatmaps=true").directory
    heatmaps = heatmaps_of(run)
    assert {h.shape for h, _ in heatmaps.values()} == {(64, 64), (48, 80), (90, 50)}
    assert all(h.shape == t.shape for h, t in heatmaps.values())
    assert metrics_of(run)["pixel_auroc"] is not None


# ---- mistakes: one sentence, exit status 1, no stack trace


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], r"no category: add \+category=carpet"),
        (["+category=custom"], r"no category: .*category.name=FOLDER"),
        (["objective.lam=1.5"], r"objective.lam is 1.5: .*\[0, 1\]"),
        (["objective.lam=-0.1"], r"objective.lam is -0.1"),
        (["objective.lam=much"], r"objective.lam is much"),
        (["image_size=16"], r"image_size is 16: .*\[32, 65536\]"),
        (["image_size=large"], r"image_size is large: .*auto"),
        (["data.train_size=8"], r"data.train_size is 8"),
        (["data.rotation=200"], r"data.rotation is 200.*\[0, 180\], in degrees"),
        (["data.rotation=some"], r"data.rotation is some.*auto"),
        (["data.rotation=5", "data.train_size=0"], r"data.rotation turns crops"),
        (["batch_size=0"], r"batch_size is 0"),
        (["data.validation_share=1"], r"data.validation_share is 1"),
        (["trainer.devices=2"], r"trainer.devices is 2: .* one run trains on one device; several runs use several: -m"),
        (["checkpoint_minutes=-1"], r"checkpoint_minutes is -1: it must be a number of at least 0"),
        (["data.align=level"], r"data.align is level: it must be auto, true or false"),
        (["data.contrast=vivid"], r"data.contrast is vivid: .*none, category, image"),
        (["objective.norm=l3"], r"objective.norm is l3"),
        (["scoring.evidence=cubic"], r"scoring.evidence is cubic"),
        (["scoring.pooling=min"], r"scoring.pooling is min"),
        (["scoring.tile=small"], r"scoring.tile is small"),
        (["corruption.size=[0.9,0.1]"], r"corruption: size is \[0.9, 0.1\]: it must be a pair"),
        (["corruption.size=0.5"], r"corruption: size is 0.5: it must be a pair"),
        (["corruption=proxy"], r"corruption=proxy is kept for the validation"),
        (["category.augmentation=null"], r"category.augmentation is null: write a list"),
        (["category.min_area=1000000"], r"category.min_area is 1000000: .*smaller"),
        (["optimizer.lr=-1"], r"optimizer.lr is -1: it must be a number of at least 0"),
        (["optimizer.warmup=1"], r"optimizer.warmup is 1: .*\[0, 0.99\]"),
        (["seed=some"], r"seed is some: it must be a whole number"),
        (["data.train_size=null"], r"data.train_size is null: it must be 0 or auto or a whole number of at least 32"),
        (["data.validation_share=some"], r"data.validation_share is some: .*above 0 and below 1"),
        (["trainer.max_time=10"], r"trainer.max_time is 10: write DD:HH:MM:SS"),
        (["trainer.max_epochs=some"], r"trainer.max_epochs is some"),
        (["trainer.devices=auto"], r"trainer.devices is auto: it must be a whole number"),
        (["+trainer.limit_train_batches=0.5"], r"trainer.limit_train_batches can't be used here: data.steps_per_epoch="),
        (["+trainer.limit_train_batches=1"], r"trainer.limit_train_batches can't be used here: data.steps_per_epoch="),
        (["+trainer.limit_test_batches=1"], r"trainer.limit_test_batches can't be used here: metrics are of all"),
        (["+trainer.fast_dev_run=true"], r"trainer.fast_dev_run can't be used here: debug=default"),
        (["data.cache.gib=inf"], r"data.cache.gib is inf: it must be a number of at least 0, in GiB"),
        (["data.cache.gib=10GB"], r"data.cache.gib is 10GB: it must be a number of at least 0, in GiB"),
        (["callbacks.progressive_size.sizes=[[0.1,1]]"], r"callbacks: progressive sizes .*shares start at 0"),
        (["category.name=12"], r"has no category 12: set category.name to one of stripes"),
        (["scoring.sigma=inf"], r"scoring.sigma is inf: it must be a number of at least 0"),
        (["trainer.log_every_n_steps=some"], r"trainer.log_every_n_steps is some: it must be null or a whole number"),
        (["+trainer.check_val_every_n_epoch=0"], r"trainer.check_val_every_n_epoch is 0"),
        (["+trainer.num_nodes=2"], r"trainer.num_nodes is 2: .* one run trains on one device"),
        (["+trainer.strategy=ddp"], r"trainer.strategy can't be used here: one run trains on one device"),
        (["callbacks.early_stopping.patience=some"], r"callbacks.early_stopping.patience is some"),
        (["optimizer=null"], r"optimizer is null: it must have the keys that conf/ gives it"),
        (["~corruption"], r"~corruption takes away an option that is needed"),
        (["test=3"], r"test is 3: it must have the keys"),
        (["data.cache=3"], r"data.cache is 3: it must have the keys"),
        (["test.save_heatmaps=some"], r"test.save_heatmaps is some: it must be true or false"),
        (["data.reader=null"], r"data.reader: None is no record with _target_"),
        (["data.reader._target_=os.getcwd"], r"data.reader: os.getcwd is not part of anomaly_lab"),
        (["+metrics.mine=3"], r"metrics.mine: 3 is no record with _target_"),
        (["+metrics.mine._target_=mine.Best"], r"metrics.mine: mine.Best is not part of .*ANOMALY_LAB_EXTENSIONS=mine"),
        (["calibration=quantile", "calibration.q=some"], r"calibration.q is some: .*\(0, 1\]"),
        (["calibration=conformal", "calibration.alpha=null"], r"calibration.alpha is None: .*between 0 and 1"),
        (["trainer.accelerator=tpu"], r"trainer: .*torch_xla"),
        (["data.root=~nobody_of_this_name/x"], r"there is no such home directory: write the whole path, without ~"),
        (["data.root=circle"], r"a link leads in a circle|circle is not a folder"),
        (["model.width=wide"], r"model.width is wide: it must be a positive number"),
        (["model.width=0"], r"model.width is 0: it must be a positive number"),
        (["+model.depth=3"], r"unexpected keyword argument 'depth'"),
        (["data=mvtec"], r"data.root"),
        (["data=mvtec", "data.root=nowhere"], r"nowhere is not a folder: set data.root"),
        (["resume=nothing_here"], r"nothing_here holds no run to resume"),
        (["resume=file"], r"file holds no run to resume"),
        (["hydra.run.dir=file/run"], r"file/run cannot be written to \(Not a directory\): .*hydra.run.dir"),
        (["hydra.sweep.dir=file/run", "-m"], r"file/run cannot be written to .*hydra.sweep.dir="),
        (["+sweep=lambda"], r"\+sweep=lambda is a grid of several runs: add -m"),
        (["calibration.alpha=0.1"], r"calibration.alpha belongs to a rule: name that too"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_one_sentence(
    train: Train, data_root: Path, tmp_path: Path, overrides: list[str], said: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    first = overrides[0] if overrides else "+category="
    needed = [] if first.startswith(("+category=", "resume=")) else stripes(data_root)
    if first.startswith("data="):
        needed = ["+category=carpet"]
    assert re.search(said, sentence(train(*needed, *overrides)))
    assert not list(tmp_path.rglob("metrics.json"))
    assert not (tmp_path / "nothing_here").exists(), "a mistake leaves no folder behind"


def test_a_category_without_training_images_is_named(train: Train, tmp_path: Path) -> None:
    write_category(tmp_path / "data/stripes", train=0)
    assert re.search(r"stripes/train/good is missing", sentence(train(*stripes(tmp_path / "data"))))


@pytest.mark.parametrize(
    ("override", "known"), [("+category=nonsense", ["carpet", "zipper"]), ("objective=nonsense", ["amplify", "restore"])]
)
def test_for_an_unknown_choice_hydra_lists_the_known_ones(train: Train, override: str, known: list[str]) -> None:
    ended = train(override)
    assert ended.status == 1
    assert "Traceback" not in ended.err
    assert "nonsense" in ended.err
    assert all(re.search(rf"^\s+{name}$", ended.err, re.M) for name in known)


def test_an_existing_run_is_not_changed(train: Train, finished: Finished) -> None:
    before = {path: path.read_bytes() for path in finished.directory.rglob("*") if path.is_file()}
    command = [*stripes(finished.root), *WHOLE, f"hydra.run.dir={finished.directory}"]
    said = sentence(train(*command, "seed=1", "objective.lam=0.25"))
    assert f"{finished.directory} holds a run already, and another: " in said
    assert "seed is 0 there, not 1" in said
    assert "objective.lam is 0.9 there, not 0.25" in said
    assert "holds a run already, which has finished" in sentence(train(*command))
    assert "has finished already" in sentence(train(f"resume={finished.directory}"))
    assert {path: path.read_bytes() for path in finished.directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("epochs", [1, 2])
def test_divergence_ends_the_run_names_the_step_and_keeps_the_last_good_checkpoint(
    train: Train, data_root: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """The loss becomes NaN in the second step of the last epoch. An epoch has 5 steps."""
    step, plain = 5 * (epochs - 1) + 1, AnomalyModule.training_step

    def diverging(self: AnomalyModule, batch: Any, index: int) -> torch.Tensor:
        return plain(self, batch, index) * (math.nan if self.global_step == step else 1)

    monkeypatch.setattr(AnomalyModule, "training_step", diverging)
    ended = train(*stripes(data_root))
    said = sentence(ended)
    assert re.search(rf"the loss is nan at step {step + 1}: training has diverged", said)
    (run,) = ended.directories
    assert not (run / "metrics.json").exists()
    assert ("last good checkpoint" in said) == (epochs == 2)
    assert (run / "checkpoints/last.ckpt").is_file() == (epochs == 2)
    if epochs == 2:
        kept = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
        assert kept["global_step"] == 5
        assert all(
            torch.isfinite(value).all()
            for name, value in kept["state_dict"].items()
            if name not in ("threshold", "relative_error")
        )


@pytest.mark.parametrize("parts", ["~logger", "~callbacks"])
def test_a_run_needs_no_part_that_adds_something(train: Train, data_root: Path, parts: str) -> None:
    assert (train(*stripes(data_root), parts).directory / "metrics.json").is_file()


def test_an_absurd_learning_rate_ends_in_a_sentence_too(train: Train, data_root: Path) -> None:
    """The loss of the last step is finite, so only the validation shows that the weights are useless."""
    said = sentence(train(*stripes(data_root), "optimizer.lr=1e18", "data.steps_per_epoch=1", "optimizer.warmup=0"))
    assert re.search(r"the .* is (nan|inf) at step \d+: training has diverged, try a smaller optimizer.lr", said)


def test_a_full_disk_while_checkpointing_keeps_the_previous_checkpoint(
    train: Train, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = torch.save

    def full(record: Any, path: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(record, dict) and record.get("global_step", 0) > 5:
            Path(path).write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(record, path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        ended = train(*stripes(data_root))
    assert re.search(r"\.ckpt could not be written .*No space left.*previous checkpoint is kept", sentence(ended))
    (run,) = ended.directories
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"last.ckpt"}, "no incomplete file is left"
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 5
    assert metrics_of(resumed(train, run))["steps"] == 10


def resumed(train: Train, run: Path) -> Path:
    """Resume `run`, which must end without an error."""
    ended = train(f"resume={run}")
    assert ended.status == 0, ended.err + ended.out
    assert ended.directories == [], "it continues in its directory"
    return run


def test_after_a_move_of_the_images_a_run_is_resumed_from_their_new_place(
    train: Train, data_root: Path, tmp_path: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step == 7:
            raise RuntimeError("pulled the plug")

    shutil.copytree(data_root, tmp_path / "before")
    with monkeypatch.context() as patch:
        patch.setattr(StopOnDivergence, "on_train_batch_end", crash)
        (run,) = train(*stripes(tmp_path / "before"), *WHOLE).directories
    (tmp_path / "before").rename(tmp_path / "after (new)")
    assert "is not a folder: set data.root" in sentence(train(f"resume={run}"))
    assert train(f"resume={run}", f"data.root={tmp_path}/after (new)").status == 0
    assert_same_training(run, finished.directory)
    assert OmegaConf.load(run / "config.yaml").data.root == f"{tmp_path}/after (new)"


def test_a_finished_run_is_trained_further_from_its_weights(train: Train, data_root: Path, finished: Finished) -> None:
    """With a learning rate of 0 the weights stay; with another they move on from there."""
    source = torch.load(finished.directory / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    said = sentence(train(f"resume={finished.directory}"))
    assert f"init={finished.directory}" in said
    run = train(*stripes(data_root), f"init={finished.directory}", "optimizer.lr=0", "trainer.max_epochs=1").directory
    kept = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    parameters = [name for name in source if name.startswith("network.") and not name.endswith(("mean", "var", "tracked"))]
    assert all(torch.equal(source[name], kept[name]) for name in parameters)
    assert metrics_of(run)["init"] == OmegaConf.load(run / "config.yaml").init == str(finished.directory)
    assert metrics_of(finished.directory)["init"] is None
    more = train(*stripes(data_root), f"init={finished.directory}", "seed=1").directory
    moved = torch.load(more / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert not any(torch.equal(source[name], moved[name]) for name in parameters if name.endswith("conv.weight"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.width=0.05"], "weights are of another network"),
        (["model=knn"], "model=knn has none"),
        (["init=nowhere"], "nowhere holds no run"),
    ],
)
def test_weights_that_can_t_be_trained_further_are_refused(
    train: Train, data_root: Path, finished: Finished, overrides: list[str], said: str
) -> None:
    assert said in sentence(train(*stripes(data_root), f"init={finished.directory}", *overrides))


def test_weights_that_saw_images_at_another_scale_get_a_warning(train: Train, data_root: Path, finished: Finished) -> None:
    run = train(*stripes(data_root), f"init={finished.directory}", "image_size=96", "trainer.max_epochs=1").directory
    assert "saw its images with scale 1.0, not 1.5" in (run / "train.log").read_text()


def test_a_full_disk_elsewhere_is_a_sentence_too(train: Train, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("anomaly_lab.show.history.write_text", full)
    assert re.search(r"metrics.csv could not be written \(No space left", sentence(train(*stripes(data_root))))


def test_the_stored_configuration_repeats_the_run(train: Train, finished: Finished) -> None:
    again = train("--config-dir", str(finished.directory), "--config-name", "config").directory
    assert again.parent.name == "runs"
    assert_same_training(again, finished.directory)
    a, b = (json.loads((run / "environment.json").read_text()) for run in (again, finished.directory))
    assert a["fingerprint"] == b["fingerprint"]


# ---- interruptions


@pytest.mark.parametrize(
    ("hook", "step", "kept"),
    [
        ("on_train_batch_start", 1, 2),  # in the first epoch, before there is any checkpoint
        ("on_train_batch_start", 7, 8),  # in the middle of the second
        ("on_train_batch_start", 4, 5),  # in an epoch's last step
        ("on_validation_batch_start", 5, 6),
        ("scored test image", 10, 10),  # when training is over
    ],
)
def test_a_run_that_ctrl_c_stopped_and_resume_continued_equals_an_uninterrupted_one(
    train: Train, data_root: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch, hook: str, step: int, kept: int
) -> None:
    asked = []

    def interrupt(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step == step and not asked:
            asked.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    def interrupt_test(self: Any, scored: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        if hook == "scored test image":
            patch.setattr(Results, "add", interrupt_test)
        else:
            patch.setattr(StopOnDivergence, hook, interrupt)
        ended = train(*stripes(data_root), *WHOLE)
    (run,) = ended.directories
    assert f"resume={run}" in sentence(ended), "the message names the command that continues"
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == kept
    assert not (run / "metrics.json").exists()
    assert_same_training(resumed(train, run), finished.directory)


def test_resume_takes_the_same_options_and_names_those_that_differ(
    train: Train, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["trainer.max_epochs=1", "data.steps_per_epoch=1"]

    def crash(self: Any, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(StopOnDivergence, "on_train_batch_end", crash)
        (run,) = train(*stripes(data_root), *few).directories
    assert (run / "error.txt").read_text().startswith("RuntimeError: pulled the plug (")
    said = sentence(train(f"resume={run}", *stripes(data_root), *few, "seed=1", "objective.lam=0.7"))
    assert "seed is 0 there, not 1" in said and "objective.lam is 0.9 there, not 0.7" in said
    (run / "error.txt").unlink()
    sentence(train(f"resume={run}", "seed=1"))
    assert not (run / "error.txt").exists(), "a refused command is no failure of the run"
    noted = {path.name: path.read_text() for path in (run / ".hydra").iterdir()}
    ended = train(
        f"resume={run}", *stripes(data_root), *few, "data.num_workers=1", "checkpoint_minutes=1", "logger=tensorboard"
    )
    assert ended.status == 0, ended.err
    assert metrics_of(run)["steps"] == 1
    stored = OmegaConf.load(run / "config.yaml")
    assert (stored.data.num_workers, stored.checkpoint_minutes) == (1, 1), "options that do not change results may differ"
    assert "${" not in (run / "config.yaml").read_text() and list(run.rglob("events.out.tfevents.*"))
    assert {path.name: path.read_text() for path in (run / ".hydra").iterdir()} == noted, "a report reads them"


def test_a_crash_is_resumed_from_the_last_epoch(
    train: Train, data_root: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power cut: rows of the history after the checkpoint are deleted and logged again."""

    def crash(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step == 8:
            raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(StopOnDivergence, "on_train_batch_end", crash)
        ended = train(*stripes(data_root), *WHOLE)
    (run,) = ended.directories
    assert ended.status == 1
    assert "\n6," in (run / "metrics.csv").read_text()
    assert_same_training(resumed(train, run), finished.directory)


def test_a_run_that_ended_before_its_first_checkpoint_starts_again(
    train: Train, data_root: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step == 3:
            raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(StopOnDivergence, "on_train_batch_end", crash)
        (run,) = train(*stripes(data_root), *WHOLE).directories
    assert_same_training(resumed(train, run), finished.directory)


@pytest.mark.parametrize("stopping", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_stops_a_training_with_a_checkpoint(data_root: Path, tmp_path: Path, stopping: signal.Signals) -> None:
    """A separate process with a worker. A terminal sends Ctrl-C to the whole group, a cluster SIGTERM."""
    arguments = [*stripes(data_root), "data.num_workers=1", "trainer.max_epochs=100", "hydra.run.dir=run"]
    code = "import sys; from anomaly_lab.train import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        last, deadline = tmp_path / "run/checkpoints/last.ckpt", time.monotonic() + 90
        while not last.is_file() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        (os.killpg if stopping in (signal.SIGINT, signal.SIGTERM) else os.kill)(process.pid, stopping)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + stopping
    assert "Traceback" not in err
    assert re.search(rf"^error: stopped; continue with: .*resume={re.escape(str(tmp_path))}/run$", err, re.M)
    assert torch.load(last, weights_only=True)["global_step"] > 0
    modules = err.splitlines()[-1].split()
    assert "lightning" in modules
    assert not {"wandb", "tensorboard"} & set(modules), "loggers are imported on request only"


def test_a_time_limit_ends_in_a_validation_a_best_checkpoint_and_complete_metrics(train: Train, data_root: Path) -> None:
    limit = ["trainer.max_time=00:00:00:02", "trainer.max_epochs=1000", "data.steps_per_epoch=1000"]
    run = train(*stripes(data_root), *limit).directory
    metrics = metrics_of(run)
    assert 0 < metrics["steps"] < 1000, "in the middle of the first epoch"
    assert torch.load(run / "checkpoints/best.ckpt", weights_only=True)["global_step"] == metrics["steps"]
    assert 1.5 < metrics["train_seconds"] < 30
    assert set(METRICS) <= set(metrics)
    assert metrics["proxy_ap"] is not None
    assert (run / "checkpoints/best.ckpt").is_file()


def test_early_stopping_ends_a_run(train: Train, data_root: Path) -> None:
    """With a learning rate of 0, no validation is better than the first."""
    some = ["optimizer.lr=0", "trainer.max_epochs=20", "data.steps_per_epoch=1", "callbacks.early_stopping.patience=2"]
    stopped = metrics_of(train(*stripes(data_root), *some).directory)
    assert stopped["steps"] < 20


# ---- the command itself


def test_after_a_mistake_in_the_data_the_directory_can_be_used_again(train: Train, data_root: Path) -> None:
    overrides = [*stripes(data_root), "hydra.run.dir=runs/mine"]
    assert train(*overrides, "category.name=nowhere").status == 1
    assert train(*overrides).status == 0


def test_overfitting_two_batches_lowers_the_loss(train: Train, data_root: Path) -> None:
    options = [option for option in stripes(data_root) if not option.startswith("debug=")]
    ended = train(*options, "debug=overfit", "trainer.log_every_n_steps=1")
    with (ended.directory / "metrics.csv").open(newline="") as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert len(losses) == 200
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])


def test_odd_surroundings_end_no_training(tmp_path: Path, data_root: Path) -> None:
    """A home that is a file, no folder for temporary or cached files, no name of the user."""
    import matplotlib

    (tmp_path / "file").touch()
    odd = {"HOME": f"{tmp_path}/file", "TMPDIR": "/nowhere", "ANOMALY_LAB_CACHE": f"{tmp_path}/file"}
    odd |= {"XDG_CACHE_HOME": "/dev/null/x", "XDG_CONFIG_HOME": "relative"}
    odd |= {"MPLCONFIGDIR": matplotlib.get_cachedir()}  # without a cache of fonts, it takes ten seconds
    kept = {name: value for name, value in os.environ.items() if name not in ("USER", "LOGNAME")}
    command = [sys.executable, "-m", "anomaly_lab.train", *stripes(data_root), "hydra.run.dir=run"]
    ended = subprocess.run(command, cwd=tmp_path, env=kept | odd, capture_output=True, text=True)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
    assert (tmp_path / "run/metrics.json").is_file()


def test_help_answers_without_loading_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "anomaly_lab.train", "--help"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "objective: amplify" in ended.stdout
    imported = set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.M))
    assert "hydra" in imported
    assert not imported & {"torch", "lightning", "wandb", "cv2"}
    assert list(tmp_path.iterdir()) == []

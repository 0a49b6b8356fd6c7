"""The command evaluate: it scores a run again and does not change it."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import Ended, Finished, in_process, sentence, stripes, train_in_process, write_category
from omegaconf import DictConfig, OmegaConf
from sklearn.metrics import roc_auc_score

from anomaly_lab.calibrate import main as calibrate
from anomaly_lab.evaluate import main
from anomaly_lab.module import AnomalyModule
from anomaly_lab.report.pictures.rescored import rescored
from anomaly_lab.report.read.run import read
from anomaly_lab.runs.changes import evaluation_name
from anomaly_lab.runs.trained import load

Evaluate = Callable[..., Ended]
ADDED = {"source_run", "threshold_from", "trained_on"}  # additional metrics of an evaluation


@pytest.fixture
def evaluate(tmp_path: Path, blank_pictures: None) -> Evaluate:
    return lambda *overrides: in_process(tmp_path, main, "evaluate", *overrides)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def metrics_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["test/new/gr\udcf6n.png", "test/gr\udcf6n/000.png", "train/good/\udcff.png"])
def test_a_name_that_is_no_text_is_refused_before_anything_is_scored_or_trained(
    evaluate: Evaluate, train: Callable[..., Ended], finished: Finished, tmp_path: Path, name: str
) -> None:
    """No UTF-8 file, such as scores.csv, could hold it."""
    write_category(tmp_path / "stripes")
    (tmp_path / "stripes" / name).parent.mkdir(exist_ok=True)
    shutil.copy(tmp_path / "stripes/test/good/000.png", tmp_path / "stripes" / name)
    for ended in (
        train(*stripes(tmp_path)),
        evaluate(f"run={finished.directory}", "data=folder", f"data.root={tmp_path}"),
    ):
        assert re.search(r"\\udcf.* has a name that is no text in UTF-8: rename it", sentence(ended))
    assert not list(tmp_path.rglob("metrics.json"))


def test_without_a_change_the_numbers_are_the_run_s_own_and_its_files_stay_as_they_were(
    evaluate: Evaluate, finished: Finished
) -> None:
    before = digests(finished.directory)
    new = evaluate(f"run={finished.directory}", "test.save_heatmaps=true").directory
    assert digests(finished.directory) == before
    after = digests(new)
    for name in ("scores.csv", "levels.csv", "metrics_by_defect.csv"):
        assert after[name] == before[name]
    heatmaps = {name for name in before if name.startswith(("heatmaps/", "truth/"))}
    assert {name: after[name] for name in heatmaps} == {name: before[name] for name in heatmaps}
    again, once = metrics_of(new), metrics_of(finished.directory)
    assert {k: v for k, v in again.items() if k not in ADDED} == once
    assert again["source_run"] == str(finished.directory)
    assert {"config.yaml", "environment.json", "checkpoints/best.ckpt", "figures/detections.png", "evaluate.log"} <= set(after)
    assert "${" not in (new / "config.yaml").read_text()
    source = json.loads((new / "source.json").read_text())
    assert source["checkpoint_sha256"] == before["checkpoints/best.ckpt"]
    assert (source["run"], source["finished"]) == (str(finished.directory), True)
    assert "evaluate" in new.name and "category=custom" in new.name


def test_a_changed_scoring_calibrates_a_new_threshold_and_is_stored_in_the_checkpoint(
    evaluate: Evaluate, finished: Finished
) -> None:
    changes = ["scoring.sigma=1", "scoring.pooling=mean_top", "scoring.evidence=absolute", "test.save_heatmaps=true"]
    ended = evaluate(f"run={finished.directory}", *changes)
    new = ended.directory
    metrics = metrics_of(new)
    for shown in (" ".join(changes), "mvtec (real images)", "3 normal and 4 defective test", "calibrated anew on 2 held-out"):
        assert shown in ended.out
    assert (metrics["sigma"], metrics["score_pooling"]) == (1, "mean_top")
    assert metrics["threshold"] != metrics_of(finished.directory)["threshold"]
    assert metrics["threshold_from"] == str(finished.root / "stripes")
    validation = [
        float(r["level"]) for r in rows_of(new / "levels.csv") if r["split"] == "validation" and int(r["min_area"]) == 4
    ]
    assert metrics["threshold"] == max(validation)
    heatmaps = {path: np.load(path) for path in sorted((new / "heatmaps").rglob("*.npy"))}
    truth = np.concatenate([np.full(h.size, 0) if p.parent.name == "good" else mask_of(new, p) for p, h in heatmaps.items()])
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(truth, np.concatenate([h.ravel() for h in heatmaps.values()])))
    scores = {r["path"]: float(r["score"]) for r in rows_of(new / "scores.csv")}
    for path, heatmap in heatmaps.items():
        top = np.sort(heatmap.ravel())[-round(0.001 * heatmap.size) :].mean()
        assert scores[f"test/{path.parent.name}/{path.stem}.png"] == pytest.approx(float(top), rel=1e-5)
    module = AnomalyModule.load_from_checkpoint(new / "checkpoints/best.ckpt", map_location="cpu", weights_only=True)
    scoring = module.hparams["scoring"]
    assert (scoring["evidence"][0]["name"], scoring["pooling"]["name"], scoring["pooling"]["share"]) == (
        "absolute",
        "mean_top",
        0.001,
    )
    assert (scoring["sigma"], scoring["tile"], scoring["train_size"]) == (1, 64, 64)
    assert float(module.threshold) == metrics["threshold"]
    assert OmegaConf.load(new / "config.yaml").scoring.sigma == 1
    assert json.loads((new / "source.json").read_text())["changed"] == changes


def test_the_paper_s_protocol_is_one_override_away(evaluate: Evaluate, finished: Finished) -> None:
    metrics = metrics_of(evaluate(f"run={finished.directory}", "scoring=paper").directory)
    keys = ("evidence", "calibration", "score_pooling", "sigma")
    assert [metrics[key] for key in keys] == ["squared", "area", "max", 8]
    assert metrics["relative_error"] == pytest.approx(metrics_of(finished.directory)["relative_error"], rel=1e-5)


def test_an_evaluated_run_with_weights_is_a_model_again(evaluate: Evaluate, finished: Finished) -> None:
    """Its checkpoint is plain data: a list from a configuration would be refused."""
    changes = ("scoring.evidence=[squared,mahalanobis]", "scoring.weights=[1,2]")
    new = evaluate(f"run={finished.directory}", *changes).directory
    assert load(new).module.scorer.fusion.weights == [1, 2]


def test_the_default_protocol_brings_the_trained_head_back_and_keeps_the_rule(evaluate: Evaluate, finished: Finished) -> None:
    metrics, once = (
        metrics_of(d) for d in (evaluate(f"run={finished.directory}", "scoring=default").directory, finished.directory)
    )
    for key in ("evidence", "calibration", "image_auroc", "pixel_ap"):
        assert metrics[key] == pytest.approx(once[key], abs=1e-6) if isinstance(once[key], float) else metrics[key] == once[key]


def test_tile_train_size_is_the_size_of_the_training_crops(finished: Finished, tmp_path: Path) -> None:
    run = shutil.copytree(finished.directory, tmp_path / "whole")
    checkpoint = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["scoring"]["tile"] = 0  # trained so
    torch.save(checkpoint, run / "checkpoints/best.ckpt")
    config = OmegaConf.load(run / "config.yaml")
    config.scoring.tile, config.data.train_size = "train_size", "auto"
    assert isinstance(config, DictConfig)
    assert load(run).module.hparams["scoring"]["tile"] == 0
    assert load(run, config, ["scoring.tile"]).module.hparams["scoring"]["tile"] == 64


def test_after_a_plain_error_the_normal_error_is_learnt_again(evaluate: Evaluate, finished: Finished) -> None:
    """The plain error has no weights. A later change back to mahalanobis learns the same weights again."""
    plain = evaluate(f"run={finished.directory}", "scoring.evidence=squared").directory
    weights = torch.load(plain / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert not [name for name in weights if name.startswith("scorer.fusion.learnt")]
    both = "scoring.evidence=[squared,mahalanobis]"
    back, once = (metrics_of(evaluate(f"run={run}", both).directory) for run in (plain, finished.directory))
    assert once["evidence"] == back["evidence"] == "squared+mahalanobis"
    for name in ("threshold", "pixel_auroc", "image_auroc", "aupro"):
        assert back[name] == pytest.approx(once[name], rel=1e-5)
    assert metrics_of(plain)["pixel_auroc"] != once["pixel_auroc"]


def test_a_head_that_was_not_trained_is_refused(evaluate: Evaluate, finished: Finished) -> None:
    """Its first weights would give a heatmap of noise."""
    plain = evaluate(f"run={finished.directory}", "scoring.evidence=squared").directory
    said = sentence(evaluate(f"run={plain}", "scoring.evidence=[squared,head]"))
    assert "scoring.evidence=head learns in the training, but this run was trained without it" in said


def test_the_trained_head_stays_the_same_beside_other_evidence(evaluate: Evaluate, finished: Finished) -> None:
    alone = metrics_of(evaluate(f"run={finished.directory}", "scoring.evidence=head", "scoring.weights=null").directory)
    for metric in ("image_auroc", "pixel_ap"):
        assert alone[metric] == pytest.approx(metrics_of(finished.directory)[f"only_head_{metric}"], abs=2e-3), (
            "up to the enlargement, which is of odds here and of rarities there"
        )


def mask_of(run: Path, heatmap: Path) -> np.ndarray:
    import cv2

    name = (run / "truth" / heatmap.relative_to(run / "heatmaps")).with_suffix(".png")
    return (cv2.imread(str(name), cv2.IMREAD_UNCHANGED) > 0).ravel().astype(int)


def test_other_images_are_scored_with_the_run_s_own_threshold(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    """They need no normal images, and nothing is chosen by them."""
    write_category(tmp_path / "other/stripes", train=0, good=2, defects=("scratch",), each=3)
    new = evaluate(f"run={finished.directory}", f"data.root={tmp_path / 'other'}").directory
    metrics, once = metrics_of(new), metrics_of(finished.directory)
    assert metrics["threshold"] == once["threshold"]
    assert metrics["threshold_from"] == str(finished.directory)
    assert (metrics["n_test"], metrics["n_train"], metrics["n_validation"]) == (5, once["n_train"], once["n_validation"])
    assert {row["defect"] for row in rows_of(new / "scores.csv")} == {"good", "scratch"}
    assert OmegaConf.load(new / "config.yaml").data.root == str(tmp_path / "other")
    said = sentence(evaluate(f"run={finished.directory}", f"data.root={tmp_path / 'other'}", "scoring.sigma=2"))
    assert re.search(r"stripes/train/good holds no two normal images.*calibrated anew", said)


def test_training_images_calibrate_nothing(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    """Held-out images are known by their names: a new draw among more images could take training images."""
    shutil.copytree(finished.root, tmp_path / "more")
    images = sorted((tmp_path / "more/stripes/train/good").iterdir())
    for number in range(40):
        shutil.copy(images[0], images[0].with_name(f"{'a' if number % 2 else 'z'}{number}.png"))

    def held_out(run: Path) -> set[str]:
        return {row["path"] for row in rows_of(run / "levels.csv") if row["split"] == "validation"}

    new = evaluate(f"run={finished.directory}", f"data.root={tmp_path / 'more'}", "scoring.sigma=2").directory
    assert held_out(new) == held_out(finished.directory) != set()


def test_held_out_images_are_known_after_files_were_renamed(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    """By name, training images would be held out, and the threshold would be too low."""
    shutil.copytree(finished.root, tmp_path / "renamed")
    good = tmp_path / "renamed/stripes/train/good"
    for path in sorted(good.iterdir()):
        path.rename(path.with_name(f"new_{path.name}"))
    images = f"data.root={tmp_path / 'renamed'}"
    ended = evaluate(f"run={finished.directory}", images, "scoring.sigma=2")
    levels = {row["path"] for row in rows_of(ended.directory / "levels.csv") if row["split"] == "validation"}
    known = {row["path"] for row in rows_of(finished.directory / "images.csv") if row["part"] == "held-out"}
    assert {path.replace("new_", "") for path in levels} == known != set()
    assert "drawn anew" not in ended.out
    for i, path in enumerate(sorted(good.iterdir())):  # none of the run's images
        path.unlink()
        cv2.imwrite(str(good / f"other{i}.png"), np.full((64, 64, 3), 40 + i, np.uint8))
    assert "drawn anew, since the run's own" in " ".join(
        evaluate(f"run={finished.directory}", images, "scoring.sigma=2").out.split()
    )


def test_an_evaluation_of_a_recalibrated_run_says_so(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    """Also an evaluation of that evaluation, unless its threshold is another one again."""
    write_category(tmp_path / "today", train=18, good=0, each=0)
    for path in sorted((tmp_path / "today/train/good").iterdir())[:6]:  # as in the training
        path.unlink()
    command = [f"run={finished.directory}", f"images={tmp_path / 'today'}", f"out={tmp_path / 'new'}"]
    assert in_process(tmp_path, calibrate, "calibrate", *command).status == 0
    first = evaluate(f"run={tmp_path / 'new'}").directory
    second = evaluate(f"run={first}").directory
    for run in (first, second):
        assert metrics_of(run)["calibrated_on"] == str(tmp_path / "today/train/good")
    assert "calibrated_on" not in metrics_of(evaluate(f"run={tmp_path / 'new'}", "scoring.sigma=2").directory)


def test_a_second_multirun_overwrites_nothing(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    command = ["-m", f"run={finished.directory}", "scoring.sigma=0,2", f"hydra.sweep.dir={tmp_path / 'again'}"]
    assert evaluate(*command).status == 0
    before = {path: path.read_bytes() for path in (tmp_path / "again").rglob("*.[jc]s*")}
    assert len([path for path in before if path.name == "metrics.json"]) == 2
    again = evaluate(*command)
    assert again.status == 1 and "2 jobs, 2 failed" in again.out
    assert len(re.findall("^error: .* holds a run already", again.err, re.M)) == 2
    assert all(path.read_bytes() == content for path, content in before.items())


def test_real_images_never_count_as_the_embedded_ones(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    run = tmp_path / "synthetic"
    shutil.copytree(finished.directory, run)
    config = OmegaConf.load(run / "config.yaml")
    config.data.name = "synthetic"
    OmegaConf.save(config, run / "config.yaml")
    assert "add data=folder data.root=DIR" in sentence(evaluate(f"run={run}", f"data.root={finished.root}"))
    metrics = metrics_of(evaluate(f"run={run}", "data=mvtec", f"data.root={finished.root}").directory)
    assert (metrics["data"], metrics["trained_on"]) == ("mvtec", "synthetic")


def test_a_rule_can_be_chosen_and_is_stored_in_the_checkpoint(evaluate: Evaluate, finished: Finished) -> None:
    new = evaluate(f"run={finished.directory}", "calibration=conformal", "calibration.alpha=0.5").directory
    metrics = metrics_of(new)
    assert (metrics["calibration"], metrics["calibration_alpha"]) == ("conformal", 0.5)
    rule = torch.load(new / "checkpoints/best.ckpt", weights_only=True)["hyper_parameters"]["calibration"]
    assert (rule["name"], rule["alpha"], len(rule["levels"])) == ("conformal", 0.5, metrics["n_validation"])
    for row in rows_of(new / "scores.csv"):
        assert (float(row["p_value"]) <= 0.5) == bool(int(row["predicted"])) == (float(row["level"]) > metrics["threshold"])


def test_two_values_make_two_directories(evaluate: Evaluate, finished: Finished) -> None:
    evaluations = evaluate("-m", f"run={finished.directory}", "scoring.sigma=0,2").directory
    found = sorted(evaluations.glob("*/metrics.json"))
    assert [json.loads(path.read_text())["sigma"] for path in found] == [0, 2]


def test_an_unfinished_run_is_scored_with_its_best_checkpoint(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    run = tmp_path / "unfinished"
    (run / "checkpoints").mkdir(parents=True)
    shutil.copy(finished.directory / "config.yaml", run)
    kept = torch.load(finished.directory / "checkpoints/best.ckpt", weights_only=True)
    kept["state_dict"]["threshold"].fill_(torch.nan)
    kept["hyper_parameters"]["calibration"].pop("levels")
    torch.save(kept, run / "checkpoints/best.ckpt")
    new = evaluate(f"run={run}").directory
    metrics, once = metrics_of(new), metrics_of(finished.directory)
    assert (metrics["threshold"], metrics["pixel_auroc"]) == (once["threshold"], once["pixel_auroc"])
    assert (metrics["steps"], metrics["train_seconds"]) == (once["steps"], None)
    assert not json.loads((new / "source.json").read_text())["finished"]
    assert "has not finished: the weights of its checkpoint are scored" in (new / "evaluate.log").read_text()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "no run: give run=DIRECTORY"),
        (["run=nowhere"], "nowhere holds no run"),
        (["run={run}", "+objective.lam=0.3"], r"objective.lam belongs to the training, .* can change .*scoring.sigma"),
        (["run={run}", "data=mvtec", "data.root=x", "data.train_size=64"], "data.train_size belongs to the training"),
        (["run={run}", "scoring.sigma=-1"], "scoring.sigma is -1"),
        (["run={run}", "scoring.sigma=wide"], "scoring.sigma is wide"),
        (["run={run}", "scoring.pooling=min"], "scoring.pooling is min"),
        (["run={run}", "calibration.q=0.5"], "calibration.q belongs to a rule: .*calibration=quantile"),
        (["run={run}", "out={run}/metrics.json/x"], "lies in the run itself"),
        (["run={run}", "out=file/x"], r"file/x cannot be written to \(Not a directory\): .*out="),
        (["run={run}", "calibration=quantile", "calibration.q=2"], r"calibration.q is 2: .*\(0, 1\]"),
        (["run={run}", "calibration=conformal"], r"calibration.alpha is 0.1: .* 2 held-out .* and 9 of them are needed"),
        (["run={run}", "category.min_area=100000"], "category.min_area is 100000: no validation image"),
        (["run={run}", "data.root=nowhere"], "nowhere is not a folder"),
        (["run={run}", "out={run}"], "lies in the run itself"),
        (["run={run}", "out={run}/again"], "lies in the run itself"),
        (["-m", "run={run}", "out=x", "scoring.sigma=1,2"], "out= names one directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_one_sentence(
    evaluate: Evaluate, finished: Finished, tmp_path: Path, overrides: list[str], said: str
) -> None:
    (tmp_path / "file").write_text("")
    ended = evaluate(*(override.format(run=finished.directory) for override in overrides))
    assert re.search(said, sentence(ended))
    assert not list(tmp_path.rglob("metrics.json"))


def test_hydra_refuses_a_key_that_does_not_exist(evaluate: Evaluate, finished: Finished) -> None:
    ended = evaluate(f"run={finished.directory}", "scoring.sgima=2")
    assert ended.status == 1
    assert "sgima" in ended.err and "Traceback" not in ended.err


def test_a_folder_of_several_runs_names_one(evaluate: Evaluate, finished: Finished) -> None:
    said = sentence(evaluate(f"run={finished.directory.parent}"))
    assert f"it holds several, run={finished.directory.parent}" in said


def test_a_run_without_or_with_a_damaged_checkpoint(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    run = tmp_path / "cut_short"
    run.mkdir()
    shutil.copy(finished.directory / "config.yaml", run)
    assert "has no checkpoints/best.ckpt" in sentence(evaluate(f"run={run}"))
    (run / "checkpoints").mkdir()
    (run / "checkpoints/best.ckpt").write_bytes(b"not what it was")
    assert "best.ckpt is damaged" in sentence(evaluate(f"run={run}"))


def test_a_configuration_that_lacks_a_part_is_named(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.directory, tmp_path / "run")
    config = OmegaConf.load(tmp_path / "run/config.yaml")
    del config["data"]
    OmegaConf.save(config, tmp_path / "run/config.yaml")
    assert "run/config.yaml: data is null: it must have the keys" in sentence(evaluate(f"run={tmp_path / 'run'}"))


def test_an_evaluation_that_was_cut_off_is_started_again_by_the_same_command_only(
    evaluate: Evaluate, finished: Finished, tmp_path: Path
) -> None:
    command = [f"run={finished.directory}", "scoring.sigma=2", "out=first"]
    assert evaluate(*command).status == 0
    (tmp_path / "first/metrics.json").unlink()
    assert "holds a run already" in sentence(evaluate(f"run={finished.directory}", "scoring.sigma=1", "out=first"))
    assert evaluate(*command).status == 0
    assert metrics_of(tmp_path / "first")["sigma"] == 2


def test_a_report_can_show_an_evaluation_of_images_without_training_ones(
    evaluate: Evaluate, finished: Finished, tmp_path: Path
) -> None:
    write_category(tmp_path / "photographs/stripes", train=0, good=0, defects=("new",), each=1, masks=False)
    new = evaluate(f"run={finished.directory}", "data=mvtec", f"data.root={tmp_path / 'photographs'}").directory
    found = rescored(read(new))
    (shown,) = found.score(found.data.test)
    assert (shown.sample.defect, shown.truth, found.data.held_out) == ("new", None, [])


def test_an_evaluation_can_be_evaluated_but_not_resumed(evaluate: Evaluate, finished: Finished, tmp_path: Path) -> None:
    new = evaluate(f"run={finished.directory}", "scoring.sigma=2", "out=first").directories or [tmp_path / "first"]
    assert "holds a run already: choose a new directory" in sentence(evaluate(f"run={finished.directory}", "out=first"))
    second = evaluate(f"run={new[0]}").directory
    assert metrics_of(second)["sigma"] == 2
    assert metrics_of(second)["threshold"] == metrics_of(new[0])["threshold"]
    assert "is an evaluation" in train_in_process(tmp_path, f"resume={new[0]}").err


def test_a_directory_s_name_holds_the_changes_and_the_run() -> None:
    name = evaluation_name("runs/2026-11-22_07-24-22-188227_category=carpet", "scoring.sigma=2")
    assert name == "evaluate_scoring.sigma=2_category=carpet"
    assert evaluation_name("sweep/0_objective.lam=0.3/", "") == "evaluate_objective.lam=0.3"


def test_help_answers_without_loading_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "anomaly_lab.evaluate", "--help"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "scoring" in ended.stdout
    imported = set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.M))
    assert not imported & {"torch", "lightning", "wandb", "cv2"}
    assert list(tmp_path.iterdir()) == []


def test_calibration_is_chosen_before_training_and_checked_before_it_starts(tmp_path: Path, finished: Finished) -> None:
    few = ["trainer.max_epochs=1", "data.steps_per_epoch=1"]
    said = sentence(train_in_process(tmp_path, *stripes(finished.root), *few, "calibration=conformal"))
    assert "9 of them are needed" in said
    assert not list(tmp_path.rglob("config.yaml.part")) and not list(tmp_path.rglob("best.ckpt"))


@pytest.mark.parametrize("rescale", ["2", "training"])
def test_images_of_another_resolution_are_rescaled_on_request(
    evaluate: Evaluate, finished: Finished, tmp_path: Path, rescale: str
) -> None:
    """The run's own test images at twice their size: unlike the training's, and like them if rescaled."""
    root = tmp_path / "enlarged"
    for path in (finished.root / "stripes").rglob("*.png"):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        target = root / path.relative_to(finished.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), image.repeat(2, 0).repeat(2, 1))
    plain = evaluate(f"run={finished.directory}", "data=folder", f"data.root={root}")
    metrics = metrics_of(plain.directory)
    assert (metrics["n_unlike"], metrics["rescale"]) == (metrics["n_test"], 1)
    assert "size (7)" in metrics["unlike"]
    new = evaluate(
        f"run={finished.directory}", "data=folder", f"data.root={root}", f"data.rescale={rescale}", "test.save_heatmaps=true"
    ).directory
    again, once = metrics_of(new), metrics_of(finished.directory)
    assert again["n_unlike"] == 0
    assert again["rescale"] == (rescale if rescale == "training" else 2)
    assert again["pixel_auroc"] == pytest.approx(once["pixel_auroc"], abs=1e-6), "shrinking undoes the enlargement exactly"
    heatmap = np.load(new / "heatmaps/hole/000.npy")
    np.testing.assert_allclose(heatmap, np.load(finished.directory / "heatmaps/hole/000.npy"), atol=1e-5)
    scores = [float(row["score"]) for row in rows_of(new / "scores.csv")]
    assert load(new).module.hparams["preprocessing"]["rescale"] == again["rescale"]
    assert scores == pytest.approx([float(row["score"]) for row in rows_of(finished.directory / "scores.csv")], rel=1e-4)


@pytest.mark.parametrize("rescale", ["0", "-1", "nan", "inf", "half", "[2]"])
def test_a_rescaling_that_is_none_is_refused(evaluate: Evaluate, finished: Finished, rescale: str) -> None:
    assert "data.rescale is" in sentence(evaluate(f"run={finished.directory}", f"data.rescale={rescale}"))

"""The nearest-neighbour detector and Patch AE with all commands: training, resuming, evaluation, sweeps."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import (
    Ended,
    Finished,
    assert_same_training,
    in_process,
    metrics_of,
    scores_of,
    sentence,
    stripes,
    train_in_process,
)

from anomaly_lab.networks import pretrained

RANDOM = ["model.encoder=random", "scoring.detector.size=50"]
PATCH_AE = ["model=patch_ae", "model.hidden=8", *RANDOM]


@pytest.fixture(scope="module")
def knn(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    options = ["model=knn", *RANDOM, "test.save_heatmaps=true"]
    ended = train_in_process(tmp_path_factory.mktemp("knn"), *stripes(data_root), *options)
    return Finished(ended.directory, data_root, ended.out)


@pytest.fixture(scope="module")
def patch_ae(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    from matplotlib import pyplot as plt

    from anomaly_lab.show import figures

    with pytest.MonkeyPatch.context() as patched:  # `finished` and `knn` test figures
        for name in ("detections", "training_pairs", "history"):
            patched.setattr(figures, name, lambda *args: plt.figure(figsize=(1, 1)))
        ended = train_in_process(tmp_path_factory.mktemp("patch_ae"), *stripes(data_root), *PATCH_AE)
    return Finished(ended.directory, data_root, ended.out)


def test_an_untrained_detector_leaves_a_complete_run_of_no_steps(knn: Finished) -> None:
    metrics = metrics_of(knn.directory)
    expected = {"model": "knn", "objective": "none", "lam": None, "corruption": "none", "evidence": "neighbours"}
    expected |= {"steps": 0}
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["proxy_ap"] > 0
    for name in ("config.yaml", "environment.json", "scores.csv", "metrics.csv", "figures/detections.png"):
        assert (knn.directory / name).is_file(), name
    for name in ("best", "last"):
        checkpoint = torch.load(knn.directory / f"checkpoints/{name}.ckpt", weights_only=True)
        assert checkpoint["state_dict"]["scorer.detector.vectors"].shape == (50, 152)
    assert "val/proxy_ap" in (knn.directory / "metrics.csv").read_text()
    assert "none: it is shown the training images" in knn.out
    assert "nothing is trained" in knn.out


def test_holes_in_stripes_are_found_even_by_random_features(knn: Finished) -> None:
    metrics = metrics_of(knn.directory)
    assert metrics["pixel_auroc"] > 0.8
    assert metrics["image_auroc"] > 0.8


def test_scores_follow_from_the_bank_in_the_checkpoint(knn: Finished) -> None:
    """By brute force from the checkpoint: the image score is the largest smoothed distance."""
    from anomaly_lab.data.images import read_image
    from anomaly_lab.data.preprocessing import Preprocessing
    from anomaly_lab.module import AnomalyModule

    module = AnomalyModule.load_from_checkpoint(knn.directory / "checkpoints/best.ckpt", weights_only=True).eval()
    row = next(r for r in scores_of(knn.directory) if r["defect"] == "hole")
    X = torch.from_numpy(Preprocessing(**module.hparams["preprocessing"])(read_image(knn.root / "stripes" / row["path"])))
    with torch.no_grad():
        features = module.network.features(module.network.encode(X.permute(2, 0, 1)[None]))[0]
        distance = torch.cdist(features.flatten(1).T, module.scorer.detector.vectors).amin(1).view(1, 1, 8, 8)
        full = torch.nn.functional.interpolate(distance, scale_factor=8, mode="bilinear")[0, 0].numpy()
    from scipy.ndimage import gaussian_filter

    assert float(row["score"]) == pytest.approx(gaussian_filter(full, 4, mode="reflect").max(), rel=1e-4)


def test_patch_ae_trains_its_encoder(patch_ae: Finished, knn: Finished) -> None:
    metrics = metrics_of(patch_ae.directory)
    expected = {"model": "patch_ae", "objective": "patch_reconstruction", "corruption": "defects", "steps": 10}
    assert {name: metrics[name] for name in expected} == expected
    first, trained = (
        torch.load(run.directory / "checkpoints/best.ckpt", weights_only=True)["state_dict"] for run in (knn, patch_ae)
    )
    stem = "network.encoder.backbone.stem.conv.weight"
    assert not torch.equal(first[stem], trained[stem])
    assert "val/relative_error" in (patch_ae.directory / "metrics.csv").read_text()
    assert (patch_ae.directory / "figures/training_pairs.png").is_file()


def test_with_a_frozen_encoder_patch_ae_is_the_untrained_detector(
    knn: Finished, data_root: Path, tmp_path: Path, blank_pictures: None
) -> None:
    """Only the decoder learns, and scores do not depend on it."""
    ended = train_in_process(tmp_path, *stripes(data_root), *PATCH_AE, "model.frozen=true")
    assert scores_of(ended.directory) == scores_of(knn.directory)
    assert metrics_of(ended.directory)["proxy_ap"] == metrics_of(knn.directory)["proxy_ap"]


@pytest.mark.parametrize("name", ["knn", "patch_ae"])
def test_an_evaluation_needs_only_the_run_s_weights_and_gives_the_same_scores(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None
) -> None:
    from anomaly_lab import evaluate

    run = request.getfixturevalue(name).directory  # first, because making the run needs the pretrained weights
    monkeypatch.setattr(pretrained, "load", lambda *_: pytest.fail("the checkpoint is complete"))
    again = in_process(tmp_path, evaluate.main, "evaluate", f"run={run}").directory
    assert scores_of(again) == scores_of(run)
    other = in_process(tmp_path, evaluate.main, "evaluate", f"run={run}", "scoring.sigma=1", "calibration=quantile").directory
    assert metrics_of(other)["sigma"] == 1
    assert scores_of(other) != scores_of(run)
    for error in ("squared", "cubic"):
        said = sentence(in_process(tmp_path, evaluate.main, "evaluate", f"run={run}", f"scoring.evidence={error}"))
        assert f"scoring.evidence is {error}" in said and "scored by its features" in said


def test_a_run_that_was_cut_off_continues_exactly(
    patch_ae: Finished, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None
) -> None:
    from anomaly_lab.module import AnomalyModule

    steps, whole = [], AnomalyModule.training_step

    def failing(self: AnomalyModule, *arguments: object) -> torch.Tensor:
        steps.append(self.global_step)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return whole(self, *arguments)  # type: ignore[arg-type]

    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(AnomalyModule, "training_step", failing)
        ended = train_in_process(tmp_path, *stripes(data_root), *PATCH_AE, f"hydra.run.dir={run}")
    assert ended.status == 130
    assert not (run / "metrics.json").exists()
    ended = train_in_process(tmp_path, f"resume={run}")
    assert ended.status == 0, ended.err
    assert_same_training(patch_ae.directory, run)


def test_an_untrained_run_that_was_cut_off_is_repeated(
    knn: Finished, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None
) -> None:
    from anomaly_lab.pipeline import train as pipeline_train

    run = tmp_path / "run"
    options = [*stripes(data_root), "model=knn", *RANDOM, "test.save_heatmaps=true", f"hydra.run.dir={run}"]
    with monkeypatch.context() as patched:
        patched.setattr(pipeline_train, "calibrate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert train_in_process(tmp_path, *options).status == 130
    assert train_in_process(tmp_path, f"resume={run}").status == 0
    assert_same_training(knn.directory, run)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["objective=patch_reconstruction"], "model=patch_ae"),
        (["scoring.evidence=neighbours"], "model=knn"),
        (["model=knn", "objective=restore"], "nothing to train"),
        (["model=patch_ae", "objective=none"], "has weights to train"),
        (["model=patch_ae", "model.decoder=none"], "model.decoder is none"),
        (["model=knn", "scoring.evidence=squared"], "scored by its features"),
        (["model=knn", "model.encoder=imagenet"], "model.encoder is imagenet"),
        (["model=knn", "scoring.detector.reduction=pca"], "scoring.detector.reduction is pca"),
        (["model=knn", "model.encoder=file"], "model.encoder_file=FILE"),
    ],
)
def test_parts_that_do_not_fit_are_answered_in_a_sentence(
    options: list[str], says: str, data_root: Path, train: Callable[..., Ended]
) -> None:
    assert says in sentence(train(*stripes(data_root), *options))


def test_without_the_weights_the_extra_is_named(
    data_root: Path, train: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    assert "pip install 'anomaly_lab[pretrained]'" in sentence(train(*stripes(data_root), "model=knn"))


def test_the_objective_follows_the_model_in_a_sweep_over_both_systems(
    data_root: Path, tmp_path: Path, blank_pictures: None
) -> None:
    pytest.importorskip(pretrained.WHEEL, reason="the extra `pretrained` is not installed")
    from anomaly_lab.report.__main__ import main

    command = ["-m", *stripes(data_root), "model=tiny,knn,patch_ae", "hydra.sweep.dir=runs/sweep"]
    ended = train_in_process(tmp_path, *command)
    assert ended.status == 0, ended.err + ended.out
    runs = [path.parent for path in sorted(tmp_path.glob("runs/sweep/*/metrics.json"))]
    found = {m["model"]: (m["objective"], m["corruption"], m["evidence"]) for m in map(metrics_of, runs)}
    assert found == {
        "tiny": ("restore", "elastic", "squared+mahalanobis+filters+head"),
        "knn": ("none", "none", "neighbours"),
        "patch_ae": ("patch_reconstruction", "defects", "neighbours"),
    }
    assert "3 finished before" in train_in_process(tmp_path, *command).out
    ended = in_process(tmp_path, main, "report", "runs=runs")
    assert ended.status == 0, ended.err
    page = next(tmp_path.rglob("report.html")).read_text()
    for name in ("knn, untrained", "patch_ae, patch_reconstruction", "tiny, restore λ=0.9"):
        assert name in page


def test_patch_ae_held_near_its_first_features_is_trained(data_root: Path, train: Callable[..., Ended]) -> None:
    ended = train(*stripes(data_root), "model=patch_ae_held", "model.hidden=8", *RANDOM, "trainer.max_epochs=1")
    assert ended.status == 0, ended.err
    assert metrics_of(ended.directories[0])["model"] == "patch_ae_held"

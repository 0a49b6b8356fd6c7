"""Training in several processes: the same batches, and what they trained scores as in one process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import metrics_of, scores_of, small_trainer, stripes
from omegaconf import OmegaConf

from anomaly_lab import assembly
from anomaly_lab.data.datasets import Batches, TestImages
from anomaly_lab.data.folder import scan
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.module import AnomalyModule


@pytest.mark.parametrize("done", [0, 3])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_processes_share_each_batch_of_one_process(processes: int, done: int) -> None:
    def batches(rank: int, world: int) -> list:
        return list(Batches(5, 8, lambda: (2, done), lambda step: 64 + step, (rank, world)))

    shares = [batches(rank, processes) for rank in range(processes)]
    together = [[key for share in step for key in share] for step in zip(*shares, strict=True)]
    assert together == batches(0, 1)
    assert {len(share) for step in zip(*shares, strict=True) for share in step} == {8 // processes}


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 8 cannot be shared out evenly among 3"):
        Batches(5, 8, lambda: (0, 0), lambda step: 64, (0, 3))


def command(root: Path, *more: str) -> list[str]:
    options = [*stripes(root), "trainer=ddp", "trainer.accelerator=cpu", "trainer.log_every_n_steps=1", "hydra.run.dir=run"]
    return [sys.executable, "-m", "anomaly_lab.train", *options, *more]


def test_two_processes_stop_at_ctrl_c_go_on_and_what_they_trained_scores_the_same_in_one(
    data_root: Path, tmp_path: Path
) -> None:
    more = ["trainer.max_epochs=12", "callbacks.early_stopping=null"]
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(data_root, *more), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 300
        while not (run / "checkpoints/last.ckpt").is_file() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=300)  # ends only when the last process has closed it
    finally:
        process.kill()
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "error: stopped; continue with" in err

    ended = subprocess.run(command(data_root, *more), cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "shared by 2 processes" in re.sub(r"\s+", " ", ended.stdout)
    assert len(json.loads((run / "environment.json").read_text())["resumed"]) == 1, "the same command went on"
    metrics = metrics_of(run)
    assert metrics["steps"] == 60, "the batches are those of one process, so are the steps"
    assert metrics["train_seconds"] > 0

    # the test, and the proxy that the best checkpoint was chosen by, anew in this one process
    module = AnomalyModule.load_from_checkpoint(run / "checkpoints/best.ckpt", map_location="cpu", weights_only=True).eval()
    samples = scan(data_root, "stripes").test
    images = TestImages(samples, Preprocessing(**module.hparams["preprocessing"]))
    stored = {row["path"]: float(row["score"]) for row in scores_of(run)}
    for i, sample in enumerate(samples):
        with torch.no_grad():
            score = float(module.detect(images[i])["score"])
        assert score == pytest.approx(stored[sample.path.relative_to(data_root / "stripes").as_posix()], rel=1e-5)
    data = assembly.datamodule(OmegaConf.load(run / "config.yaml"))  # type: ignore[arg-type]
    data.setup()
    (validated,) = small_trainer(tmp_path).validate(module, datamodule=data, verbose=False)
    assert validated["val/proxy_ap"] == pytest.approx(metrics["proxy_ap"], rel=1e-5)

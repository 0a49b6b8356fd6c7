"""What Lightning, callbacks, logger and data loading add to a training, and what a test adds to inference."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra import compose, initialize_config_dir
from images import draw, overrides
from measure import Row
from omegaconf import OmegaConf

from anomaly_lab.calibration.calibrate import calibrate
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.module import AnomalyModule
from anomaly_lab.pipeline.assembly import datamodule, lightning_module
from anomaly_lab.pipeline.ending import end
from anomaly_lab.runs import directory  # noqa: F401 # registers what the configuration computes
from anomaly_lab.runs.command_line import CONF
from anomaly_lab.scored import score
from anomaly_lab.show.loggers import make_loggers
from anomaly_lab.training.trainer import make_trainer, quiet

WARM = 5  # steps before the clock starts


class Timed:
    """A loader that counts the seconds that its user waits for it."""

    def __init__(self, loader: Any) -> None:
        self.loader, self.waits = loader, []  # type: ignore[var-annotated]

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waits.append(time.perf_counter() - start)
            if batch is None:
                return
            yield batch


class Stamps(L.Callback):
    """When each step began."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.at.append(time.perf_counter())


def configured(root: Path, *more: str) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=[*overrides(root), *more])
    OmegaConf.resolve(config)
    return config


def fitted(config: Any, folder: Path) -> tuple[list[float], list[float], AnomalyModule, AnomalyDataModule]:
    """Train without validation: (seconds of each step, seconds of each wait for data, module, data)."""
    data = datamodule(config)
    data.setup()
    module = lightning_module(config, data)
    loader, stamps = Timed(data.train_dataloader()), Stamps()
    data.train_dataloader = lambda: loader  # type: ignore[method-assign, assignment, return-value]
    trainer = make_trainer(config, folder, make_loggers(config, folder), [stamps])
    trainer.fit(module, datamodule=data)
    seconds = [b - a for a, b in zip(stamps.at, stamps.at[1:], strict=False)]
    return seconds[WARM:], loader.waits[WARM:-1], module, data


def bare(module: AnomalyModule, data: AnomalyDataModule, precision: str, steps: int) -> list[float]:
    """Seconds of the same steps in a plain loop over one batch in memory."""
    batch = next(iter(data.train_dataloader()))
    optimizer = module.configure_optimizers()["optimizer"]
    module.log = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    module.train()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds[WARM:]


def rows(short: bool) -> list[Row]:
    quiet()
    rounds, steps, side, tested = (2, 8, 64, 4) if short else (5, 25, 256, 30)
    small = ["model=tiny", "data.train_size=32", "batch_size=2"] if short else []
    found = []
    with tempfile.TemporaryDirectory() as name:
        root = draw(Path(name) / "data", 20, tested, tested, side)
        for workers in (0,) if short else (0, 1):
            config = configured(
                root, f"image_size={side}", f"data.num_workers={workers}", "callbacks.early_stopping=null",
                "callbacks.progressive_size=null", f"data.steps_per_epoch={steps}", "trainer.max_epochs=1",
                "trainer.max_time=null", "+trainer.limit_val_batches=0", *small,
            )  # fmt: skip
            ratios, shares = [], []
            for turn in range(rounds):  # taking turns, since the machine's pace changes within a minute
                seconds, waits, module, data = fitted(config, Path(name) / f"fit{workers}_{turn}")
                alone = bare(lightning_module(config, data), data, module.trainer.precision, steps)
                ratios.append(statistics.mean(seconds) / statistics.mean(alone))
                shares.append(statistics.mean(waits) / statistics.mean(seconds))
            spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {rounds} rounds of {steps - WARM} steps of {config.model.name}"
            what = f"Trainer.fit against a bare loop over memory, {workers} workers"
            found.append(Row(what, statistics.median(ratios), "×", 1.05, True, spread))
            share = statistics.median(shares)
            found.append(Row(f"share of a step that waits for data, {workers} workers", share, "", 0.02, True))
        found.append(_test_phase(config, module, data, Path(name)))
    return found


def _test_phase(config: Any, module: AnomalyModule, data: AnomalyDataModule, folder: Path) -> Row:
    """Calibration aside: inference, heatmaps, metrics, figures and tables, against inference on images in memory."""
    levels = calibrate(module, data.images)
    training = {"steps": 1, "train_seconds": 1.0, "device": "cpu", "proxy_ap": None, "n_train": 1, "train_size": 0}
    start = time.perf_counter()
    end(config, folder, module, data.images, levels, 0, training)
    whole = time.perf_counter() - start
    images = [scored.X[None] for scored in score(module, data.images.test)]
    start = time.perf_counter()
    for X in images:
        module.F(X)
    alone = time.perf_counter() - start
    each = f"{1000 * whole / len(images):.0f} against {1000 * alone / len(images):.0f} ms an image"
    how = f"{each}, {len(images)} of {config.image_size}²"
    return Row(f"test phase against inference alone, {config.model.name}", whole / alone, "×", 1.3, True, how)

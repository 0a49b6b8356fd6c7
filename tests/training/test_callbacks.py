"""Callbacks of a training: growing sizes, divergence, random numbers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import small_data, small_module, small_trainer
from lightning.pytorch.callbacks import Timer

from anomaly_lab.errors import UserError
from anomaly_lab.module import AnomalyModule
from anomaly_lab.training.callbacks import ProgressiveSize, SeedEachStep, StopOnDivergence


@pytest.mark.parametrize(
    ("done", "final", "expected"),
    [
        (0.0, 128, 32),
        (0.24, 128, 32),
        (0.25, 128, 64),
        (0.74, 128, 64),
        (0.75, 128, 128),
        (1.0, 128, 128),
        (0.0, 100, 24),  # a quarter of it is 25: the nearest multiple of 8
        (0.0, 10, 8),  # never below 8
        (1.0, 100, 100),  # the final size need not be a multiple of 8
        (0.0, 0, 0),  # whole images
    ],
)
def test_sizes_follow_the_schedule(done: float, final: int, expected: int) -> None:
    schedule = ProgressiveSize([(0.75, 1.0), (0.0, 0.25), (0.25, 0.5)])
    assert schedule.size(final, done) == expected


@pytest.mark.parametrize(
    "sizes", [[], [(0.1, 1.0)], [(0.0, 0.5), (1.0, 1.0)], [(0.0, 0.0)], [(0.0, 1.5)], [(0.0, 0.5), (-0.1, 1.0)]]
)
def test_a_schedule_that_makes_no_sense_is_refused(sizes: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="progressive sizes"):
        ProgressiveSize(sizes)


def test_progress_is_counted_in_steps_or_in_time_whichever_is_further(monkeypatch: pytest.MonkeyPatch) -> None:
    timer = Timer(duration={"seconds": 100})
    monkeypatch.setattr(timer, "time_elapsed", lambda stage=None: 60.0)

    def done(step: int, epochs: int, *callbacks: Any, steps: int = -1) -> float:
        trainer: Any = SimpleNamespace(max_epochs=epochs, max_steps=steps, callbacks=list(callbacks))
        return ProgressiveSize.done(trainer, step, steps_per_epoch=10)

    assert done(20, 8) == 0.25
    assert done(20, 8, timer) == 0.6
    assert done(70, 8, timer) == 0.875
    assert done(70, -1, timer) == 0.6
    assert done(70, -1) == 0.0, "without any limit"
    assert done(20, 8, steps=40) == done(20, -1, steps=40) == 0.5, "trainer.max_steps"


@pytest.mark.parametrize("workers", [0, 2])
def test_sizes_grow_in_the_batches_of_a_real_training(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    seen: list[tuple[int, ...]] = []

    def step(self: AnomalyModule, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        assert batch["X"].shape == batch["X_hat"].shape
        assert batch["M"].shape[-2:] == batch["X"].shape[-2:]
        seen.append(tuple(batch["X"].shape[-2:]))
        return self.threshold.nan_to_num() + sum(p.sum() for p in self.parameters())

    monkeypatch.setattr(AnomalyModule, "training_step", step)
    data = small_data(data_root, num_workers=workers)
    callbacks = [ProgressiveSize([(0.0, 0.5), (0.3, 0.75), (0.6, 1.0)])]
    data.prepare_data()
    data.setup()
    trainer = small_trainer(tmp_path, max_epochs=3, callbacks=callbacks, limit_val_batches=0)
    trainer.fit(small_module(), datamodule=data)
    assert seen == [(32, 32)] * 2 + [(48, 48)] * 2 + [(64, 64)] * 2


def test_a_finite_loss_goes_on_and_any_other_ends_the_training(tmp_path: Path) -> None:
    trainer: Any = SimpleNamespace(global_step=41, checkpoint_callback=SimpleNamespace(dirpath=str(tmp_path)))
    module: Any = None
    watch = StopOnDivergence()
    watch.on_train_batch_end(trainer, module, {"loss": torch.tensor(1e30)}, None, 0)
    watch.on_validation_batch_end(trainer, module, torch.tensor(0.0), None, 0)
    for value in ("nan", "inf", "-inf"):
        with pytest.raises(UserError, match=f"the loss is {value} at step 41: .*there is no checkpoint yet"):
            watch.on_train_batch_end(trainer, module, {"loss": torch.tensor(float(value))}, None, 0)
    (tmp_path / "last.ckpt").write_text("")
    with pytest.raises(UserError, match=f"the mean of a validation heatmap is nan at step 41: .*is kept in {tmp_path}"):
        watch.on_validation_batch_end(trainer, module, torch.tensor(float("nan")), None, 0)


def test_random_draws_of_a_step_follow_from_seed_and_step() -> None:
    def drawn(seed: int, step: int) -> list[float]:
        trainer: Any = SimpleNamespace(global_step=step)
        module: Any = None
        SeedEachStep(seed).on_train_batch_start(trainer, module, None, 0)
        return torch.rand(3).tolist()

    assert drawn(0, 7) == drawn(0, 7)
    draws = [drawn(*key) for key in ((0, 7), (0, 8), (1, 7), (7, 0))]
    assert len({tuple(d) for d in draws}) == len(draws)

"""Early stopping begins at the final crop size, and a stopped run stays stopped."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import small_data, small_module, small_trainer

from anomaly_lab.module import AnomalyModule
from anomaly_lab.training.callbacks import ProgressiveSize
from anomaly_lab.training.early_stopping import EarlyStopping


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_early_stopping_begins_at_the_final_size(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, sign: int
) -> None:
    """The monitored value gets worse in each of ten epochs. The first six begin with smaller crops. The sixth gives the best
    value, and the seventh is worse."""

    def step(self: AnomalyModule, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        self.log("monitored", float(sign * self.current_epoch), on_step=False, on_epoch=True)
        return self.threshold.nan_to_num() + sum(p.sum() for p in self.parameters())

    monkeypatch.setattr(AnomalyModule, "training_step", step)
    data = small_data(data_root)
    callbacks = [ProgressiveSize([(0.0, 0.5), (0.6, 1.0)]), EarlyStopping("monitored", mode=mode, patience=1)]
    trainer = small_trainer(tmp_path, max_epochs=10, callbacks=callbacks, limit_val_batches=0)
    trainer.fit(small_module(), datamodule=data)
    assert trainer.current_epoch == 7


@pytest.mark.parametrize(("waited", "stopped"), [(1, False), (2, True), (3, True)])
def test_a_run_that_had_stopped_trains_no_further(waited: int, stopped: bool) -> None:
    callback, trainer = EarlyStopping("monitored", patience=2), SimpleNamespace(should_stop=False)
    callback.load_state_dict(callback.state_dict() | {"wait_count": waited})
    module: Any = None
    given: Any = trainer
    callback.on_fit_start(given, module)
    assert trainer.should_stop == stopped

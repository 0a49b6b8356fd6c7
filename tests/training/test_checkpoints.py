"""Checkpoints: written as a whole, regularly and at Ctrl-C; the one before the newest is kept in case that is damaged."""

import errno
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import small_data, small_module, small_trainer

from anomaly_lab.errors import UserError
from anomaly_lab.training.checkpoints import LAST, PREVIOUS, AtomicCheckpointIO, SaveOnInterrupt, SaveRegularly, newest


def test_the_first_ctrl_c_waits_for_the_step_and_the_second_does_not(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    saved: list[str] = []
    trainer: Any = SimpleNamespace(
        is_last_batch=False,
        checkpoint_callback=SimpleNamespace(dirpath="dir"),
        save_checkpoint=lambda path, weights_only: saved.append(path),
        global_step=7,
        log_every_n_steps=20,
    )
    module: Any = None
    callback = SaveOnInterrupt(SaveRegularly(minutes=5))
    callback.on_fit_start(trainer, module)
    try:
        callback.on_train_batch_end(trainer, module, None, None, 0)
        callback.on_train_batch_start(trainer, module, None, 1)
        os.kill(os.getpid(), signal.SIGINT)
        callback.on_train_batch_start(trainer, module, None, 2)
        assert saved == [], "the step has not ended yet"
        callback.on_train_batch_end(trainer, module, None, None, 2)
        assert saved == ["dir/last.ckpt"]
        with pytest.raises(KeyboardInterrupt):
            callback.on_train_batch_start(trainer, module, None, 3)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            callback.on_train_batch_end(trainer, module, None, None, 3)
    finally:
        callback.on_exception(trainer, module, KeyboardInterrupt())
    assert signal.getsignal(signal.SIGINT) == before, "the handler from before the training is restored"


def test_after_a_training_the_handler_is_restored(data_root: Path, tmp_path: Path) -> None:
    before, data = signal.getsignal(signal.SIGINT), small_data(data_root)
    data.setup()
    trainer = small_trainer(tmp_path, max_epochs=1, callbacks=[SaveOnInterrupt(SaveRegularly(minutes=5))])
    trainer.fit(small_module(), datamodule=data)
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed")]
)
def test_a_failing_write_keeps_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path, writer = tmp_path / "last.ckpt", AtomicCheckpointIO()
    writer.save_checkpoint({"global_step": 1}, path)

    def failing(record: Any, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", failing)
    with pytest.raises(UserError, match=rf"last.ckpt could not be written .*{error.args[-1]}.*previous checkpoint is kept"):
        writer.save_checkpoint({"global_step": 2}, path)
    assert torch.load(path, weights_only=True) == {"global_step": 1}
    assert list(tmp_path.iterdir()) == [path]


def written(folder: Path, *steps: int) -> Path:
    for step in steps:
        AtomicCheckpointIO().save_checkpoint({"global_step": step, "weights": torch.arange(1000)}, folder / LAST)
    return folder


def test_the_newest_checkpoint_is_taken_and_the_one_before_is_kept(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for steps, count in (((1,), 1), ((2, 3), 2)):
        path, checkpoint = newest(written(tmp_path, *steps))  # type: ignore[misc]
        assert (path.name, checkpoint["global_step"]) == (LAST, steps[-1])
        assert len(list(tmp_path.iterdir())) == count
    assert torch.load(tmp_path / PREVIOUS, weights_only=True)["global_step"] == 2


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, None], ids=lambda share: "missing" if share is None else str(share))
def test_a_damaged_or_missing_last_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, share: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    last = written(tmp_path, 4, 5) / LAST
    content = last.read_bytes()
    if share is None:  # the process was killed between the two renamings
        last.unlink()
    else:
        last.write_bytes(content[: int(share * len(content))])
    path, checkpoint = newest(tmp_path)  # type: ignore[misc]
    assert (path.name, checkpoint["global_step"]) == (PREVIOUS, 4)
    assert ("cannot be read" in caplog.text) == (share is not None)


def test_where_no_checkpoint_can_be_read_the_user_decides(tmp_path: Path) -> None:
    for name in (LAST, PREVIOUS):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(UserError, match=rf"{LAST} and .*{PREVIOUS} cannot be read: remove {tmp_path} to train again"):
        newest(tmp_path)


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"global_step": SimpleNamespace()}, tmp_path / LAST)
    with pytest.raises(UserError, match="cannot be read"):
        newest(tmp_path)


def test_checkpoints_within_an_epoch_are_at_most_minutes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten steps of 25 s each, a checkpoint at most a minute apart: after the third and the sixth."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    callback = SaveRegularly(minutes=1)
    saved: list[int] = []
    module: Any = None
    trainer: Any = SimpleNamespace(
        is_last_batch=False,
        global_step=0,
        log_every_n_steps=20,
        checkpoint_callback=SimpleNamespace(dirpath="dir"),
    )

    def save(path: str, weights_only: bool) -> None:
        assert path == f"dir/{LAST}"
        saved.append(trainer.global_step)
        callback.on_save_checkpoint(trainer, module, {})

    trainer.save_checkpoint = save
    callback.on_train_start(trainer, module)
    for step in range(1, 11):
        clock[0] += 25
        trainer.global_step, trainer.is_last_batch = step, step == 9
        callback.on_train_batch_end(trainer, module, None, None, step)
    assert saved == [3, 6, 10], "after an epoch's last step Lightning writes a checkpoint"

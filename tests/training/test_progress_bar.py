"""The bar of a training: one line per validation, so that a log without a terminal shows the course too."""

import io
from pathlib import Path

from conftest import small_data, small_module, small_trainer
from rich.console import Console

from anomaly_lab.training.progress_bar import TrainingProgress


def trained(root: Path, folder: Path, bar: TrainingProgress) -> str:
    written = io.StringIO()
    bar.console = Console(file=written, width=200)
    data = small_data(root)
    data.setup()
    trainer = small_trainer(folder, max_epochs=2, callbacks=[bar], enable_progress_bar=True)
    trainer.fit(small_module(), datamodule=data)
    return written.getvalue()


def test_each_validation_is_a_line_with_its_values(data_root: Path, tmp_path: Path) -> None:
    lines = trained(data_root, tmp_path, TrainingProgress()).splitlines()
    assert len(lines) == 2
    for line, step in zip(lines, (2, 4), strict=True):
        assert line.split()[:2] == ["step", str(step)]
        for name in ("loss", "proxy AP", "relative error"):
            assert name in line


def test_a_disabled_bar_prints_nothing(data_root: Path, tmp_path: Path) -> None:
    bar = TrainingProgress()
    bar.disable()
    assert trained(data_root, tmp_path, bar) == ""

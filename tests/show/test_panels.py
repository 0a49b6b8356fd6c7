"""Panels: the first test image of each kind, and only if a logger takes figures."""

from pathlib import Path
from typing import Any

import pytest
from conftest import small_data, small_module, small_trainer
from lightning.pytorch.loggers import TensorBoardLogger

from anomaly_lab.show.panels import Panels


def fitted(root: Path, folder: Path, logger: Any) -> Panels:
    data, panels = small_data(root), Panels("a run")
    data.setup()
    trainer = small_trainer(folder, max_epochs=1, callbacks=[panels], logger=logger)
    trainer.fit(small_module(), datamodule=data)
    return panels


def test_each_epoch_shows_both_panels(data_root: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    logger = TensorBoardLogger(tmp_path)
    shown: list[str] = []
    logger.experiment.add_figure = lambda name, *rest, **options: shown.append(name)  # type: ignore[method-assign]
    fitted(data_root, tmp_path, logger)
    assert shown == ["panels/validation", "panels/test"]


def test_without_a_logger_that_takes_figures_nothing_is_drawn(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Panels, "test", lambda *_: pytest.fail("drawn without a logger that takes figures"))
    fitted(data_root, tmp_path, False)


def test_the_first_of_each_kind_is_shown(data_root: Path, tmp_path: Path) -> None:
    data, module = small_data(data_root), small_module()
    data.setup()
    trainer: Any = small_trainer(tmp_path)
    trainer.datamodule = data
    titles = [example["title"].split("\n")[0] for example in Panels.test(trainer, module)]
    assert titles == ["good", "hole", "stain"]

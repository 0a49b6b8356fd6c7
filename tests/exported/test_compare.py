"""Which differences between an exported file and its run count, on maps made by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anomaly_lab.exported import compare as way

THRESHOLD = np.float32(0.3)


def agreement(monkeypatch: pytest.MonkeyPatch, run: list[float], file: list[float]) -> Any:
    """Of images of one pixel, whose values the run and the file give."""
    values = iter(np.float32(file))

    def exported(image: Any) -> Any:
        value = next(values)
        return SimpleNamespace(
            heatmap=np.full((1, 1), value), score=value, mask=np.full((1, 1), value > THRESHOLD), defective=value > THRESHOLD
        )

    scored = [
        SimpleNamespace(heatmap=np.full((1, 1), value), score=value, truth=None, sample=SimpleNamespace(path=Path(f"{i}.png")))
        for i, value in enumerate(np.float32(run))
    ]
    monkeypatch.setattr(way, "score", lambda *given: iter(scored))
    monkeypatch.setattr(way, "read_image", lambda path: None)
    module: Any = SimpleNamespace(threshold=THRESHOLD, hparams={"min_area": 1}, precision="32-true")
    return way.compare(module, exported, [SimpleNamespace() for _ in scored], "32-true", False)


def test_an_image_at_the_threshold_itself_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run calls it normal, as every image of level t; a millionth more makes it defective in the file."""
    found = agreement(monkeypatch, [0.3, 0.2, 0.5], [0.3 + 1e-6, 0.2, 0.5])
    assert (found.images, found.disagreeing, found.at_threshold, found.pixels) == (3, [], ["0.png"], 1)


@pytest.mark.parametrize("run", [0.3 - 1e-4, 0.3 + 1e-4])
def test_an_image_beside_the_threshold_counts(monkeypatch: pytest.MonkeyPatch, run: float) -> None:
    found = agreement(monkeypatch, [run], [0.6 - run])
    assert found.disagreeing == ["0.png"] and not found.at_threshold
    assert found.score == pytest.approx(2e-4, rel=0.01)

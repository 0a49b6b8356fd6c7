"""Which images the export of a run is compared on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from anomaly_lab.data.folder import Sample
from anomaly_lab.errors import UserError
from anomaly_lab.exported import sizes
from anomaly_lab.pipeline.export import Options, _that_fit


def options(**changes: Any) -> Options:
    return Options(Path("run"), "onnx", "fp32", None, None, None, 0)._replace(**changes)


def trained(scale: float = 1.0) -> Any:
    return SimpleNamespace(
        module=SimpleNamespace(hparams={"preprocessing": {"scale": scale, "rescale": 1.0}, "scoring": {"tile": 16}})
    )


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    found = []
    for i, size in enumerate([(64, 64), (96, 128), (96, 128), (50, 60)]):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros(size, np.uint8))
        found.append(Sample(tmp_path / f"{i}.png", "good", None))
    return found


def test_without_a_size_it_is_that_of_most_images(samples: list[Sample]) -> None:
    assert _that_fit(trained(), samples, options()) == ((96, 128), samples[1:3], 2)
    assert _that_fit(trained(), samples, options(size=(50, 60))) == ((50, 60), samples[3:], 3)


def test_an_open_size_takes_all_that_fit(samples: list[Sample]) -> None:
    assert _that_fit(trained(), samples, options(size=sizes.OPEN)) == ((0, 0), samples[:3], 1)
    with pytest.raises(UserError, match="this run resizes its images"):
        _that_fit(trained(0.5), samples, options(size=sizes.OPEN))


def test_without_images_nothing_is_compared(samples: list[Sample]) -> None:
    with pytest.raises(UserError, match="run has no image to compare the export with: name some with images=DIR"):
        _that_fit(trained(), [], options())

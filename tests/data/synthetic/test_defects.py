"""Defects on a surface: they lie where the scene permits, and change nothing elsewhere."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest

from anomaly_lab.data.synthetic import defects
from anomaly_lab.data.synthetic.fields import SIZE, coordinates


@dataclass(frozen=True)
class Disc:
    """A grey disc with a little relief, on which defects may lie."""

    radius: float

    @property
    def region(self) -> np.ndarray:
        return (np.hypot(*coordinates()) < self.radius).astype(np.float32)

    def render(self) -> np.ndarray:
        x, y = coordinates()
        return np.repeat((0.5 + 0.1 * np.sin(x / 5) * np.sin(y / 5))[..., None], 3, 2).astype(np.float32)


RED, GREEN = (0.7, 0.1, 0.1), (0.1, 0.7, 0.1)
DEFECTS: list[tuple[str, dict[str, Any]]] = [
    ("stain", {"colours": (RED, GREEN), "radius": (10, 20), "opacity": (0.5, 0.8)}),
    ("scratch", {"length": (40, 80), "width": (1.5, 3), "strength": (0.2, 0.4), "count": 3}),
    ("crack", {"length": (40, 80), "width": (2, 3), "depth": (0.4, 0.8)}),
    ("thread", {"colours": (RED,), "length": (40, 80), "width": (2, 4), "opacity": (0.6, 0.9)}),
    ("hole", {"radius": (4, 8), "darkness": (0.5, 0.8), "count": 2}),
    ("glue", {"colour": GREEN, "radius": (10, 20), "aspect": (1, 3), "opacity": (0.3, 0.5)}),
    ("fragments", {"colours": (RED,), "radius": (4, 8), "count": 3}),
    ("lettering", {"colour": RED, "height": (16, 30), "opacity": (0.5, 0.8)}),
    ("rough_patch", {"radius": (15, 30), "strength": (0.1, 0.2)}),
]


@pytest.mark.parametrize(("name", "options"), DEFECTS, ids=[name for name, _ in DEFECTS])
@pytest.mark.parametrize("seed", range(3))
def test_a_defect_lies_on_the_object_and_nowhere_else(name: str, options: dict[str, Any], seed: int) -> None:
    """To one pixel: a crack's lit edge lies beside it."""
    scene = Disc(80)
    picture = getattr(defects, name)(scene, np.random.default_rng(seed), **options)
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.float32
    changed = np.abs(picture - scene.render()).max(2)
    allowed = cv2.dilate(scene.region, np.ones((3, 3), np.uint8)) > 0
    assert changed[~allowed].max() < 1e-6
    assert np.count_nonzero(changed > 0.03) > 20


def test_a_fold_keeps_the_mean_brightness() -> None:
    scene = Disc(200)
    for seed in range(5):
        picture = defects.fold(scene, np.random.default_rng(seed), (90, 150), (5, 9), (0.3, 0.6))
        assert np.abs(picture - scene.render()).max() > 0.05
        assert picture.mean() == pytest.approx(scene.render().mean(), rel=0.01)


@pytest.mark.parametrize("margin", [1, 20, 60, 200])
def test_a_place_keeps_its_margin_to_the_rim_or_lies_near_the_centre(margin: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = defects.place(Disc(80), rng, margin)
        assert np.hypot(x, y) <= 80 - min(margin, 0.8 * 80) + 2

"""The catalogue: enough categories and kinds of defect, each one visible, and no trivial map finds them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from anomaly_lab.data.synthetic.catalogue import KINDS, SAMPLERS
from anomaly_lab.data.synthetic.reader import ensure
from data.synthetic.files import COUNTS, pixels

TEXTURES = ("carpet", "grid", "leather", "tile", "wood")


def test_categories_are_mvtec_names_with_textures_and_objects() -> None:
    assert set(TEXTURES) < set(SAMPLERS) == set(KINDS)
    assert len(set(SAMPLERS) - set(TEXTURES)) >= 3
    assert all(len(kinds) >= 4 for kinds in KINDS.values())


@pytest.mark.parametrize("category", TEXTURES)
def test_distance_from_the_mean_colour_does_not_solve_a_texture(category: str, root: Path) -> None:
    folder = ensure(root, category, COUNTS)
    usual = np.mean([pixels(path).mean(axis=(0, 1)) for path in folder.glob("train/good/*.png")], axis=0)
    masks, smoothed_distance, distance_of_smoothed = [], [], []
    for path in sorted(folder.glob("test/*/*.png")):
        image = pixels(path).astype(np.float32)
        mask_path = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        mask = pixels(mask_path) if mask_path.exists() else np.zeros(image.shape[:2], np.uint8)
        distance = np.linalg.norm(image - usual, axis=2)
        smooth = cv2.GaussianBlur(image, (0, 0), 4)
        masks.append(mask[::4, ::4] > 0)
        smoothed_distance.append(cv2.GaussianBlur(distance, (0, 0), 4)[::4, ::4])
        distance_of_smoothed.append(np.linalg.norm(smooth - usual, axis=2)[::4, ::4])
    truth = np.ravel(masks)
    assert roc_auc_score(truth, np.ravel(distance_of_smoothed)) < 0.85
    assert roc_auc_score(truth, np.ravel(smoothed_distance)) < 0.85


@pytest.mark.parametrize(("category", "kind"), [(name, kind) for name, kinds in KINDS.items() for kind in kinds])
def test_every_kind_changes_a_part_of_the_scene_and_leaves_the_scene_itself_alone(category: str, kind: str) -> None:
    scene = SAMPLERS[category](np.random.default_rng(1))
    before = scene.render()
    spoilt = KINDS[category][kind](scene, np.random.default_rng(2))
    changed = np.abs(spoilt - before).max(2) > 0.03
    assert 20 < np.count_nonzero(changed) < changed.size / 3
    np.testing.assert_array_equal(scene.render(), before)

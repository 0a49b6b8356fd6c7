"""The catalogue: enough categories and kinds of defect, each one visible, and no trivial map finds them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from anomaly_lab.data.synthetic.catalogue import CATALOGUE
from anomaly_lab.data.synthetic.write import ensure
from data.synthetic.files import COUNTS, read

TEXTURES = ("carpet", "grid", "leather", "tile", "wood")


def test_categories_are_mvtec_names_with_textures_and_objects() -> None:
    assert set(TEXTURES) < set(CATALOGUE)
    assert len(set(CATALOGUE) - set(TEXTURES)) >= 3
    assert all(len(category.kinds) >= 4 for category in CATALOGUE.values())


@pytest.mark.parametrize("category", TEXTURES)
def test_distance_from_the_mean_colour_does_not_solve_a_texture(category: str, root: Path) -> None:
    folder = ensure(root, category, counts=COUNTS)
    usual = np.mean([read(path).mean(axis=(0, 1)) for path in folder.glob("train/good/*.png")], axis=0)
    masks, smoothed_distance, distance_of_smoothed = [], [], []
    for path in sorted(folder.glob("test/*/*.png")):
        image = read(path).astype(np.float32)
        mask_path = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        mask = read(mask_path) if mask_path.exists() else np.zeros(image.shape[:2], np.uint8)
        distance = np.linalg.norm(image - usual, axis=2)
        smooth = cv2.GaussianBlur(image, (0, 0), 4)
        masks.append(mask[::4, ::4] > 0)
        smoothed_distance.append(cv2.GaussianBlur(distance, (0, 0), 4)[::4, ::4])
        distance_of_smoothed.append(np.linalg.norm(smooth - usual, axis=2)[::4, ::4])
    truth = np.ravel(masks)
    assert roc_auc_score(truth, np.ravel(distance_of_smoothed)) < 0.85
    assert roc_auc_score(truth, np.ravel(smoothed_distance)) < 0.85


@pytest.mark.parametrize(("category", "kind"), [(name, kind) for name, each in CATALOGUE.items() for kind in each.kinds])
def test_every_kind_changes_a_part_of_the_scene_and_leaves_the_scene_itself_alone(category: str, kind: str) -> None:
    scene = CATALOGUE[category].sample(np.random.default_rng(1))
    before = scene.render()
    spoilt = CATALOGUE[category].kinds[kind](scene, np.random.default_rng(2))
    changed = np.abs(spoilt - before).max(2) > 0.03
    assert 20 < np.count_nonzero(changed) < changed.size / 3
    np.testing.assert_array_equal(scene.render(), before)

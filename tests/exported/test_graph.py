"""The graph gives, for a batch, what `scored.look` and `detect` give for each image."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import scoring
from data.bolts import bolt

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.exported.graph import Graph
from anomaly_lab.scored import look, preprocessing_of
from exported.tiny import SIZE, module_of, pictures

TOP = {"_target_": "anomaly_lab.scoring.poolings.mean_top", "name": "mean_top", "share": 0.01}
FEATURES: dict[str, Any] = {
    "network": {
        "_target_": "anomaly_lab.networks.patch_autoencoder.PatchFeatures",
        "encoder": "random",
        "encoder_file": None,
        "neighbourhood": 3,
    },
    "objective": {"name": "none"},
    "scoring": {
        "scorer": {"_target_": "anomaly_lab.scoring.scorers.FeatureScorer", "name": "features"},
        "detector": {
            "_target_": "anomaly_lab.scoring.memory_bank.MemoryBank",
            "size": 30,
            "reduction": "random",
            "whiten": 0.01,
            "reweight": 3,
            "seed": 0,
        },
        "evidence": "neighbours",
        "pooling": TOP,
        "sigma": 2,
        "tile": 0,
    },
}
MODULES: dict[str, dict[str, Any]] = {
    "tiles, half the size": {},
    "whole images, enlarged, each in its own contrast": {
        "scoring": scoring("squared+absolute", pooling=TOP),
        "preprocessing": {"scale": 1.3, "contrast": "image"},
    },
    "rescaled": {"preprocessing": {"scale": 1.0, "contrast": "none", "rescale": "training", "longest": 64}},
    "aligned": {"preprocessing": {"scale": 1.0, "contrast": "category", "mean": 0.4, "std": 0.1, "align": True}},
    "features": FEATURES | {"preprocessing": {"scale": 2.0, "contrast": "none"}},
}


@pytest.mark.parametrize("name", MODULES)
def test_heatmap_score_mask_and_decision_are_those_of_the_run(name: str) -> None:
    module, images = module_of(**MODULES[name]), pictures(4)
    if name == "aligned":
        for i, image in enumerate(images[:3]):  # one more shows no part
            image[:] = cv2.resize(bolt(50 * i, seed=i), image.shape[1::-1])
    if "features" in name:
        bank = [module.F.features(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(i))) for i in range(3)]
        module.scorer.detector.fit(bank, 3)
    elif len(module.scorer.fusion.maps) > 1:
        module.scorer.fusion.units.copy_(
            torch.cat([torch.tensor([[0.05, 1.0]] * 2), torch.linspace(-4, 2, 64).repeat(2, 1)], 1)
        )
    prepare, expected = preprocessing_of(module), []
    for image in images:
        X, size, _, way = prepared(image, prepare)
        assert way is None or torch.equal(way, torch.eye(2, 3)) == (len(expected) == 3)
        expected.append(look(module, X, size, way=way))
    module.threshold.fill_(float(np.quantile([e.heatmap.max() for e in expected], 0.4)) * 0.9)
    with torch.no_grad():
        heatmap, mask, score, defective = Graph(module, SIZE, "fp32")(torch.from_numpy(images))
    for i, each in enumerate(expected):
        np.testing.assert_allclose(heatmap[i], each.heatmap, atol=3e-5 * max(1, np.abs(each.heatmap).max()))
        assert float(score[i]) == pytest.approx(each.score, rel=1e-4)
        assert np.array_equal(mask[i], detect(heatmap[i].numpy(), float(module.threshold), module.hparams["min_area"]))
        assert bool(defective[i]) == bool(mask[i].any())
    assert mask.any() and not mask.all()


def test_fp16_rounds_the_network_alone() -> None:
    module, images = module_of(), torch.from_numpy(pictures(2))
    with torch.no_grad():
        full, half = (Graph(module, SIZE, precision)(images)[0] for precision in ("fp32", "fp16"))
    away = float((full - half).abs().max())
    assert 0 < away < 1e-2 and half.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in module.parameters()), "the run's own network stays as it is"

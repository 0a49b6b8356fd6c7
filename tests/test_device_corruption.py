"""Corruption of a whole batch: the promises of the one that goes image by image, and that it looks alike."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import small_data, small_module, small_trainer
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anomaly_lab.corruption import MIN_CHANGE, Elastic, LocalCorruption
from anomaly_lab.data.datasets import Key
from anomaly_lab.device_corruption import SHAPES, ElasticOnDevice
from anomaly_lab.module import AnomalyModule

RECORD = {"_target_": "anomaly_lab.device_corruption.ElasticOnDevice", "name": "elastic_on_device"}


def textured(count: int, side: int, seed: int = 0) -> Tensor:
    """Smooth coloured noise, (B, 3, side, side) in [0, 1]."""
    noise = np.random.default_rng(seed).random((count, side, side, 3), dtype=np.float32)
    smooth = np.stack([cv2.GaussianBlur(x, (0, 0), 2) for x in noise])
    return torch.from_numpy((0.5 + 2 * (smooth - smooth.mean())).clip(0, 1)).permute(0, 3, 1, 2)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 4),
    height=st.integers(8, 70),
    width=st.integers(8, 70),
    seed=st.integers(0, 2**31 - 1),
    value=st.sampled_from([0.0, 0.3, 1.0, None]),
    shapes=st.lists(st.sampled_from(SHAPES), min_size=1, unique=True),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_what_is_promised_of_x_hat_and_m(
    batch: int, height: int, width: int, seed: int, value: float | None, shapes: list[str], share: float
) -> None:
    X = textured(batch, 70, seed)[..., :height, :width] if value is None else torch.full((batch, 3, height, width), value)
    X_hat, M = ElasticOnDevice(shapes=shapes, brightness_share=share)(X, seed)
    assert X_hat.shape == X.shape
    assert M.shape == (batch, 1, height, width)
    assert set(M.unique().tolist()) <= {0.0, 1.0}
    assert ((X_hat == X) | (M == 1)).all(), "X̂ = X wherever M = 0"
    assert 0 <= X_hat.min() <= X_hat.max() <= 1
    assert (M.sum((1, 2, 3)) > 0).all()
    assert ((X_hat - X).abs().amax((1, 2, 3)) >= MIN_CHANGE - 1e-6).all(), "so ‖X̂−X‖₁ > 0 in every image"


def test_the_seed_decides() -> None:
    X, corrupt = textured(3, 48), ElasticOnDevice()
    first, again, other = corrupt(X, 1), corrupt(X, 1), corrupt(X, 2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
    assert not torch.equal(first[1][0], first[1][1]), "each image has its own patches"


def test_a_shift_of_brightness_alone_by_hand() -> None:
    """Nothing moves (amplitude 0), every patch is lighter or darker by .125: X̂ − X is ±.125 on M and 0 elsewhere."""
    X = torch.full((8, 3, 40, 40), 0.5)
    corrupt = ElasticOnDevice(amplitude=(0, 0), count=(1, 1), brightness=(0.125, 0.125), brightness_share=1)
    X_hat, M = corrupt(X, 0)
    difference = X_hat - X
    torch.testing.assert_close(difference.abs(), 0.125 * M.expand_as(X), rtol=0, atol=1e-6)
    signs = {round(float(d.sum() / m.sum() / 3), 3) for d, m in zip(difference, M, strict=True)}
    assert signs == {-0.125, 0.125}, "either way"


def test_rectangles_by_hand() -> None:
    """A rectangle of half the sides covers a quarter of the pixels, whole rows of it."""
    M = ElasticOnDevice(shapes=["rectangle"], size=(0.5, 0.5), count=(1, 1))(textured(16, 40), 0)[1]
    assert (M.sum((1, 2, 3)) == 400).all()
    assert all(set(m[0].sum(1).tolist()) == {0.0, 20.0} for m in M)


def test_ellipses_cover_what_an_ellipse_covers() -> None:
    M = ElasticOnDevice(shapes=["ellipse"], size=(0.5, 0.5), count=(1, 1))(textured(16, 160), 0)[1]
    assert M.sum((1, 2, 3)).numpy() == pytest.approx(np.pi * 40**2, rel=0.01)


def both(X: Tensor, **changes: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """(|X̂ − X| averaged over M, share of M) of each image: one by one, and as a batch."""
    one_by_one, pairs = LocalCorruption([Elastic()], **changes), []
    for i, x in enumerate(X.permute(0, 2, 3, 1).numpy()):
        one_by_one.set_random_seed(i)
        pair = one_by_one(image=np.ascontiguousarray(x), mask=np.zeros(x.shape[:2], np.float32))
        pairs.append((torch.from_numpy(pair["image"]).permute(2, 0, 1), torch.from_numpy(pair["mask"])[None]))
    found = []
    for X_hat, M in ([torch.stack(parts) for parts in zip(*pairs, strict=True)], ElasticOnDevice(**changes)(X, 0)):
        change = ((X_hat - X).abs().mean(1, keepdim=True) * M).sum((1, 2, 3)) / M.sum((1, 2, 3))
        found.append((change.numpy(), M.mean((1, 2, 3)).numpy()))
    return found


def test_it_looks_like_the_one_that_goes_image_by_image() -> None:
    """As much is changed, by as much, on average over 150 images, each within three standard errors and 10 %."""
    for changes in ({"brightness_share": 0.0}, {}):
        for a, b in zip(*both(textured(150, 64), **changes), strict=True):
            error = np.sqrt((a.var() + b.var()) / len(a))
            assert abs(a.mean() - b.mean()) < 3 * error + 0.1 * a.mean()


def test_shapes_that_it_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown shapes \['stroke'\]"):
        ElasticOnDevice(shapes=["stroke"])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_corrupts_its_batches_where_they_are_trained_on(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    seen: list[dict[str, Tensor]] = []
    step = AnomalyModule.training_step

    def watched(self: AnomalyModule, batch: dict[str, Tensor], index: int) -> Tensor:
        seen.append({name: x.clone() for name, x in batch.items()})
        return step(self, batch, index)

    monkeypatch.setattr(AnomalyModule, "training_step", watched)
    data = small_data(data_root, corruption=RECORD, num_workers=workers)
    small_trainer(tmp_path, max_epochs=2).fit(small_module(), datamodule=data)
    assert len(seen) == 4
    samples, corrupt = data._training_samples(), ElasticOnDevice()
    for i, batch in enumerate(seen):
        drawn = [samples[Key(i // 2, 2 * i + k, 64)] for k in range(2)]
        assert torch.equal(batch["X"], torch.stack([d["X"] for d in drawn]))
        expected = corrupt(batch["X"], drawn[0]["seed"])
        assert torch.equal(batch["X_hat"], expected[0])
        assert torch.equal(batch["M"], expected[1])


def test_pairs_to_look_at(data_root: Path) -> None:
    data = small_data(data_root, corruption=RECORD)
    data.prepare_data()
    data.setup()
    for pair in data.training_pairs(3):
        assert pair["X"].shape == pair["X_hat"].shape == (3, 64, 64)
        assert pair["M"].shape == (1, 64, 64)
        assert 0 < pair["M"].mean() < 1

"""The head: its loss learns, its map is positive, and it draws from torch's generator alone."""

import pytest
import torch

from anomaly_lab.scoring.head import HIGHEST, Head


def head(**changes: float) -> Head:
    torch.manual_seed(0)
    options = {"width": 4, "scale": 2, "clean": 0.3, "gain": 0.1, "offset": 0.02} | changes
    return Head(**options)  # type: ignore[arg-type]


def textures(count: int = 4, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    noise = torch.nn.functional.avg_pool2d(torch.rand(count, 1, side + 4, side + 4, generator=generator), 5, 1)
    return noise.expand(count, 3, side, side).contiguous()


def test_the_loss_falls_with_training() -> None:
    found, X = head(), textures()
    optimizer = torch.optim.AdamW(found.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        loss = found.loss(X)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_a_step_follows_from_torch_s_seed() -> None:
    found, X = head().eval(), textures()
    values = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        values.append(found.loss(X).item())
    assert values[0] == values[1] != values[2]


def test_without_defects_the_label_is_empty() -> None:
    found, X = head(clean=1.0, gain=0, offset=0).eval(), textures()
    with torch.no_grad():
        logits = found.network(torch.nn.functional.avg_pool2d(X, 2))
    assert found.loss(X).item() == pytest.approx(torch.nn.functional.softplus(logits).mean().item(), rel=1e-4)


@pytest.mark.parametrize("size", [(64, 48), (65, 47)])
def test_the_map_has_the_image_s_size_and_is_positive(size: tuple[int, int]) -> None:
    X = torch.rand(2, 3, *size)
    odds = head().eval()(X, X, 2.0)
    assert odds.shape == (2, *size) and odds.min() > 0 and odds.max() <= torch.tensor(HIGHEST).exp()


def test_a_single_crop_gives_patches_to_itself() -> None:
    assert head().loss(textures(1)).isfinite()

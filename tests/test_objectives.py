"""Each objective against values computed by hand on 2×2 images, and its gradients."""

import math

import pytest
import torch

from anomaly_lab import objectives

# One grey image of 2×2 in one channel. Upper row normal (M̄), lower row corrupted (M).
X = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).view(1, 1, 2, 2)
X_HAT = torch.tensor([[0.5, 0.5], [0.7, 0.1]]).view(1, 1, 2, 2)  # |X̂−X| = .2, .4 in the lower row
M = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).view(1, 1, 2, 2)
OUTPUT = torch.tensor([[0.8, 0.1], [0.5, 0.8]]).view(1, 1, 2, 2)  # errors .3, −.4 | 0, .3


def by_hand(objective, **kwargs):
    return getattr(objectives, objective)(OUTPUT, X, X_HAT, M, **kwargs).item()


def test_restore_by_hand():
    # ‖M̄⊙E‖₂ = √(.09+.16) = .5, ‖M̄‖₁ = 2; ‖M⊙E‖₂ = .3, ‖M‖₁ = 2
    assert by_hand("restore", lam=0.6, norm="l2") == pytest.approx(0.6 * 0.5 / 2 + 0.4 * 0.3 / 2)
    assert by_hand("restore", lam=0.6, norm="squared") == pytest.approx(0.6 * 0.25 / 2 + 0.4 * 0.09 / 2)


def test_amplify_mask_by_hand():
    assert by_hand("amplify_mask", lam=0.6, norm="l2") == pytest.approx(0.6 * 0.25 - 0.4 * 0.15)
    assert by_hand("amplify_mask", lam=0.6, norm="squared") == pytest.approx(0.6 * 0.125 - 0.4 * 0.045)


def test_amplify_by_hand():
    # ‖X̂−X‖₁ = .6; |X̂−X|⊙E = (.2·0, .4·.3) so its norm is .12
    assert by_hand("amplify", lam=0.6, norm="l2") == pytest.approx(0.6 * 0.25 - 0.4 * 0.12 / 0.6)
    assert by_hand("amplify", lam=0.6, norm="squared") == pytest.approx(0.6 * 0.125 - 0.4 * 0.0144 / 0.6)


def test_segment_by_hand():
    # |F(X̂)−X̂| = .3, .4 | .2, .7; the target is 0 for normal pixels and 1 for corrupted ones
    expected = -(math.log(0.7) + math.log(0.6) + math.log(0.2) + math.log(0.7)) / 4
    assert by_hand("segment") == pytest.approx(expected, rel=1e-5)


def test_l2_by_hand():
    assert by_hand("l2") == pytest.approx((0.09 + 0.16 + 0 + 0.09) / 4)


@pytest.mark.parametrize("name", ["restore", "amplify_mask", "amplify"])
@pytest.mark.parametrize("norm", ["l2", "squared"])
def test_norms_are_computed_per_sample_and_then_averaged(name, norm):
    objective = getattr(objectives, name)
    torch.manual_seed(0)
    pair = [torch.rand(2, 3, 4, 4) for _ in range(3)]
    masks = torch.zeros(2, 1, 4, 4)
    masks[0, :, :1], masks[1, :, :3] = 1, 1
    batch = objective(*pair, masks, lam=0.3, norm=norm)
    each = [objective(*(t[i : i + 1] for t in pair), masks[i : i + 1], lam=0.3, norm=norm) for i in range(2)]
    assert batch.item() == pytest.approx((each[0] + each[1]).item() / 2, rel=1e-6)


@pytest.mark.parametrize("name", ["restore", "amplify_mask", "amplify"])
def test_a_one_channel_mask_is_the_three_channel_mask(name):
    objective = getattr(objectives, name)
    torch.manual_seed(0)
    output, x, x_hat = (torch.rand(2, 3, 4, 4) for _ in range(3))
    mask = (torch.rand(2, 1, 4, 4) > 0.5).float()
    values = [objective(output, x, x_hat, m, lam=0.5, norm="l2") for m in (mask, mask.expand(-1, 3, -1, -1))]
    assert torch.equal(*values)


@pytest.mark.parametrize("norm", ["l2", "squared"])
def test_2_and_3_are_equal_for_a_binary_difference(norm):
    """|X̂−X| = M gives (3) the weights of (2)."""
    torch.manual_seed(0)
    mask = (torch.rand(3, 3, 4, 4) > 0.6).float()
    x = (torch.rand(3, 3, 4, 4) > 0.5).float()
    x_hat = torch.where(mask > 0, 1 - x, x)
    output = torch.rand(3, 3, 4, 4)
    two, three = (f(output, x, x_hat, mask, 0.7, norm) for f in (objectives.amplify_mask, objectives.amplify))
    assert two.item() == pytest.approx(three.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["restore", "amplify_mask", "amplify"])
@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("norm", ["l2", "squared"])
def test_an_empty_region_contributes_nothing(name, fill, norm):
    """‖M‖₁ = 0 leaves the first term and ‖M̄‖₁ = 0 the second; value and gradient stay finite."""
    output = OUTPUT.clone().requires_grad_()
    mask = torch.full_like(M, fill)
    x_hat = X if fill == 0 else 1 - X + 0.25
    value = getattr(objectives, name)(output, X, x_hat, mask, lam=0.6, norm=norm)
    value.backward()
    total = ((OUTPUT - X) ** 2).sum()
    total = total.sqrt() if norm == "l2" else total
    if fill == 0:
        expected = 0.6 * total / 4
    else:
        sign = 1 if name == "restore" else -1
        weight = 0.25**2 if norm == "squared" else 0.25  # |X̂−X| = .25 everywhere, ‖X̂−X‖₁ = 1
        expected = sign * 0.4 * (total * weight / 1 if name == "amplify" else total / 4)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert output.grad.isfinite().all()


@pytest.mark.parametrize("name", ["restore", "amplify_mask", "amplify"])
@pytest.mark.parametrize("norm", ["l2", "squared"])
def test_the_loss_and_the_gradient_of_a_perfect_output_are_zero(name, norm):
    output = X.clone().requires_grad_()
    value = getattr(objectives, name)(output, X, X_HAT, M, lam=0.6, norm=norm)
    value.backward()
    assert value.item() == 0
    assert torch.equal(output.grad, torch.zeros_like(X))


@pytest.mark.parametrize("name", ["restore", "amplify_mask", "amplify", "segment", "l2"])
@pytest.mark.parametrize("norm", ["l2", "squared"])
def test_gradients(name, norm):
    torch.manual_seed(0)
    x, x_hat = (torch.rand(2, 3, 3, 3, dtype=torch.float64) for _ in range(2))
    mask = (torch.rand(2, 1, 3, 3) > 0.5).double()
    output = torch.rand(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    kwargs = {} if name in ("segment", "l2") else {"lam": 0.7, "norm": norm}
    assert torch.autograd.gradcheck(lambda o: getattr(objectives, name)(o, x, x_hat, mask, **kwargs), (output,))


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match=r"objective\.norm is l1: it must be one of l2, squared"):
        objectives.restore(OUTPUT, X, X_HAT, M, lam=0.5, norm="l1")


def test_patch_reconstruction_by_hand():
    """The target is X̂: errors .3, −.4 | −.2, .7."""
    assert by_hand("patch_reconstruction") == pytest.approx((0.09 + 0.16 + 0.04 + 0.49) / 4)


def test_ssim_by_hand():
    """For two flat images only the luminance term remains: (2ab + c₁) / (a² + b² + c₁) with c₁ = 0.01²."""
    a, b = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.25)
    c1 = 0.01**2
    expected = 1 - (2 * 0.125 + c1) / (0.25 + 0.0625 + c1)
    assert objectives.ssim(a, b, b, M).item() == pytest.approx(expected, rel=1e-4)
    assert objectives.ssim(a, a, b, M).item() == pytest.approx(0, abs=1e-6)


def test_uncorrelated_is_the_variance_at_grey_and_nothing_where_the_correlation_is_enough() -> None:
    """X is ±¼ about ½: its variance is 1/16. The sum of X and a pattern of the same size that is unrelated has ρ = 1/√2."""
    row = torch.tensor([0.75, 0.25, 0.75, 0.25])
    X = row.expand(1, 3, 4, 4).contiguous()
    other = X.transpose(2, 3)
    cases = {
        "grey": (torch.full_like(X, 0.5), 1.0),
        "itself, faint and darker": (0.1 * X + 0.2, 0.0),
        "its negative": (1 - X, 3.0),
        "unrelated": (other, 1.0),
        "half of it": ((X + other) / 2, 0.0),
        "a quarter of it": (X / 4 + other / 2, 1 - 2 / math.sqrt(5)),  # ρ = ¼/√(1/16 + 1/4) = 1/√5
    }
    for name, (output, expected) in cases.items():
        assert objectives.uncorrelated(output, X, 0.5).item() == pytest.approx(expected / 16, abs=1e-6), name
    assert objectives.uncorrelated(X, torch.full_like(X, 0.5), 0.5).item() == 0, "a flat X asks for nothing"


def test_uncorrelated_has_a_finite_gradient_at_grey() -> None:
    output = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    objectives.uncorrelated(output, torch.rand(1, 3, 4, 4), 0.5).backward()
    assert output.grad is not None and torch.isfinite(output.grad).all() and output.grad.abs().sum() > 0

"""The copy for inference computes the same as the network, up to rounding, and follows its weights."""

import pytest
import torch
from conftest import Finished, small_module
from torch import Tensor, nn

from anomaly_lab.data.folder import scan
from anomaly_lab.data.images import read_image, read_mask
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.metrics.pooled import PixelMetrics
from anomaly_lab.module import AnomalyModule
from anomaly_lab.networks.fast.folding import ForInference, folded
from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder


def seasoned() -> SDCAutoencoder:
    """A network whose normalisation layers have statistics, weights and biases that differ from the initial ones."""
    torch.manual_seed(0)
    network = SDCAutoencoder(1 / 16, checkpointing=False, standardize=False)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0, 0.2)
            norm.momentum = 1.0
    with torch.no_grad():
        network(torch.rand(2, 3, 64, 64))
    return network.eval()


@torch.no_grad()
def test_folding_changes_rounding_only() -> None:
    network, X = seasoned(), torch.rand(2, 3, 40, 56)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = folded(network)
    assert not [m for m in copy.modules() if isinstance(m, nn.BatchNorm2d)], "no normalisation is left"
    assert network(X).std() > 0.01, "the output varies"
    torch.testing.assert_close(copy(X), network(X), rtol=0, atol=2e-5)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items()), "the original is unchanged"


@torch.no_grad()
def test_the_copy_is_made_once_and_follows_every_change_of_the_weights() -> None:
    network, X, made = seasoned(), torch.rand(1, 3, 32, 32), ForInference()
    first = made(network, "cpu")
    assert made(network, "cpu") is first
    network.last.weight.mul_(2)
    torch.testing.assert_close(made(network, "cpu")(X), network(X), rtol=0, atol=2e-5)
    network.train()(X), network.eval()  # running statistics
    torch.testing.assert_close(made(network, "cpu")(X), network(X), rtol=0, atol=2e-5)
    network.load_state_dict(seasoned().state_dict())
    torch.testing.assert_close(made(network, "cpu")(X), network(X), rtol=0, atol=2e-5)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = made(network, "cpu")
        assert rounded.decoder[0][0].weight.dtype == torch.bfloat16
        assert rounded.last.weight.dtype == torch.float32
        assert rounded(X).dtype == torch.float32


class Gained(nn.Module):
    """A convolution, a gain that can be folded into it, and an end that stays in float32 if `exact`."""

    def __init__(self, exact: bool) -> None:
        super().__init__()
        self.conv, self.gain, self.end = nn.Conv2d(3, 3, 1), 2.0, nn.Conv2d(3, 3, 1)
        self.end.keeps_float32 = exact  # type: ignore[assignment]

    def fold(self) -> None:
        self.conv.weight.data *= self.gain
        self.conv.bias.data *= self.gain  # type: ignore[union-attr]
        self.gain = 1.0

    def folded(self) -> nn.Module:
        return folded(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.end((self.gain * self.conv(x)).to(self.end.weight.dtype))


@torch.no_grad()
def test_any_network_can_offer_a_folded_copy_and_modules_that_keep_float32() -> None:
    network, X = Gained(exact=True).eval(), torch.rand(1, 3, 4, 4)
    copy = ForInference()(network, "cpu")
    assert isinstance(copy, Gained) and (copy.gain, network.gain) == (1.0, 2.0)
    torch.testing.assert_close(copy(X), network(X))
    for exact, kind in ((True, torch.float32), (False, torch.bfloat16)):
        with torch.autocast("cpu", torch.bfloat16):
            rounded = ForInference()(Gained(exact), "cpu")
        assert rounded.conv.weight.dtype == torch.bfloat16
        assert rounded.end.weight.dtype == kind


def test_a_network_without_a_folded_copy_is_used_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    assert ForInference()(network, "cpu") is network


def test_the_copy_is_not_part_of_the_module_s_state_and_not_used_in_training() -> None:
    module = small_module().eval()
    names = set(module.state_dict())
    module.F(torch.rand(1, 3, 32, 32))
    assert set(module.state_dict()) == names
    module.train()(torch.rand(2, 3, 32, 32)).mean().backward()
    assert module.network.last.weight.grad is not None


@torch.no_grad()
def test_bf16_and_folding_change_heatmaps_and_metrics_of_a_trained_network_by_little(finished: Finished) -> None:
    """Against the unfolded network in float32, on the run's test images."""
    module = AnomalyModule.load_from_checkpoint(finished.directory / "checkpoints/best.ckpt", weights_only=True).eval()
    preprocessing = Preprocessing(**module.hparams["preprocessing"])
    samples = [s for s in scan(finished.root, "stripes").test if s.mask is not None]

    def heatmaps(fast: bool) -> list[Tensor]:
        module.precision, found = "bf16-mixed" if fast else "32-true", []
        for sample in samples:
            X = torch.from_numpy(preprocessing(read_image(sample.path)).transpose(2, 0, 1).copy())[None]
            run = module.F if fast else module.network
            found.append(module.scorer(run, X).heatmap[0])
        return found

    def auroc(maps: list[Tensor]) -> float:
        metric = PixelMetrics()
        for sample, heatmap in zip(samples, maps, strict=True):
            assert sample.mask is not None
            truth = torch.from_numpy(read_mask(sample.mask, (64, 64)))
            metric.update(heatmap, truth, torch.zeros_like(truth))
        value = metric.compute()["pixel_auroc"]
        assert value is not None
        return value

    slow, fast = heatmaps(fast=False), heatmaps(fast=True)
    for a, b in zip(slow, fast, strict=True):
        assert (a - b).abs().max() < 0.05 * a.max(), "a twentieth of the heatmap's highest value"
    assert auroc(fast) == pytest.approx(auroc(slow), abs=0.005)

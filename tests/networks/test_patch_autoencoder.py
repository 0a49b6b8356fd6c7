"""Patch features, and Patch AE's network: one vector, and nothing else, reconstructs each patch."""

from typing import Any

import pytest
import torch

from anomaly_lab.networks.patch_autoencoder import PatchAutoencoder, PatchDecoder, PatchFeatures

FEATURES: dict[str, Any] = {"encoder": "random", "encoder_file": None, "neighbourhood": 3}
DECODER: dict[str, Any] = {"frozen": False, "decoder": "patch_wise", "hidden": 8, "encoder_rate": 0.1}


def features(**changes: Any) -> PatchFeatures:
    return PatchFeatures(**FEATURES | changes)


def autoencoder(**changes: Any) -> PatchAutoencoder:
    return PatchAutoencoder(**FEATURES | DECODER | changes)


def gradients(kernel: int, place: tuple[int, int]) -> torch.Tensor:
    """The sum of absolute gradients of the output patch at `place` with respect to each vector: (h', w')."""
    torch.manual_seed(0)
    decoder = PatchDecoder(channels=6, hidden=32, kernel=kernel)
    decoder.begin(torch.randn(50, 6), torch.rand(4, 3))
    vectors = torch.randn(1, 6, 4, 5, requires_grad=True)
    i, j = place
    patch = decoder(vectors)[..., 8 * i : 8 * i + 8, 8 * j : 8 * j + 8]
    (patch * torch.randn_like(patch)).sum().backward()
    assert vectors.grad is not None
    return vectors.grad.abs().sum((0, 1))


@pytest.mark.parametrize("place", [(0, 0), (2, 3), (3, 4)])
def test_a_patch_depends_on_its_own_vector_alone(place: tuple[int, int]) -> None:
    found = gradients(1, place)
    assert found[place] > 0
    found[place] = 0
    assert (found == 0).all(), "exactly"


def test_the_convolutional_decoder_is_not_patch_wise() -> None:
    """This shows that the test above can fail."""
    found = gradients(3, (2, 3))
    assert (found[1:, 1:] > 0).sum() > 9


def learnt(begin: bool) -> float:
    """The relative error after 40 steps. Small differences between large vectors determine the patches, which are dark."""
    torch.manual_seed(0)
    decoder = PatchDecoder(channels=12, hidden=64, kernel=1)
    own, to_pixels = torch.randn(1, 12, 16, 16), torch.randn(192, 12, 1, 1)
    vectors = 5 * torch.randn(12, 1, 1) + 0.3 * own
    image = torch.nn.functional.pixel_shuffle(0.2 + 0.02 * torch.nn.functional.conv2d(own, to_pixels), 8).clamp(0, 1)
    if begin:
        decoder.begin(vectors[0].flatten(1).T, image.mean((2, 3)))
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=2e-3)
    for _ in range(40):
        optimizer.zero_grad()
        (decoder(vectors) - image).square().mean().backward()
        optimizer.step()
    error = (decoder(vectors) - image).square().sum() / (image - image.mean((2, 3), keepdim=True)).square().sum()
    return error.item()


def test_after_begin_the_decoder_learns_quickly() -> None:
    assert learnt(begin=True) < 0.5
    assert learnt(begin=False) > 0.9, "without `begin` it does not"


def test_the_network_begins_with_the_mean_colour_and_vectors_of_normal_images() -> None:
    network = autoencoder()
    color = torch.tensor([0.7, 0.2, 0.4]).view(3, 1, 1)
    images = [(color + 0.05 * torch.randn(3, 32, 48)).clamp(0, 1) for _ in range(3)]
    network.begin(iter(images))
    decoder = network.decoder
    with torch.no_grad():
        vectors = torch.cat([network.encode(X[None])[0].flatten(1) for X in images], 1)
        x = (vectors - decoder.mean[:, 0]) / decoder.std[:, 0]
        for layer in (decoder.layers[0], decoder.layers[-1]):
            layer.get_parameter("weight").zero_()
        output = network(images[0][None])
    torch.testing.assert_close(x.mean(1), torch.zeros(len(x)), atol=1e-3, rtol=0)
    torch.testing.assert_close(x.std(1, correction=0), torch.ones(len(x)), atol=1e-3, rtol=0)
    torch.testing.assert_close(output, color.expand_as(output[0])[None], atol=0.01, rtol=0)


def test_features_without_a_decoder_begin_without_reading_an_image() -> None:
    features().begin(pytest.fail("read") for _ in range(1))


def test_features_are_the_autoencoder_without_its_decoder() -> None:
    """The same tensors under the same names, none of them trained; there is no F(X)."""
    torch.manual_seed(0)
    alone = features()
    torch.manual_seed(0)
    whole = autoencoder()
    state = {name: value for name, value in whole.state_dict().items() if not name.startswith("decoder.")}
    assert list(alone.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in alone.state_dict().items())
    assert not any(p.requires_grad for p in alone.parameters())
    assert (alone.reconstructs, whole.reconstructs) == (False, True)
    X = torch.rand(1, 3, 40, 33)
    assert torch.equal(alone.features(alone.encode(X)), whole.features(whole.encode(X)))


@pytest.mark.parametrize("size", [(32, 32), (36, 50), (41, 33)])
def test_the_output_has_the_size_and_range_of_the_input(size: tuple[int, int]) -> None:
    network = autoencoder()
    output = network(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert output.dtype == torch.float32
    assert 0 <= output.min() <= output.max() <= 1


def test_a_feature_is_the_mean_of_a_vector_and_its_neighbours() -> None:
    network = features()
    vectors = torch.randn(1, 2, 4, 5)
    found = network.features(vectors)
    torch.testing.assert_close(found[..., 1, 2], vectors[..., 0:3, 1:4].mean((-2, -1)))
    torch.testing.assert_close(found[..., 0, 0], vectors[..., 0:2, 0:2].sum((-2, -1)) / 9)
    assert torch.equal(features(neighbourhood=1).features(vectors), vectors)


def test_which_parameters_are_trained_and_at_which_rate() -> None:
    def trained(**changes: object) -> dict[str, float]:
        network = autoencoder(**changes)
        return {name: network.learning_rate(name) for name, p in network.named_parameters() if p.requires_grad}

    rates = trained()
    assert {rate for name, rate in rates.items() if name.startswith("encoder.")} == {0.1}
    assert {rate for name, rate in rates.items() if name.startswith("decoder.")} == {1.0}
    assert {name.partition(".")[0] for name in rates} == {"encoder", "decoder"}
    assert {name.partition(".")[0] for name in trained(frozen=True)} == {"decoder"}


@pytest.mark.parametrize(
    ("options", "says"),
    [({"encoder": "imagenet"}, "model.encoder is imagenet"), ({"decoder": "none"}, "model.decoder is none"),
     ({"neighbourhood": 2}, "model.neighbourhood is 2"), ({"neighbourhood": -1}, "model.neighbourhood is -1")],
)  # fmt: skip
def test_an_invalid_argument_is_named(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        autoencoder(**options)

"""Patch AE's network: each patch from its one vector, nothing else."""

import pytest
import torch

from anomaly_lab.networks.patch_autoencoder import PatchAutoencoder, PatchDecoder


def gradients(kernel: int, place: tuple[int, int]) -> torch.Tensor:
    """How much the output patch at `place` depends on each vector: (h', w')."""
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
    """So that the test above can fail."""
    found = gradients(3, (2, 3))
    assert (found[1:, 1:] > 0).sum() > 9


def learnt(begin: bool) -> float:
    """The relative error after 40 steps on dark patches that follow from small differences between large vectors."""
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


def test_from_where_it_begins_the_decoder_learns_what_tells_patches_apart() -> None:
    assert learnt(begin=True) < 0.5
    assert learnt(begin=False) > 0.9, "so that the test can fail"


def test_the_network_begins_with_the_mean_colour_and_vectors_of_normal_images() -> None:
    network = PatchAutoencoder(encoder="random", hidden=8)
    color = torch.tensor([0.7, 0.2, 0.4]).view(3, 1, 1)
    images = [(color + 0.05 * torch.randn(3, 32, 48)).clamp(0, 1) for _ in range(3)]
    network.begin(iter(images))
    decoder = network.decoder
    assert decoder is not None
    with torch.no_grad():
        vectors = torch.cat([network.encode(X[None])[0].flatten(1) for X in images], 1)
        x = (vectors - decoder.mean[:, 0]) / decoder.std[:, 0]
        for layer in (decoder.layers[0], decoder.layers[-1]):
            layer.get_parameter("weight").zero_()
        output = network(images[0][None])
    torch.testing.assert_close(x.mean(1), torch.zeros(len(x)), atol=1e-3, rtol=0)
    torch.testing.assert_close(x.std(1, correction=0), torch.ones(len(x)), atol=1e-3, rtol=0)
    torch.testing.assert_close(output, color.expand_as(output[0])[None], atol=0.01, rtol=0)


def test_a_detector_without_a_decoder_begins_without_reading_an_image() -> None:
    PatchAutoencoder(encoder="random", decoder="none").begin(pytest.fail("read") for _ in range(1))


@pytest.mark.parametrize("size", [(32, 32), (36, 50), (41, 33)])
def test_the_image_comes_back_in_its_own_size_and_range(size: tuple[int, int]) -> None:
    network = PatchAutoencoder(encoder="random", hidden=8)
    output = network(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert output.dtype == torch.float32
    assert 0 <= output.min() <= output.max() <= 1


def test_features_are_the_means_of_the_vectors_around() -> None:
    network = PatchAutoencoder(encoder="random", decoder="none")
    vectors = torch.randn(1, 2, 4, 5)
    found = network.features(vectors)
    torch.testing.assert_close(found[..., 1, 2], vectors[..., 0:3, 1:4].mean((-2, -1)))
    torch.testing.assert_close(found[..., 0, 0], vectors[..., 0:2, 0:2].sum((-2, -1)) / 9)
    assert torch.equal(PatchAutoencoder(encoder="random", neighbourhood=1).features(vectors), vectors)


def test_what_is_trained_and_how_fast() -> None:
    def trained(**options: object) -> dict[str, float]:
        network = PatchAutoencoder(encoder="random", hidden=8, encoder_rate=0.1, **options)  # type: ignore[arg-type]
        return {name: network.learning_rate(name) for name, p in network.named_parameters() if p.requires_grad}

    rates = trained()
    assert {rate for name, rate in rates.items() if name.startswith("encoder.")} == {0.1}
    assert {rate for name, rate in rates.items() if name.startswith("decoder.")} == {1.0}
    assert {name.partition(".")[0] for name in rates} == {"encoder", "decoder"}
    assert {name.partition(".")[0] for name in trained(frozen=True)} == {"decoder"}
    assert trained(decoder="none") == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [({"encoder": "imagenet"}, "model.encoder is imagenet"), ({"decoder": "unet"}, "model.decoder is unet"),
     ({"neighbourhood": 2}, "model.neighbourhood is 2"), ({"neighbourhood": -1}, "model.neighbourhood is -1")],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_named(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PatchAutoencoder(**options)  # type: ignore[arg-type]

"""Each content of a patch on its own, and the noise that moves and colours pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.corruption.contents import Blur, Content, Cutout, Elastic, Swap, Texture, noise_field
from corruption.pictures import CONTENTS, ELASTIC, EVERYWHERE, PICTURES, picture


@pytest.mark.parametrize("content", CONTENTS, ids=lambda c: type(c).__name__)
@settings(max_examples=20)
@given(height=st.integers(4, 60), width=st.integers(4, 60), kind=st.sampled_from(PICTURES), seed=st.integers(0, 1000))
def test_a_content_has_the_size_and_range_of_the_patch_and_leaves_the_image_unchanged(
    content: Content, height: int, width: int, kind: str, seed: int
) -> None:
    X = picture(kind, 60, 64, grey=False)
    before = X.copy()
    box = (slice(60 - height, 60), slice(3, 3 + width))
    patch = content(X, box, np.random.default_rng(seed))
    assert patch.shape == X[box].shape
    assert patch.min() >= -1e-6
    assert patch.max() <= 1 + 1e-6
    assert np.array_equal(X, before)


@pytest.mark.parametrize("amplitude", [2.0, 6.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_elastic_displaces_by_its_amplitude(amplitude: float, axis: int) -> None:
    """On a ramp a value gives its position, so a change of value is a displacement along the ramp."""
    side, margin = 400, 40  # the reflection at the border bends the ramp
    place = np.arange(side, dtype=np.float32) / side
    X = np.repeat(np.broadcast_to(place[:, None] if axis == 0 else place, (side, side))[..., None], 3, 2)
    moved = Elastic((amplitude, amplitude), (12.0, 12.0))(X, EVERYWHERE, np.random.default_rng(1))
    displacement = side * (moved - X)[margin:-margin, margin:-margin, 0]
    assert displacement.std() == pytest.approx(amplitude, rel=0.15)
    assert abs(displacement.mean()) < 0.3 * amplitude


def test_elastic_displaces_rows_and_columns_independently() -> None:
    side, margin = 300, 30
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
    X = np.stack([rows, columns, rows], 2)
    moved = Elastic((4.0, 4.0), (8.0, 8.0))(X, EVERYWHERE, np.random.default_rng(2)) - X
    inner = moved[margin:-margin, margin:-margin].reshape(-1, 3)
    correlation = np.corrcoef(inner, rowvar=False)
    assert abs(correlation[0, 1]) < 0.2
    assert correlation[0, 2] > 0.999


@pytest.mark.parametrize("kind", ["stripes", "noise", "ramp"])
def test_elastic_keeps_the_mean_colour(kind: str) -> None:
    X = picture(kind, 200, 200, grey=False)
    moved = ELASTIC(X, EVERYWHERE, np.random.default_rng(3))
    assert not np.array_equal(moved, X)
    np.testing.assert_allclose(moved.mean((0, 1)), X.mean((0, 1)), atol=0.02)


def test_elastic_takes_all_its_pixels_from_the_patch() -> None:
    """There is no black border, and no pixel from outside the patch."""
    X = np.zeros((40, 40, 3), np.float32)
    box = (slice(10, 30), slice(10, 30))
    X[box] = 0.7
    np.testing.assert_allclose(Elastic((20.0, 20.0), (4.0, 16.0))(X, box, np.random.default_rng(0)), 0.7, atol=1e-6)


@pytest.mark.parametrize("fill", [0.0, 0.25, 1.0])
def test_cutout_fills_the_patch(fill: float) -> None:
    patch = Cutout(fill)(picture("noise", 20, 20, grey=False), (slice(2, 9), slice(5, 17)), np.random.default_rng(0))
    assert patch.shape == (7, 12, 3)
    assert (patch == np.float32(fill)).all()


def test_swap_copies_another_place_of_the_same_image() -> None:
    """All pixels have different values, so each pixel of the patch shows its origin."""
    height, width = 30, 40
    X = np.repeat(np.arange(height * width, dtype=np.float32).reshape(height, width, 1) / (height * width), 3, 2)
    box = (slice(4, 11), slice(20, 32))
    orientations, corners = set(), set()
    for seed in range(60):
        patch = Swap()(X, box, np.random.default_rng(seed))
        rows, columns = np.divmod(np.round(patch[..., 0] * height * width).astype(int), width)
        down, right = int(np.sign(rows[-1, 0] - rows[0, 0])), int(np.sign(columns[0, -1] - columns[0, 0]))
        top, left = int(rows.min()), int(columns.min())
        assert np.array_equal(patch, X[top : top + 7, left : left + 12][::down, ::right])
        orientations.add((down, right))
        corners.add((top, left))
    assert orientations == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    assert len(corners) > 40


def test_a_texture_hides_the_image_at_opacity_1_and_leaves_it_at_0() -> None:
    X, other = picture("noise", 40, 50, grey=False), picture("stripes", 40, 50, grey=False)

    def drawn(image: np.ndarray, opacity: float) -> np.ndarray:
        return Texture((2.0, 12.0), (opacity, opacity))(image, EVERYWHERE, np.random.default_rng(4))

    assert np.array_equal(drawn(X, 1.0), drawn(other, 1.0))
    assert np.array_equal(drawn(X, 0.0), X)
    assert drawn(X, 1.0).std() > 0.01
    np.testing.assert_allclose(drawn(X, 0.4), 0.6 * X + 0.4 * drawn(X, 1.0), atol=0.02)


def test_blur_removes_the_fine_structure_and_keeps_the_mean() -> None:
    X = picture("noise", 80, 80, grey=False)
    patch = Blur((2.0, 2.0))(X, EVERYWHERE, np.random.default_rng(0))
    np.testing.assert_allclose(patch.mean((0, 1)), X.mean((0, 1)), atol=0.01)
    # a Gaussian of σ divides the standard deviation of white noise by 2 σ √π
    assert patch.std() == pytest.approx(X.std() / (4 * np.sqrt(np.pi)), rel=0.1)


def correlation(field: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(field[:, lag:].ravel(), field[:, :-lag].ravel())[0, 1])


@pytest.mark.parametrize("scale", [4.0, 7.3, 16.0])
def test_a_noise_field_has_a_deviation_of_1_and_the_correlation_length_of_its_scale(scale: float) -> None:
    field = noise_field((500, 500), scale, np.random.default_rng(0))
    assert field.shape == (500, 500, 1)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(1, rel=0.1)
    assert abs(field.mean()) < 0.2
    for one in (field[..., 0], field[..., 0].T):
        assert correlation(one, round(scale / 4)) > 0.8
        assert correlation(one, round(1.5 * scale)) < 0.2


def test_a_noise_field_has_any_size_and_independent_channels() -> None:
    """It may be much smaller than its scale."""
    for size in ((1, 1), (4, 300), (37, 5)):
        for scale in (1.0, 2.5, 50.0):
            assert noise_field(size, scale, np.random.default_rng(0), 2).shape == (*size, 2)
    two = noise_field((300, 300), 4.0, np.random.default_rng(0), 2)
    assert abs(np.corrcoef(two[..., 0].ravel(), two[..., 1].ravel())[0, 1]) < 0.1

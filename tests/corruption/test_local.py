"""The guarantees on (X, X̂, M) for every configuration, and each content and each shape on its own."""

import functools

import albumentations as A
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from scipy import ndimage

from anomaly_lab.build import build
from anomaly_lab.corruption.contents import Blur, Content, Cutout, Elastic, Swap, Texture, noise_field
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.corruption.shapes import SHAPES
from anomaly_lab.data.images import to_unit
from anomaly_lab.runs.command_line import CONF

NAMES = sorted(path.stem for path in (CONF / "corruption").glob("*.yaml") if path.stem not in ("base", "none"))
LEVEL = 1 / 255
# every content by itself, whatever the configurations use
CONTENTS = [Elastic(), Cutout(), Swap(), Texture(), Blur()]
EVERYWHERE = (slice(None), slice(None))


@functools.cache
def configured(name: str) -> LocalCorruption:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["+category=carpet", f"corruption={name}"])
    always = {} if name == "none" else {"p": 1.0}  # what is done in half of the crops keeps its promises in each
    return build(OmegaConf.to_container(config.corruption, resolve=True) | always)


def picture(kind: str, height: int, width: int, grey: bool, seed: int = 0) -> np.ndarray:
    """A stored image of one kind, as `to_unit` hands it on: float32 (H, W, 3); grey files have three equal channels."""
    rng = np.random.default_rng([seed, height, width])
    channels = 1 if grey else 3
    rows, columns = np.mgrid[:height, :width][..., None]
    pixels = {
        "noise": lambda: rng.integers(0, 256, (height, width, channels)),
        "stripes": lambda: 128 + 100 * np.sin((rows + 2 * columns) / 3 + np.arange(channels)),
        "ramp": lambda: 255 * (rows + columns) / (height + width) + np.zeros(channels),
        "black": lambda: np.zeros((height, width, channels)),
        "white": lambda: np.full((height, width, channels), 255),
        "flat": lambda: np.zeros((height, width, channels)) + rng.integers(0, 256, channels),
    }[kind]()
    return to_unit(pixels.astype(np.uint8))


PICTURES = ("noise", "stripes", "ramp", "black", "white", "flat")


def corrupted(corruption: LocalCorruption, X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(X̂, M)"""
    corruption.set_random_seed(seed)
    pair = corruption(image=X, mask=np.zeros((*X.shape[:2], 1), np.float32))
    return pair["image"], pair["mask"]


def assert_guarantees(corruption: LocalCorruption, X: np.ndarray, seed: int) -> None:
    before = X.copy()
    X_hat, M = corrupted(corruption, X, seed)
    assert np.array_equal(X, before), "the normal image itself was changed"
    assert X_hat.dtype == np.float32
    assert X_hat.shape == X.shape
    assert X_hat.min() >= 0
    assert X_hat.max() <= 1
    assert M.shape == (*X.shape[:2], 1)
    assert M.dtype == np.float32
    assert set(np.unique(M)) <= {0, 1}
    assert M.any()
    inside = M[..., 0] > 0
    assert np.array_equal(X_hat[~inside], X[~inside]), "changed outside the mask"
    assert np.abs(X_hat - X)[inside].max() >= 2 * LEVEL - 1e-6, "nothing visible has changed"


def test_none_changes_nothing() -> None:
    X = picture("noise", 40, 50, grey=False)
    for seed in range(20):
        X_hat, M = corrupted(configured("none"), X, seed)
        assert np.array_equal(X_hat, X) and not M.any()


def test_defects_are_in_half_of_the_crops() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["+category=carpet", "corruption=defects"])
    corruption = build(OmegaConf.to_container(config.corruption, resolve=True))
    X = picture("noise", 40, 50, grey=False)
    changed = sum(bool(corrupted(corruption, X, seed)[1].any()) for seed in range(200))
    assert 70 < changed < 130


def test_there_is_a_configuration_for_each_corruption_that_the_design_names() -> None:
    assert {"elastic", "cutout", "swap"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50, deadline=None)
@given(
    height=st.integers(32, 512),
    width=st.integers(32, 512),
    grey=st.booleans(),
    kind=st.sampled_from(PICTURES),
    seed=st.integers(0, 2**31 - 1),
)
def test_guarantees_of_every_configuration(name: str, height: int, width: int, grey: bool, kind: str, seed: int) -> None:
    assert_guarantees(configured(name), picture(kind, height, width, grey), seed)


@pytest.mark.parametrize("kind", ["black", "white", "flat"])
@pytest.mark.parametrize("content", CONTENTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("brightness", [(0.0, 0.0), (0.05, 0.25), (0.6, 0.9)])
def test_flat_images_still_change(kind: str, content: Content, brightness: tuple[float, float]) -> None:
    """Moving or blurring flat content leaves it as it was: there the corruption has to do something else."""
    for seed in range(8):
        corruption = LocalCorruption([content], brightness=brightness, brightness_share=seed % 2)
        assert_guarantees(corruption, picture(kind, 40, 48, grey=seed % 3 == 0, seed=seed), seed)


@pytest.mark.parametrize("step", [-0.7, -1e-7, 1e-7, 0.7])
def test_content_that_leaves_the_range_is_brought_back(step: float) -> None:
    """A blurred white is 1.0000001."""
    for kind in PICTURES:
        for seed in range(4):
            overshooting = LocalCorruption([lambda image, box, rng: image[box] + np.float32(step)])
            assert_guarantees(overshooting, picture(kind, 32, 32, grey=False), seed)


@pytest.mark.parametrize("shape", sorted(SHAPES))
@settings(max_examples=20, deadline=None)
@given(height=st.integers(8, 64), width=st.integers(8, 64), seed=st.integers(0, 2**31 - 1))
def test_guarantees_of_every_shape_in_patches_of_any_size(shape: str, height: int, width: int, seed: int) -> None:
    """From single pixels to the whole image, and many patches that overlap."""
    corruption = LocalCorruption(CONTENTS, count=(1, 12), size=(0.001, 1.0), shapes=[shape])
    assert_guarantees(corruption, picture("noise", height, width, grey=False), seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_and_another_seed_something_else(name: str) -> None:
    X = picture("stripes", 96, 64, grey=False)
    corruption = configured(name)
    first, second = corrupted(corruption, X, 1), corrupted(corruption, X, 2)
    again = corrupted(corruption, X, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_global_random_generators_play_no_part() -> None:
    X = picture("noise", 64, 64, grey=False)
    corruption = LocalCorruption(CONTENTS)
    results = []
    for state in (1, 2):
        np.random.seed(state)
        results.append(corrupted(corruption, X, 5)[0])
    assert np.array_equal(*results)


def test_it_composes_with_other_transforms() -> None:
    """A flip after it moves X̂ and M alike."""
    X = picture("noise", 50, 70, grey=False)
    compose = A.Compose([LocalCorruption([Cutout(0.5)]), A.HorizontalFlip(p=1), A.VerticalFlip(p=1)], seed=3)
    pair = compose(image=X, mask=np.zeros((50, 70), np.uint8))
    X_hat, M = pair["image"][::-1, ::-1], pair["mask"][::-1, ::-1]
    assert M.dtype == np.uint8
    assert M.shape == (50, 70)
    assert 0 < M.mean() < 1
    assert np.array_equal(X_hat[M == 0], X[M == 0])
    assert not np.array_equal(X_hat[M == 1], X[M == 1])


def test_other_values_of_the_mask_are_kept() -> None:
    X = picture("noise", 50, 70, grey=False)
    before = np.random.default_rng(0).integers(2, 9, (50, 70)).astype(np.uint8)
    corruption = LocalCorruption([Cutout(0.5)])
    corruption.set_random_seed(0)
    mask = corruption(image=X, mask=before)["mask"]
    _, M = corrupted(corruption, X, 0)
    assert np.array_equal(mask == 1, M[..., 0] == 1)
    assert np.array_equal(mask[mask != 1], before[mask != 1])


def test_number_and_size_of_patches_follow_their_ranges() -> None:
    """Whole rectangles, so that the mask shows the patch itself; sides are relative to those of the image."""
    X = picture("noise", 100, 200, grey=False)
    one = LocalCorruption([Cutout(0.5)], count=(1, 1), size=(0.1, 0.3), shapes=["rectangle"])
    heights, widths, tops = [], [], []
    for seed in range(60):
        rows, columns = np.nonzero(corrupted(one, X, seed)[1][..., 0])
        heights.append(np.ptp(rows) + 1)
        widths.append(np.ptp(columns) + 1)
        tops.append(rows.min())
        assert len(rows) == heights[-1] * widths[-1]
    assert 10 <= min(heights) < 15 < 25 < max(heights) <= 30
    assert 20 <= min(widths) < 30 < 50 < max(widths) <= 60
    assert min(tops) < 10
    assert max(tops) > 60
    many = LocalCorruption([Cutout(0.5)], count=(2, 4), size=(0.02, 0.04), shapes=["rectangle"])
    counts = [ndimage.label(corrupted(many, X, seed)[1][..., 0])[1] for seed in range(60)]
    assert max(counts) == 4
    assert set(counts) >= {2, 3, 4}
    assert counts.count(1) <= 3  # patches that touch


def test_brightness_shifts_the_given_share_of_patches_in_either_direction() -> None:
    X = np.full((40, 40, 3), 0.5, np.float32)
    grey = Cutout(0.5)
    shifted = LocalCorruption([grey], count=(1, 1), shapes=["rectangle"], brightness=(0.1, 0.2), brightness_share=1.0)
    changes = []
    for seed in range(40):
        X_hat, M = corrupted(shifted, X, seed)
        values = np.unique((X_hat - X)[M[..., 0] > 0])
        assert len(values) == 1, "one shift a patch"
        changes.append(float(values[0]))
    assert all(0.1 - 1e-6 <= abs(change) <= 0.2 + 1e-6 for change in changes)
    assert 5 < sum(change > 0 for change in changes) < 35
    other = np.full((40, 40, 3), 0.9, np.float32)
    share = LocalCorruption([grey], count=(1, 1), shapes=["rectangle"], brightness=(0.1, 0.2), brightness_share=0.25)
    unshifted = [np.isclose(corrupted(share, other, seed)[0], 0.5).any() for seed in range(80)]
    assert 0.6 < np.mean(unshifted) < 0.9


def test_all_contents_and_shapes_have_their_turn() -> None:
    X = np.full((32, 32, 3), 0.5, np.float32)
    corruption = LocalCorruption([Cutout(0.0), Cutout(1.0)], count=(1, 1), brightness_share=0, shapes=["rectangle", "ellipse"])
    seen = set()
    for seed in range(40):
        X_hat, M = corrupted(corruption, X, seed)
        rows, columns = np.nonzero(M[..., 0])
        full = len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        seen.add((float(X_hat[rows[0], columns[0], 0]), full))
    assert seen == {(0.0, True), (0.0, False), (1.0, True), (1.0, False)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shapes": ["blob", "star"]}, "star"),
        ({"shapes": []}, "at least one"),
        ({"contents": []}, "at least one"),
        ({"count": (0, 2)}, "count"),
        ({"count": (3, 2)}, "count"),
        ({"size": (0.0, 0.5)}, "size"),
        ({"size": (0.5, 0.2)}, "size"),
        ({"size": (0.5, 1.1)}, "size"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalCorruption(**{"contents": [Cutout()], **wrong})


# ---------------------------------------------------------------------------------------------------------- contents


@pytest.mark.parametrize("content", CONTENTS, ids=lambda c: type(c).__name__)
@settings(max_examples=20, deadline=None)
@given(height=st.integers(4, 60), width=st.integers(4, 60), kind=st.sampled_from(PICTURES), seed=st.integers(0, 1000))
def test_content_has_the_patchs_size_and_range(content: Content, height: int, width: int, kind: str, seed: int) -> None:
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
    """On a ramp the value is the place: the change of value is the displacement along the ramp."""
    side, margin = 400, 40  # reflection at the border bends the ramp
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
    moved = Elastic()(X, EVERYWHERE, np.random.default_rng(3))
    assert not np.array_equal(moved, X)
    np.testing.assert_allclose(moved.mean((0, 1)), X.mean((0, 1)), atol=0.02)


def test_elastic_takes_all_it_shows_from_the_patch() -> None:
    """No black border, and nothing from beside the patch."""
    X = np.zeros((40, 40, 3), np.float32)
    box = (slice(10, 30), slice(10, 30))
    X[box] = 0.7
    np.testing.assert_allclose(Elastic((20.0, 20.0))(X, box, np.random.default_rng(0)), 0.7, atol=1e-6)


@pytest.mark.parametrize("fill", [0.0, 0.25, 1.0])
def test_cutout_fills_the_patch(fill: float) -> None:
    patch = Cutout(fill)(picture("noise", 20, 20, grey=False), (slice(2, 9), slice(5, 17)), np.random.default_rng(0))
    assert patch.shape == (7, 12, 3)
    assert (patch == np.float32(fill)).all()


def test_swap_shows_another_place_of_the_same_image() -> None:
    """Each pixel has a value of its own, so that every pixel of the patch tells where it comes from."""
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


def test_texture_at_full_opacity_hides_the_image_and_at_none_shows_it() -> None:
    X, other = picture("noise", 40, 50, grey=False), picture("stripes", 40, 50, grey=False)

    def drawn(image: np.ndarray, opacity: float) -> np.ndarray:
        return Texture(opacity=(opacity, opacity))(image, EVERYWHERE, np.random.default_rng(4))

    assert np.array_equal(drawn(X, 1.0), drawn(other, 1.0))
    assert np.array_equal(drawn(X, 0.0), X)
    assert drawn(X, 1.0).std() > 0.01
    np.testing.assert_allclose(drawn(X, 0.4), 0.6 * X + 0.4 * drawn(X, 1.0), atol=0.02)


def test_blur_takes_the_fine_structure_and_keeps_the_mean() -> None:
    X = picture("noise", 80, 80, grey=False)
    patch = Blur((2.0, 2.0))(X, EVERYWHERE, np.random.default_rng(0))
    np.testing.assert_allclose(patch.mean((0, 1)), X.mean((0, 1)), atol=0.01)
    # white noise after a Gaussian of σ: standard deviation / (2 σ √π)
    assert patch.std() == pytest.approx(X.std() / (4 * np.sqrt(np.pi)), rel=0.1)


def correlation(field: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(field[:, lag:].ravel(), field[:, :-lag].ravel())[0, 1])


@pytest.mark.parametrize("scale", [4.0, 7.3, 16.0])
def test_noise_field_has_unit_deviation_and_the_correlation_length_of_its_scale(scale: float) -> None:
    field = noise_field((500, 500), scale, np.random.default_rng(0))
    assert field.shape == (500, 500, 1)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(1, rel=0.1)
    assert abs(field.mean()) < 0.2
    for one in (field[..., 0], field[..., 0].T):
        assert correlation(one, round(scale / 4)) > 0.8
        assert correlation(one, round(1.5 * scale)) < 0.2


def test_noise_field_has_any_size_and_independent_channels() -> None:
    """Also where it is much smaller than its scale."""
    for size in ((1, 1), (4, 300), (37, 5)):
        for scale in (1.0, 2.5, 50.0):
            assert noise_field(size, scale, np.random.default_rng(0), 2).shape == (*size, 2)
    two = noise_field((300, 300), 4.0, np.random.default_rng(0), 2)
    assert abs(np.corrcoef(two[..., 0].ravel(), two[..., 1].ravel())[0, 1]) < 0.1


# ------------------------------------------------------------------------------------------------------------ shapes


@pytest.mark.parametrize("name", sorted(SHAPES))
@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 10**6))
def test_a_shape_is_one_piece_of_the_patchs_size(name: str, height: int, width: int, seed: int) -> None:
    mask = SHAPES[name]((height, width), np.random.default_rng(seed))
    assert mask.shape == (height, width)
    assert mask.dtype == bool
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


def test_rectangle_is_the_whole_patch() -> None:
    assert SHAPES["rectangle"]((5, 7), np.random.default_rng(0)).all()


def test_ellipse_touches_all_sides_and_fills_a_quarter_of_pi() -> None:
    mask = SHAPES["ellipse"]((81, 121), np.random.default_rng(0))
    assert mask[0].any()
    assert mask[-1].any()
    assert mask[:, 0].any()
    assert mask[:, -1].any()
    assert mask.mean() == pytest.approx(np.pi / 4, rel=0.03)
    assert (mask != mask[::-1]).mean() < 0.01
    assert (mask != mask[:, ::-1]).mean() < 0.01


def test_blobs_differ_and_are_no_ellipses() -> None:
    blobs = [SHAPES["blob"]((64, 64), np.random.default_rng(seed)) for seed in range(20)]
    assert len({b.tobytes() for b in blobs}) == 20
    areas = [b.mean() for b in blobs]
    assert min(areas) > 0.1
    assert max(areas) < np.pi / 4 + 0.02  # inside the ellipse
    assert np.std(areas) > 0.02


def test_strokes_are_thin_and_long() -> None:
    masks = [SHAPES["stroke"]((64, 64), np.random.default_rng(seed)) for seed in range(40)]
    thickness = [2 * ndimage.distance_transform_edt(np.pad(m, 1)).max() for m in masks]
    assert np.median(thickness) <= 8  # where a stroke turns back on itself it is thicker
    lengths = [max(np.ptp(axis) for axis in np.nonzero(m)) for m in masks]
    assert np.median(lengths) > 20
    assert np.mean([m.mean() for m in masks]) < 0.1

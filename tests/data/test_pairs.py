"""Training samples follow from (seed, epoch, number) alone: crops, flips, corruptions, order. Validation pairs are fixed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import RANGES

from anomaly_lab.corruption.contents import Cutout
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.pairs import FLIPS, Batches, Key, TrainingSamples, ValidationPairs
from data.maps import PLAIN, map_of_itself, pixels, same, stored


def training(samples: list[Sample], flips: list[str], seed: int = 0, in_memory: bool = True) -> TrainingSamples:
    corruption = LocalCorruption([Cutout(0.5)], **RANGES | {"count": (1, 1), "size": (0.2, 0.5)})
    return TrainingSamples(DecodedImages(samples, PLAIN, in_memory), corruption, flips, seed, 0.0)


def turned(rows: np.ndarray, columns: np.ndarray) -> str:
    """How a crop was flipped and turned, from the coordinates that its pixels come from: one of eight."""
    if rows[0, 0] != rows[-1, 0]:  # rows still lie along rows
        return f"rows {np.sign(rows[-1, 0] - rows[0, 0]):+d} columns {np.sign(columns[0, -1] - columns[0, 0]):+d}"
    return f"transposed, rows {np.sign(rows[0, -1] - rows[0, 0]):+d} columns {np.sign(columns[-1, 0] - columns[0, 0]):+d}"


UNCHANGED = "rows +1 columns +1"
LEFT_RIGHT = "rows +1 columns -1"
TOP_BOTTOM = "rows -1 columns +1"
HALF_TURN = "rows -1 columns -1"
QUARTER = "transposed, rows +1 columns -1"
THREE_QUARTERS = "transposed, rows -1 columns +1"
ALL = {UNCHANGED, LEFT_RIGHT, TOP_BOTTOM, HALF_TURN, QUARTER, THREE_QUARTERS} | {
    "transposed, rows +1 columns +1",
    "transposed, rows -1 columns -1",
}


def test_a_sample_is_a_crop_its_corruption_and_the_mask_of_it(maps: list[Sample]) -> None:
    samples = training(maps, [])
    for number in range(20):
        sample = samples[Key(0, number, 32)]
        X, X_hat, M = sample["X"], sample["X_hat"], sample["M"]
        assert X.shape == X_hat.shape == (3, 32, 32)
        assert M.shape == (1, 32, 32)
        assert {t.dtype for t in sample.values()} == {torch.float32}
        assert 0 < M.sum() < M.numel()
        assert torch.equal(X_hat * (1 - M), X * (1 - M))
        assert ((X_hat == 0.5) | (M == 0) | (X_hat != X)).all()
        assert not torch.equal(X_hat, X)


@pytest.mark.parametrize("flips", [[], list(FLIPS)], ids=["as stored", "flipped"])
def test_a_crop_is_a_square_of_the_image_perhaps_turned(maps: list[Sample], flips: list[str]) -> None:
    """It shows each pixel of one square of one image once."""
    samples = training(maps, flips)
    for number in range(30):
        key = Key(0, number, 24)
        red, green, blue = np.moveaxis(pixels(samples[key]["X"]), 2, 0)
        assert (blue == samples.image_of(key)).all()
        assert np.ptp(red) == np.ptp(green) == 23
        assert len(set(zip(red.ravel().tolist(), green.ravel().tolist(), strict=True))) == 24 * 24
        for values in (red, green):  # constant along one side, in steps of one along the other
            down, across = np.diff(values, axis=0)[:, :-1], np.diff(values, axis=1)[:-1]
            steps = set(zip(down.ravel().tolist(), across.ravel().tolist(), strict=True))
            assert len(steps) == 1
            assert sorted(map(abs, next(iter(steps)))) == [0, 1]


def test_crops_come_from_everywhere(maps: list[Sample]) -> None:
    """Also from the last row and column."""
    samples = training(maps, [])
    corners = np.array([pixels(samples[Key(0, number, 58)]["X"])[0, 0, :2] for number in range(150)])
    assert set(corners[:, 0].tolist()) == {0, 1, 2}
    assert corners[:, 1].min() <= 2
    assert corners[:, 1].max() >= 30
    assert (corners <= (60 - 58, 90 - 58)).all()


@pytest.mark.parametrize(
    ("flips", "expected"),
    [
        ([], {UNCHANGED}),
        (["horizontal_flip"], {UNCHANGED, LEFT_RIGHT}),
        (["vertical_flip"], {UNCHANGED, TOP_BOTTOM}),
        (["horizontal_flip", "vertical_flip"], {UNCHANGED, LEFT_RIGHT, TOP_BOTTOM, HALF_TURN}),
        (["rotate90"], {UNCHANGED, QUARTER, HALF_TURN, THREE_QUARTERS}),
        (["rotate90", "horizontal_flip"], ALL),
    ],
)
def test_the_augmentations_that_the_category_names_are_used_and_no_other(
    maps: list[Sample], flips: list[str], expected: set[str]
) -> None:
    """Each flip is drawn independently: A.Compose would give all flips the same seed, and two would always come together."""
    samples = training(maps, flips)
    seen = [turned(*np.moveaxis(pixels(samples[Key(0, number, 16)]["X"]), 2, 0)[:2]) for number in range(150)]
    assert set(seen) == expected
    assert min(seen.count(way) for way in expected) >= 3


def test_size_0_is_the_whole_image(maps: list[Sample]) -> None:
    samples = training(maps, [])
    key = Key(3, 17, 0)
    assert np.array_equal(pixels(samples[key]["X"]), map_of_itself(samples.image_of(key), 60, 90))


def test_an_image_smaller_than_the_crop_is_enlarged_by_reflection(tmp_path: Path) -> None:
    """Only in the direction in which it is too small; in the other one the crop stays random."""
    samples = training(stored(tmp_path, [map_of_itself(0, 20, 70)]), [])
    lefts = set()
    for number in range(20):
        red, green, _ = np.moveaxis(pixels(samples[Key(0, number, 50)]["X"]), 2, 0)
        assert red.shape == (50, 50)
        assert red[:, 0].tolist() == [*range(20), *range(19, -1, -1), *range(10)]
        assert (np.diff(green, axis=1) == 1).all()
        lefts.add(int(green[0, 0]))
    assert len(lefts) > 5


def test_rotation_turns_samples(maps: list[Sample]) -> None:
    images, corruption = DecodedImages(maps, PLAIN, True), LocalCorruption([Cutout(0.5)], **RANGES)
    plain, turned_ = (TrainingSamples(images, corruption, [], 0, rotation) for rotation in (0.0, 30.0))
    key = Key(0, 0, 24)
    assert not torch.equal(plain[key]["X"], turned_[key]["X"])
    assert same(turned_[key], turned_[key])


def test_a_sample_follows_from_seed_epoch_and_number_and_from_nothing_before_it(maps: list[Sample]) -> None:
    """Two data sets return the same samples in different orders and with global generators in different states."""
    first, second = training(maps, list(FLIPS)), training(maps, list(FLIPS))
    keys = [Key(epoch, number, 32) for epoch in range(2) for number in range(6)]
    forward = {key: first[key] for key in keys}
    np.random.seed(99)
    torch.manual_seed(99)
    backward = {key: second[key] for key in reversed(keys)}
    assert all(same(forward[key], backward[key]) for key in keys)


def test_seed_epoch_and_number_each_make_a_difference(tmp_path: Path) -> None:
    """There is a single image, so that only the crop and the corruption can differ."""
    single = stored(tmp_path, [map_of_itself(0, 90, 90)])
    reference = training(single, [])[Key(1, 1, 32)]
    for seed, key in ((0, Key(2, 1, 32)), (0, Key(1, 2, 32)), (1, Key(1, 1, 32))):
        other = training(single, [], seed)[key]
        assert not torch.equal(other["M"], reference["M"])
        assert not torch.equal(other["X"], reference["X"])


def test_no_two_samples_of_a_training_are_the_same(tmp_path: Path) -> None:
    samples = training(stored(tmp_path, [map_of_itself(0, 90, 90)]), [])
    drawn = [samples[Key(epoch, number, 32)] for epoch in range(4) for number in range(epoch * 10, epoch * 10 + 10)]
    assert len({sample["M"].numpy().tobytes() for sample in drawn}) == 40
    assert len({sample["X_hat"].numpy().tobytes() for sample in drawn}) == 40


def test_from_memory_and_from_disk_is_the_same(maps: list[Sample]) -> None:
    cached, read = training(maps, list(FLIPS), in_memory=True), training(maps, list(FLIPS), in_memory=False)
    assert cached.images.kept is not None
    assert read.images.kept is None
    assert all(same(cached[key], read[key]) for key in (Key(0, i, 40) for i in range(10)))


def test_images_in_memory_are_decoded_once_and_not_changed_by_use(tmp_path: Path) -> None:
    files = stored(tmp_path, [map_of_itself(0, 60, 60)])
    samples = training(files, list(FLIPS))
    files[0].path.unlink()
    before = samples.images[0][0].copy()
    for number in range(10):
        samples[Key(0, number, 0)]
    assert np.array_equal(samples.images[0][0], before)


def test_each_round_uses_each_image_once_in_its_own_order(maps: list[Sample]) -> None:
    samples = training(maps, [])
    rounds = [[samples.image_of(Key(0, 5 * r + place, 32)) for place in range(5)] for r in range(8)]
    assert all(sorted(order) == list(range(5)) for order in rounds)
    assert len({tuple(order) for order in rounds}) > 4
    other = training(maps, [], seed=1)
    assert rounds != [[other.image_of(Key(0, 5 * r + place, 32)) for place in range(5)] for r in range(8)]


def batches(steps: int, batch_size: int, epoch: int, done: int = 0, size: int = 32) -> list[list[Key]]:
    return list(Batches(steps, batch_size, lambda: (epoch, done), lambda step: size))


def test_batches_count_the_samples_through_all_epochs() -> None:
    assert batches(2, 3, epoch=0) == [[Key(0, i, 32) for i in indices] for indices in ((0, 1, 2), (3, 4, 5))]
    assert batches(2, 3, epoch=1) == [[Key(1, i, 32) for i in indices] for indices in ((6, 7, 8), (9, 10, 11))]
    assert len(Batches(7, 3, lambda: (0, 0), lambda step: 0)) == 7


@pytest.mark.parametrize("done", range(6))
def test_in_the_middle_of_an_epoch_exactly_the_remaining_batches_come(done: int) -> None:
    assert batches(5, 4, epoch=3, done=done) == batches(5, 4, epoch=3)[done:]


def test_position_and_size_are_called_again_for_each_epoch() -> None:
    now = {"epoch": 0, "size": 32}
    sampler = Batches(1, 1, lambda: (now["epoch"], 0), lambda step: now["size"])
    assert list(sampler) == [[Key(0, 0, 32)]]
    now.update(epoch=1, size=64)
    assert list(sampler) == [[Key(1, 1, 64)]]


def pairs(samples: list[Sample], variants: int, seed: int = 0) -> ValidationPairs:
    return ValidationPairs(DecodedImages(samples, PLAIN, True), LocalCorruption([Cutout(0.5)], **RANGES), variants, seed)


def test_validation_pairs_are_fixed(maps: list[Sample]) -> None:
    """They depend neither on earlier calls nor on the object, so that epochs can be compared."""
    first, second = pairs(maps, 2), pairs(maps, 2)
    assert len(first) == 10
    forward = [first[i] for i in range(10)]
    backward = [second[i] for i in reversed(range(10))][::-1]
    assert all(same(a, b) and same(a, first[i]) for i, (a, b) in enumerate(zip(forward, backward, strict=True)))


def test_validation_pairs_are_whole_images_in_several_variants(maps: list[Sample]) -> None:
    drawn = [pairs(maps, 3)[i] for i in range(15)]
    for i, pair in enumerate(drawn):
        assert np.array_equal(pixels(pair["X"]), map_of_itself(i // 3, 60, 90))
        assert pair["M"].shape == (1, 60, 90)
        assert torch.equal(pair["X_hat"] * (1 - pair["M"]), pair["X"] * (1 - pair["M"]))
        assert not torch.equal(pair["X_hat"], pair["X"])
        assert {t.dtype for t in pair.values()} == {torch.float32}
    assert len({pair["M"].numpy().tobytes() for pair in drawn}) == 15
    assert not torch.equal(pairs(maps, 3, seed=1)[0]["M"], drawn[0]["M"])

"""The test of flips, where the truth is known: false alarms without an effect, and print, slant, light and turns with one."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anomaly_lab.inspect import flips
from anomaly_lab.inspect.finding import FINE, NOTE
from anomaly_lab.inspect.flips import ALPHA, CELL, FEWEST, judged, p_of_signs, patches, suggested

H, V, R = flips.FLIPS


def spots(seed: int, side: int = 64) -> NDArray[np.float32]:
    """Noise that looks the same from all sides."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((side, side), np.float32), (0, 0), 2)
    return (noise - noise.min()) / np.ptp(noise)


def printed(seed: int, turned: bool) -> NDArray[np.float32]:
    """Letters F over faint spots, at random places; `turned`: each in one of four directions."""
    rng = np.random.default_rng([seed, 1])
    letter = np.zeros((16, 16), np.float32)
    letter[2:14, 4:7] = letter[2:5, 4:13] = letter[7:10, 4:11] = 1
    image = 0.2 * spots(seed)
    for row, column in np.ndindex(3, 3):
        top, left = 20 * row + rng.integers(2, 7), 20 * column + rng.integers(2, 7)
        own = np.rot90(letter, int(rng.integers(4))) if turned else letter
        image[top : top + 16, left : left + 16] = np.maximum(image[top : top + 16, left : left + 16], own)
    return image


def harmful(images: list[NDArray[np.float32]]) -> dict[str, bool]:
    return {flip.name: flip.harmful for flip in judged(images)}


def test_images_without_a_direction_may_be_flipped_and_turned() -> None:
    assert harmful([spots(i) for i in range(40)]) == {H: False, V: False, R: False}


def test_print_may_not_be_flipped_and_not_be_turned_unless_it_lies_in_every_direction() -> None:
    assert harmful([printed(i, turned=False) for i in range(40)]) == {H: True, V: True, R: True}
    assert harmful([printed(i, turned=True) for i in range(60)]) == {H: True, V: True, R: False}, "a chiral part"


def test_stripes_may_be_flipped_but_not_turned_and_slanted_ones_not_even_flipped() -> None:
    across = np.broadcast_to(np.arange(64, dtype=np.float32), (64, 64))

    def stripes(seed: int, slant: float) -> NDArray[np.float32]:
        phase = np.random.default_rng(seed).uniform(0, 6.3)
        return (0.5 + 0.4 * np.sin((across + slant * across.T) / 2 + phase) + 0.1 * spots(seed)).astype(np.float32)

    assert harmful([stripes(i, 0.0) for i in range(40)]) == {H: False, V: False, R: True}
    assert harmful([stripes(i, 0.8) for i in range(40)]) == {H: True, V: True, R: True}


def test_domes_that_are_lit_from_the_left_show_when_they_are_flipped() -> None:
    """Relief without domes or dents could be lit from either side: nobody could tell."""

    def lit(seed: int, domed: bool) -> NDArray[np.float32]:
        height = spots(seed, 65)[:64]
        return np.diff(np.exp(9 * height) / 5000 if domed else height, axis=1).astype(np.float32)

    domes, even = ({flip.name: flip for flip in judged([lit(i, domed) for i in range(40)])} for domed in (True, False))
    assert domes[H].p <= ALPHA < domes[V].p and domes[H].raised > 0.15 > 10 * abs(domes[V].raised)
    assert not even[H].harmful and not even[V].harmful and even[R].harmful


def test_a_harmless_flip_is_rejected_no_more_often_than_stated() -> None:
    """180 tests of images without a direction: p-values are uniform, so about ALPHA of them lie at or below ALPHA."""
    values = []
    for start in range(60):
        images = [spots(1000 + 30 * start + i, 24) for i in range(30)]
        values += [flip.p for flip in judged(images, seed=start)]
    p = np.array(values)
    assert (p <= ALPHA).mean() <= ALPHA + 4 * np.sqrt(ALPHA * (1 - ALPHA) / len(p))
    assert abs((p <= 0.2).mean() - 0.2) <= 4 * np.sqrt(0.16 / len(p)), "and it is no test that never rejects"


def test_the_p_value_of_signs_is_that_of_all_signs() -> None:
    d = np.array([3.0, -1.0, 2.0, 0.5])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1).T
    exact = (signs @ d >= d.sum()).mean()
    assert p_of_signs(d, np.random.default_rng(0)) == pytest.approx(exact, abs=0.02)


def test_patches_of_a_flipped_image_are_those_of_the_image_rearranged() -> None:
    image = spots(3)
    own, mirrored = patches(image), patches(np.ascontiguousarray(image[:, ::-1]))
    side = 64 // CELL - 1
    grid = own.reshape(side, side, 4, flips.BINS)[:, ::-1]
    directions = [(4 - b) % 8 for b in range(8)]  # 0° ↔ 180°, 45° ↔ 135°; 90° stays
    expected = grid[:, :, [2, 3, 0, 1]][..., directions].reshape(-1, 4 * flips.BINS)
    assert np.allclose(mirrored, expected, atol=1e-4)
    assert np.allclose(patches(np.full((40, 40), 0.5, np.float32)), 0)


def test_the_suggestion_names_the_flips() -> None:
    print_ = judged([printed(i, turned=True) for i in range(60)])
    (found,) = suggested(print_, [H, V], 60)
    assert found.severity == NOTE and "try category.augmentation='[rotate90]'" in found.sentence
    assert found.numbers["false_alarm_rate"] == ALPHA and found.numbers[H]["harmful"]
    (found,) = suggested(print_, [R], 60)
    assert found.severity == FINE and "is possible, without horizontal_flip" in found.sentence
    few = [spots(i) for i in range(2 * FEWEST - 1)]
    assert judged(few) == []
    (found,) = suggested([], [H], len(few))
    assert found.severity == NOTE and "15 normal images don't tell" in found.sentence
    assert suggested([], [], len(few))[0].severity == FINE

"""Copies, images that are nearly the same, and one part in other light; within and across a split."""

import cv2
import numpy as np
import pytest

from anomaly_lab.data import alike
from anomaly_lab.inspect import duplicates
from anomaly_lab.inspect.duplicates import Pair, copies, pairs, relit
from anomaly_lab.inspect.duplicates import duplicates as findings
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG
from anomaly_lab.inspect.looked import HELD_OUT, TEST, TRAIN
from inspection.made_up import by_name, made, stored, verdicts


def texture(seed: int) -> np.ndarray:
    """(64, 64) in [0, 1]: soft spots, as a shrunken photograph has."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((64, 64), np.float32), (0, 0), 1.2)
    return 0.25 + 0.5 * (noise - noise.min()) / np.ptp(noise)


def lit(image: np.ndarray) -> np.ndarray:
    """The same part at a longer exposure, and lit from the left."""
    return (0.6 * image + 0.4 * np.linspace(1, 0, 64, dtype=np.float32)[None]).astype(np.float32)


def test_copies_have_the_same_bytes() -> None:
    found = copies([made(0), made(1), made(2, digest="x"), made(3, TEST, digest="x"), made(4, digest="x")])
    assert [(pair.a.sample.path.stem, pair.b.sample.path.stem) for pair in found] == [("002", "003"), ("002", "004")]


@pytest.mark.parametrize("chunk", [3, 512])
def test_the_same_part_is_found_in_other_light_and_other_parts_are_not(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(alike, "CHUNK", chunk)
    images = [texture(seed) for seed in range(12)]
    noisy = images[3] + np.random.default_rng(9).normal(0, 0.002, (64, 64))
    every = [*images, noisy, lit(images[5])]
    found = pairs([made(i, small=stored(image)) for i, image in enumerate(every)])
    assert {(int(p.a.sample.path.stem), int(p.b.sample.path.stem), p.how) for p in found} == {(3, 12, "near"), (5, 13, "relit")}


def test_parts_that_always_lie_alike_are_no_duplicates() -> None:
    ring = np.hypot(*np.mgrid[-32:32, -32:32]).astype(np.float32)
    rows = [0.5 + 0.3 * np.exp(-((ring - 20) ** 2) / 4) + 0.02 * texture(seed) for seed in range(30)]
    assert relit(np.array([row.ravel() for row in rows], np.float32)) == []


def test_flat_images_correlate_with_nothing() -> None:
    rows = np.array([np.full(64 * 64, 0.5), np.full(64 * 64, 0.7), texture(0).ravel()], np.float32)
    assert relit(rows) == [] and pairs([made(0, small=stored(texture(0)))]) == []


def test_only_some_of_very_many_images_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST", 3)
    assert len(pairs([made(i, small=stored(texture(0))) for i in range(9)])) == 3


def one(how: str, a: str, b: str, defect: str = "good") -> Pair:
    return Pair(made(0, a), made(1, b, defect), how)


def test_findings_across_a_split() -> None:
    assert verdicts(findings([])) == {"duplicates": FINE}
    assert verdicts(findings([one("copy", TRAIN, TEST)])) == {"copy_training_test": WRONG}
    assert verdicts(findings([one("near", TEST, HELD_OUT)])) == {"near_held-out_test": WRONG}
    assert verdicts(findings([one("relit", TRAIN, TEST)])) == {"relit_training_test": NOTE}
    held = by_name(findings([one("copy", HELD_OUT, TRAIN)]))["copy_training_held-out"]
    assert held.severity == WRONG and "the threshold is too low for new images" in held.sentence
    assert verdicts(findings([one("near", TRAIN, TRAIN)])) == {"near_within": NOTE}


def test_a_copy_that_is_normal_and_defective_is_contrary() -> None:
    found = by_name(findings([one("copy", TEST, TEST, "hole"), one("near", TEST, TEST)]))
    assert {name: finding.severity for name, finding in found.items()} == {"copy_contrary": WRONG, "near_within": NOTE}
    assert verdicts(findings([one("relit", TRAIN, TEST, "hole")])) == {"relit_training_test": NOTE}, "a part may get a defect"


def test_the_count_is_of_images_not_of_pairs() -> None:
    a, b, c = made(0), made(1), made(2, TEST)
    (found,) = findings([Pair(a, c, "near"), Pair(b, c, "near")])
    assert found.sentence.startswith("1 test image and training images are nearly the same") and found.numbers["pairs"] == 2

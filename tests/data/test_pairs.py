"""Validation pairs: fixed corruptions of whole images."""

import numpy as np
import torch
from conftest import RANGES

from anomaly_lab.corruption.contents import Cutout
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.pairs import ValidationPairs
from data.maps import PLAIN, map_of_itself, pixels, same


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

"""Which normal images train the network, and which are held out for validation and calibration."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anomaly_lab.data.folder import Sample
from anomaly_lab.errors import UserError

# Images: one alone does not tell how much normal images differ. Of seven, holding out three in place of one raised the mean of
# TPR and TNR from .83 (one seed) to .98 (three seeds), repeated .86 (two seeds; experiments/detection).
FEWEST = 3


def split(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """(training, held out): a seeded draw. Images of one part stay together.

    A share of them is held out. Where that is below `FEWEST` images, as many of these are as leave more than half to train on.
    Each of the two has at least one image.

    UserError for fewer than two images, or parts.
    """
    if len(samples) < 2:
        raise UserError(
            f"{samples[0].path.parent} holds a single image: at least two are needed, one of them held out to "
            "calibrate the threshold"
        )
    fewest = max(1, min(FEWEST, (len(samples) - 1) // 2))
    count = min(len(samples) - 1, max(fewest, round(share * len(samples))))
    parts = [sample.part or i for i, sample in enumerate(samples)]
    if len(set(parts)) < 2:
        raise UserError(f"{samples[0].path.parent} shows a single part: add normal images of others")
    drawn = np.random.default_rng([seed, 0x5EED]).permutation(len(samples)).tolist()
    of_part: dict[Any, list[int]] = {}
    for i in drawn:
        of_part.setdefault(parts[i], []).append(i)
    held_out = set[int]()
    for own in of_part.values():
        if len(held_out) < count and len(held_out) + len(own) < len(samples):
            held_out.update(own)
    return [s for i, s in enumerate(samples) if i not in held_out], [samples[i] for i in sorted(held_out)]

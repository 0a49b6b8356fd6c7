"""A category's files: listed by a reader, checked, and split into training and held-out images.

A reader is a function (root, category, need_training) → `Category`. It lists files and opens none. conf/data/NAME.yaml names
it in `reader`: to read another layout, write one such function and one YAML.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_lab.build import build
from anomaly_lab.data.folder import Category, Sample, verify
from anomaly_lab.errors import UserError
from anomaly_lab.progress import bar


def read(reader: Mapping[str, Any], root: str | Path, category: str, need_training: bool = True) -> Category:
    """The category's files below `root`, listed by `reader`, a record for `anomaly_lab.build`. UserError as from it."""
    found: Category = build(reader)(Path(root).expanduser(), category, need_training=need_training)
    return found


def check(samples: Sequence[Sample]) -> None:
    """Decode every image and mask once, with a progress bar. UserError for the first that is at fault."""
    with bar("Checking images") as update:
        verify(samples, update)


def split(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """(training, held out): a seeded draw; both have at least one image. UserError for fewer than two images."""
    if len(samples) < 2:
        raise UserError(
            f"{samples[0].path.parent} holds a single image: at least two are needed, one of them held out to "
            "calibrate the threshold"
        )
    count = min(len(samples) - 1, max(1, round(share * len(samples))))
    held_out = set(np.random.default_rng([seed, 0x5EED]).permutation(len(samples))[:count].tolist())
    return [s for i, s in enumerate(samples) if i not in held_out], [samples[i] for i in sorted(held_out)]

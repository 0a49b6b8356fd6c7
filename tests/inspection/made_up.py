"""Records of images that are nowhere on disk."""

from pathlib import Path
from typing import Any

import numpy as np

from anomaly_lab.data.folder import Sample
from anomaly_lab.inspect.finding import Finding
from anomaly_lab.inspect.looked import DEEP, TEST, TRAIN, Looked, Mask


def made(number: int, part: str = TRAIN, defect: str = "good", mask: Mask | None = None, **values: Any) -> Looked:
    """An image of 64² grey pixels, named after its number; `values` replace others of its record."""
    path = Path(f"/data/{part}/{defect}/{number:03d}.png")
    sample = Sample(path, defect, mask.path if mask else None)
    fields: dict[str, Any] = {"fault": None, "size": (64, 64), "mode": "grey", "brightness": 0.5, "spread": 0.1}
    fields |= {"sharpness": 0.2, "highest": 1.0, "digest": f"{part}{defect}{number}", "mask": mask} | values
    return Looked(sample, part, **fields)


def several(count: int, part: str = TRAIN, defect: str = "good", **values: Any) -> list[Looked]:
    """Images whose `values` are lists, one value for each, or the same for all."""
    each = [{k: v[i] if isinstance(v, list | np.ndarray) else v for k, v in values.items()} for i in range(count)]
    return [made(i, part, defect, **own) for i, own in enumerate(each)]


def split(good: int = 20, defective: int = 20, train: int = 20) -> list[Looked]:
    """A sound data set."""
    return [*several(train), *several(good, TEST), *several(defective, TEST, "hole")]


def stored(small: np.ndarray) -> np.ndarray:
    """An image in [0, 1] as a record holds it."""
    return (small.ravel().clip(0, 1) * DEEP).round().astype(np.uint16)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    """The findings by their names, each of which is there once."""
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


def verdicts(findings: list[Finding]) -> dict[str, str]:
    """name → severity."""
    return {name: finding.severity for name, finding in by_name(findings).items()}

"""Who decides about an image: a run, or a file that was exported from one. `predict` does not know which."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.exported import digests, runtime
from anomaly_lab.pipeline.saved import Opened

LARGE = 2**20  # pixels at the working scale; of more, one image is decided at a time: all cores have enough to do


class Decision(NamedTuple):
    """About one image: `heatmap` (H, W) float32, `score`, and `mask` (H, W) bool, True for pixels of detected defects."""

    heatmap: NDArray[np.float32]
    score: float
    mask: NDArray[np.bool_]


class Decider(Protocol):
    """It decides about images, `parallel` at most side by side, and says what a row needs besides.

    `levels`: quiet levels of the held-out normal images, None if there are none. `profile`: see `data.likeness`. `source`:
    plain values that tell this decider from any other.
    """

    parallel: int
    threshold: float
    min_area: int
    levels: Sequence[float] | None
    profile: Mapping[str, Sequence[float]]
    preprocessing: Preprocessing
    source: dict[str, Any]

    def decide(self, image: Opened) -> Decision:
        """The decision about an image; `parallel` threads may ask side by side. UserError for one that it can't take."""

    def begin(self) -> None:
        """Called once in each thread that asks beside others."""


def decider(run: Path | None, model: Path | None, name: str | None, parallel: int = 1) -> Decider:
    """The decider of a run, or of an exported file with the runtime `name`, for so many decisions side by side. UserError as
    for `OfRun` and `OfFile`."""
    if model is not None:
        return OfFile(model, name, parallel)
    assert run is not None  # the command requires one of them
    from anomaly_lab.pipeline.of_run import OfRun  # Lightning takes seconds to import, and an exported file needs none

    return OfRun(run, parallel)


class OfFile:
    """A file of `python -m anomaly_lab.export`. UserError as for `exported.runtime.opened`."""

    def __init__(self, file: Path, name: str | None, parallel: int = 1) -> None:
        self.exported, self.parallel = runtime.opened(file, name, parallel), parallel
        record = self.exported.record
        self.threshold, self.min_area, self.profile = record["threshold"], record["min_area"], record["profile"]
        self.levels, self.preprocessing = record["levels"] or None, Preprocessing(**record["preprocessing"])
        self.source: dict[str, Any] = {"model": str(file.resolve()), "file": digests.of(file), "runtime": name}
        if parallel > 1 and math.prod(self.preprocessing.size((record["height"], record["width"]))) > LARGE:
            self.exported, self.parallel = runtime.opened(file, name), 1

    def begin(self) -> None:
        """See `Decider`."""
        self.exported.begin()

    def decide(self, image: Opened) -> Decision:
        """The file's own decision: mask and score come out of its graph."""
        found = self.exported(image.stored)
        return Decision(found.heatmap, found.score, found.mask)

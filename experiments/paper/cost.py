"""Memory and time of the runs: from what a step takes by counting, and from measured steps. Pure arithmetic."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from step import Counted

from anomaly_lab.training.callbacks import ProgressiveSize

# float32 weights, gradients and AdamW's two moments, and the weights' copy in bf16
BYTES_A_PARAMETER = 4 + 4 + 8 + 2
# peak of a step over what the forward pass keeps: gradients and scratch. Seven steps on a processor have 1.5 to 1.7 (README)
WORKING = 1.6
FORWARD = 1 / 3  # of a step's arithmetic: the backward pass takes two products for each of the forward pass
VALIDATION = 24  # forward passes of a validation: 12 corrupted images and the 12 clean ones
REST = 60.0  # seconds of a run besides network and training: start, files, metrics, figures. A guess


class Plan(NamedTuple):
    """The training of one run, from its configuration.

    batch:  crops a step
    steps:  (side of the crops in pixels, number of steps) in the order of the training; the last side is that of whole images
    epochs: as many validations
    """

    batch: int
    steps: tuple[tuple[int, int], ...]
    epochs: int


class Line(NamedTuple):
    """Seconds of a step: `start`, and `per_pixel` for each pixel of its batch."""

    start: float
    per_pixel: float

    def __call__(self, batch: int, side: int) -> float:
        return self.start + self.per_pixel * batch * side**2


def plan(batch: int, size: int, sizes: Sequence[tuple[float, float]], epochs: int, steps_per_epoch: int) -> Plan:
    """`sizes`: (start as a share of the training, factor on `size`), as in the configuration's progressive_size."""
    growing, total = ProgressiveSize(sizes), epochs * steps_per_epoch
    starts = [round(share * total) for share, _ in growing.sizes]
    sides = [growing.size(size, share) for share, _ in growing.sizes]
    counts = [end - start for start, end in zip(starts, [*starts[1:], total], strict=True)]
    return Plan(batch, tuple(zip(sides, counts, strict=True)), epochs)


def memory(counts: Counted, batch: int, side: int) -> float:
    """Bytes of a training step beyond the program itself."""
    return BYTES_A_PARAMETER * counts.parameters + WORKING * counts.kept * batch * side**2


def line(measured: Mapping[tuple[int, int], float]) -> Line:
    """The line through measured steps, {(batch, side): seconds}: by least squares, with neither part below 0."""
    points = [(batch * side**2, seconds) for (batch, side), seconds in measured.items()]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    if slope <= 0 or mean_y < slope * mean_x:  # noise, or one point: a step's time is then proportional to its pixels
        slope = mean_y / mean_x
    return Line(mean_y - slope * mean_x, slope)


def seconds(plan: Plan, step: Line, images: int) -> float:
    """Seconds of a run without early stopping. `images`: held-out and test images, which are scored once."""
    whole = plan.steps[-1][0]
    training = sum(count * step(plan.batch, side) for side, count in plan.steps)
    scored = (VALIDATION * plan.epochs + images) * FORWARD * step(1, whole)
    return training + scored + REST

"""Which images an exported graph takes: those of one size, or, if its size is open, many."""

from typing import Any

from anomaly_lab.errors import UserError

STEP = 32  # an open side is a multiple of it: so nothing is padded and cut again, which torch can't trace for an open side
MOST = 4064  # pixels of an open side: 4064² is below the 2²⁴ pixels that the decision can number
OPEN = (0, 0)  # height and width in the record of a graph whose size is open


def least(tile: int) -> int:
    """The shortest open side: a tile, at least two steps, at the next multiple of `STEP`."""
    return -(-max(tile, 2 * STEP) // STEP) * STEP


def fits(size: tuple[int, int], record: dict[str, Any]) -> bool:
    """Whether the graph of this record takes images of `size` = (H, W)."""
    taken = record["height"], record["width"]
    if taken != OPEN:
        return size == taken
    return all(side % STEP == 0 and least(record["tile"]) <= side <= MOST for side in size)


def told(record: dict[str, Any]) -> str:
    """The images that the graph takes, in words."""
    if (record["height"], record["width"]) == OPEN:
        return f"images whose sides are multiples of {STEP} from {least(record['tile'])} to {MOST} pixels"
    return f"images of {record['height']} x {record['width']} pixels (height x width)"


def require_open(preprocessing: dict[str, Any]) -> None:
    """UserError if the run resizes or aligns images: then the size must be fixed."""
    if preprocessing["scale"] != 1 or preprocessing["rescale"] != 1:
        factor = f"scale {preprocessing['scale']:g}, rescale {preprocessing['rescale']}"
        raise UserError(f"size is dynamic, but this run resizes its images ({factor}): export it for each size with size=HxW")
    if preprocessing.get("align"):
        raise UserError("size is dynamic, but this run aligns its images: export it for each size with size=HxW")

"""How low a rate of false alarms the normal images can promise."""

import math

from anomaly_lab.calibration.rules import images_needed
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding, counted

WANTED, CONFIDENCE = 0.01, 0.95
HARDLY = 1 / 3  # a rate above it is no promise


def promise(held_out: int, share: float, alpha: float | None) -> list[Finding]:
    """`held_out`: normal images that calibrate the threshold; `share`: of all normal ones. `alpha`: the rate asked for."""
    lowest = 1 / (held_out + 1)  # see calibration.rules
    average, sure = images_needed(WANTED), images_needed(WANTED, CONFIDENCE)
    numbers = {"held_out": held_out, "lowest": lowest, "needed_on_average": average, "needed_with_confidence": sure}
    numbers |= {"wanted": WANTED, "confidence": CONFIDENCE}
    told = (
        f"{counted(held_out, 'held-out image promises', 'held-out images promise')} a false-alarm rate of {lowest:.1%} at best"
    )
    more = f"{WANTED:.0%} needs {average} of them on average, {sure} with confidence {CONFIDENCE}"
    normal = math.ceil(average / share)
    if lowest > HARDLY:
        remedy = f"add normal images ({normal:,} hold out {average}), or raise data.validation_share"
        return [Finding("promise", WRONG, f"{told}, hardly a threshold; {more}: {remedy}", numbers)]
    if alpha is not None and lowest > alpha * (1 + 1e-9):
        remedy = f"calibrate on more normal images after the training, or add some ({normal:,} hold out {average})"
        return [Finding("promise", NOTE, f"{told}, not the {alpha:.1%} asked for; {more}: {remedy}", numbers)]
    return [Finding("promise", FINE, f"{told}; {more}", numbers)]

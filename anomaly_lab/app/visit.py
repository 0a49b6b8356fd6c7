"""A visit of the page: what was dropped, which image is shown, and the threshold → all that is visible. It knows no Gradio."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.app import words
from anomaly_lab.app.decide import Judge, Judged
from anomaly_lab.app.histogram import axis, histogram
from anomaly_lab.app.marks import Marks
from anomaly_lab.data.images import resize
from anomaly_lab.files import replacing

STEPS = 240  # of the threshold's slider
THUMB = 144  # pixels: the longer side of a small picture
FOUND, PLAIN = "with findings", "plain"


class Slider(NamedTuple):
    """The threshold's slider: its ends and step. The run's own threshold is a whole number of steps above `low`."""

    low: float
    high: float
    step: float
    own: float

    @property
    def digits(self) -> int:
        """Decimals of the number beside the slider: a thousandth of a step."""
        return max(0, 3 - math.floor(math.log10(self.step)))

    def threshold(self, given: Any) -> float:
        """The threshold where the slider stands. The run's own, bit for bit, within half a step of it, and for no number."""
        number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
        return float(given) if number and abs(given - self.own) >= self.step / 2 else self.own


def slider(judge: Judge) -> Slider:
    """The slider over the histogram's axis."""
    low, high = axis(judge.normal, judge.threshold)
    step = float(f"{(high - low) / STEPS:.1g}")
    start = judge.threshold - step * math.floor((judge.threshold - low) / step)
    return Slider(start, start + step * math.ceil((high - start) / step), step, judge.threshold)


class Visible(NamedTuple):
    """All that a visitor sees. Texts are HTML, except the command."""

    picture: NDArray[np.uint8] | None  # (h, w, 3) RGB
    verdict: str
    histogram: str
    rate: str
    strip: str
    tally: str
    what_for: str
    command: str


def visible(judge: Judge, marks: Marks, thumbs: Path, seen: list[Judged], at: int, threshold: float, what: str) -> Visible:
    """What is seen of the images `seen`, of which number `at` is shown, `what` = FOUND or PLAIN. `thumbs`: see `thumbnail`."""
    shown = seen[at] if seen else None
    picture = None if shown is None else judge.picture(shown, threshold)
    verdict = words.welcome(judge.category)
    if shown is not None:
        verdict = words.verdict(shown, threshold, picture.defects if picture else (), marks.of(shown.digest))
    what_for, command = words.calibration(judge.run, marks.out, marks.normal_images())
    return Visible(
        picture=None if picture is None else picture.plain if what == PLAIN else picture.found,
        verdict=verdict,
        histogram=histogram(judge.normal, judge.threshold, threshold, None if shown is None else shown.level),
        rate=words.rate(threshold, judge.threshold, judge.normal),
        strip=words.strip([(each, thumbnail(judge, each, thumbs), marks.of(each.digest)) for each in seen], at, threshold),
        tally=words.tallied(marks.tally(threshold)),
        what_for=what_for,
        command=command,
    )


def thumbnail(judge: Judge, judged: Judged, folder: Path) -> Path:
    """A small picture of an image in `folder`, made once; grey for a file that can't be read."""
    path = folder / f"{judged.digest}.png"
    if not path.is_file():
        folder.mkdir(exist_ok=True)
        found = judge.picture(judged, judge.threshold)
        plain = np.full((THUMB, THUMB, 3), 200, np.uint8) if found is None else found.plain
        scale = THUMB / max(plain.shape[:2])
        small = resize(plain, (max(1, round(scale * plain.shape[0])), max(1, round(scale * plain.shape[1]))))
        with replacing(path) as temporary:  # two visitors may drop the same image
            cv2.imwrite(str(temporary), small[..., ::-1])
    return path

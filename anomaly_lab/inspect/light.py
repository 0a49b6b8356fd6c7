"""Findings about brightness and sharpness: do training and test images differ in them, and do they give the defects away?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from anomaly_lab.inspect.counts import name
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding
from anomaly_lab.inspect.looked import TEST, Looked
from anomaly_lab.metrics.curves import auroc, turns_of_scores

QUANTITIES = {"brightness": ("darker", "brighter"), "sharpness": ("less sharp", "sharper")}
RARE = 0.001  # false-alarm rate of each test below
APART, FAR_APART = 0.2, 0.4  # of an AUROC from ½: worth a note; nearly all images of one class lie on one side
EXPOSURES = 0.75  # spread of the images' brightness, as a share of the spread within an image


def area(negative: ArrayLike, positive: ArrayLike) -> tuple[float, float] | None:
    """(AUROC, p-value of Mann and Whitney's test, two-sided); None if a class is empty."""
    turns = turns_of_scores(negative, positive)
    if turns is None:
        return None
    from scipy.stats import mannwhitneyu  # takes .3 s to load

    return auroc(turns), float(mannwhitneyu(positive, negative).pvalue)


def shifts(looked: Sequence[Looked]) -> list[Finding]:
    """Normal test images against training images: a shift raises the rate of false alarms, or hides defects."""
    normal = [image for image in looked if image.part != TEST]
    good = [image for image in looked if image.part == TEST and not image.sample.label]
    found = []
    for quantity, words in QUANTITIES.items():
        before, after = ([getattr(image, quantity) for image in images] for images in (normal, good))
        measured = area(before, after)
        if measured is None:
            continue
        value, p = measured
        numbers = {"auroc": value, "p": p, "train": float(np.median(before)), "test_good": float(np.median(after))}
        told = f"median {numbers['train']:.2f} → {numbers['test_good']:.2f}, AUROC {value:.2f}"
        if p >= RARE or abs(value - 0.5) < APART:
            unsure = "no certain" if abs(value - 0.5) >= APART else "no"
            sentence = f"{unsure} shift of {quantity} from training to normal test images ({told})"
            found.append(Finding(f"{quantity}_shift", FINE, sentence, numbers))
            continue
        severity = WRONG if abs(value - 0.5) >= FAR_APART else NOTE
        consequence = "the rate of false alarms won't hold: train on images in the test's light, or calibrate on such ones"
        sentence = f"normal test images are {words[value > 0.5]} than training images ({told}): {consequence}"
        found.append(Finding(f"{quantity}_shift", severity, sentence, numbers))
    return found


def alone(looked: Sequence[Looked]) -> list[Finding]:
    """How well one number of an image, without any network, tells defective test images from normal ones."""
    good, bad = ([i for i in looked if i.part == TEST and i.sample.label == label] for label in (0, 1))
    found = []
    for quantity, words in QUANTITIES.items():
        measured = area([getattr(image, quantity) for image in good], [getattr(image, quantity) for image in bad])
        if measured is None:
            continue
        value, p = measured
        numbers = {"auroc": value, "p": p}
        if p >= RARE or abs(value - 0.5) < APART:
            unsure = "is no certain sign of" if abs(value - 0.5) >= APART else "does not tell"
            sentence = f"{quantity} alone {unsure} defective images (AUROC {value:.2f})"
            found.append(Finding(f"{quantity}_alone", FINE, sentence, numbers))
            continue
        best = max(value, 1 - value)
        sentence = f"{quantity} alone tells defective images, the {words[value > 0.5]} ones, with AUROC {best:.2f}"
        remedy = "compare a model's image AUROC with that, and take normal and defective images in one light"
        found.append(Finding(f"{quantity}_alone", NOTE, f"{sentence}: {remedy}", numbers))
    return found


def exposures(looked: Sequence[Looked]) -> list[Finding]:
    """Whether the light varies more between normal training images than within one."""
    normal = sorted((i for i in looked if i.part != TEST), key=lambda image: image.brightness)
    if len(normal) < 2:
        return []
    between = float(np.std([image.brightness for image in normal]))
    within = float(np.median([image.spread for image in normal]))
    low, high = normal[len(normal) // 20], normal[-1 - len(normal) // 20]
    ratio = between / max(within, 1e-6)
    numbers = {"between": between, "within": within, "ratio": ratio, "low": low.brightness, "high": high.brightness}
    told = f"mean brightness from {low.brightness:.2f} to {high.brightness:.2f}"
    if ratio < EXPOSURES:
        return [Finding("exposures", FINE, f"the light of training images is even ({told})", numbers)]
    sentence = f"training images are lit differently ({told}, such as {name(low)} and {name(high)})"
    remedy = "try data.contrast=image, or train one model for each exposure"
    return [Finding("exposures", NOTE, f"{sentence}: {remedy}", numbers, (low.sample.path, high.sample.path))]

"""Findings about masks: those that are empty, soft or don't fit, and what their regions say about the smallest defect."""

from collections.abc import Sequence

import numpy as np

from anomaly_lab.inspect.counts import name, paths
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding, counted
from anomaly_lab.inspect.looked import TEST, Looked

LARGE = 0.5  # share of the image from which on a mask is perhaps inverted
SMALL = 0.05  # quantile of the regions' areas that is suggested for min_area
LEAST = 4  # pixels: fewer are noise


def masks(looked: Sequence[Looked]) -> list[Finding]:
    """The masks of defective test images."""
    defective = [image for image in looked if image.part == TEST and image.sample.label]
    if not defective:
        return []
    drawn = [image for image in defective if image.mask is not None]
    if not drawn:
        say = "no defective image has a mask: there are no metrics of pixels; draw masks to know where defects are found"
        return [Finding("masks", NOTE, say)]
    found = []
    faults = [image for image in drawn if image.mask and image.mask.fault]
    if faults and faults[0].mask:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        sentences = {"files": {name(image): image.mask.fault for image in faults if image.mask}}
        found.append(Finding("masks_unfit", WRONG, f"{faults[0].mask.fault}{more}", sentences, paths(faults)))
    sound = [(image, image.mask) for image in drawn if image.mask and not image.mask.fault]
    empty = [image for image, mask in sound if not mask.share]
    if empty:
        what = counted(len(empty), "mask marks", "masks mark")
        sentence = f"{what} no pixel, such as that of {name(empty[0])}: correct it, or count the image as normal"
        found.append(Finding("masks_empty", WRONG, sentence, {"masks": len(empty)}, paths(empty)))
    soft = [image for image, mask in sound if mask.shades]
    if soft:
        sentence = (
            f"{counted(len(soft), 'mask is', 'masks are')} soft, such as that of {name(soft[0])}: values above half count"
        )
        numbers = {"masks": len(soft), "pixels": sum(mask.shades for _, mask in sound)}
        found.append(Finding("masks_soft", NOTE, f"{sentence}; save masks as PNG with two values", numbers, paths(soft)))
    large = [image for image, mask in sound if mask.share > LARGE]
    if large:
        sentence = (
            f"{counted(len(large), 'mask covers', 'masks cover')} over half of the image, such as that of {name(large[0])}"
        )
        severity = WRONG if 2 * len(large) > len(sound) else NOTE
        remedy = "invert them if they are white where the image is normal"
        found.append(Finding("masks_large", severity, f"{sentence}: {remedy}", {"masks": len(large)}, paths(large)))
    bare = [image for image in defective if image.sample.mask is None]
    if bare:
        sentence = f"{counted(len(bare), 'defective image')} of {len(defective)} without a mask, such as {name(bare[0])}"
        say = "they stay out of the metrics of pixels"
        found.append(Finding("masks_missing", NOTE, f"{sentence}: {say}", {"images": len(bare)}, paths(bare)))
    return found or [Finding("masks", FINE, f"{counted(len(drawn), 'mask fits its image', 'masks fit their images')}")]


def smallest(looked: Sequence[Looked], configured: int | None, used: int) -> list[Finding]:
    """Which min_area the masks' regions suggest. `configured`: category.min_area; `used`: what a training takes."""
    areas = np.sort([area for image in looked if image.mask for area in image.mask.areas])
    if not len(areas):
        why = "as configured" if configured is not None else ".05 % of an image, as no mask says how small defects are"
        return [Finding("min_area", FINE, f"category.min_area={used} ({why})", {"used": used})]
    suggested = max(LEAST, int(np.quantile(areas, SMALL)))
    below = float((areas < used).mean())
    numbers = {"used": used, "suggested": suggested, "below": below, "regions": len(areas), "median": float(np.median(areas))}
    told = f"{counted(len(areas), 'region')} in the masks, half of them below {numbers['median']:.0f} pixels"
    if suggested < used and below > SMALL:
        sentence = f"{below:.0%} of {told}, are smaller than category.min_area={used} and can't be found: try {suggested}"
        return [Finding("min_area", NOTE, sentence, numbers)]
    return [Finding("min_area", FINE, f"category.min_area={used} fits {told}", numbers)]

"""Findings about the files: how many of which kind, their sizes and modes, and those that can't be used."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anomaly_lab.data.folder import Category, unreached
from anomaly_lab.data.names import UNREAD_SUFFIXES
from anomaly_lab.errors import printable
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding, counted
from anomaly_lab.inspect.looked import TEST, Looked

FEW = 10  # test images of a class, below which image metrics say little
VARIED = 1.25  # the longest side over the shortest one, from which on images need different scales


def table(looked: Sequence[Looked]) -> list[tuple[str, str, int, int]]:
    """(part, kind, images, masks), in the order of the parts, kinds in alphabetical order, normal images first."""
    count = Counter((image.part, image.sample.label, image.sample.defect) for image in looked)
    masks = Counter((i.part, i.sample.label, i.sample.defect) for i in looked if i.sample.mask is not None)
    order = {part: place for place, part in enumerate(dict.fromkeys(image.part for image in looked))}
    keys = sorted(count, key=lambda key: (order[key[0]], *key[1:]))
    return [(part, kind, count[part, label, kind], masks[part, label, kind]) for part, label, kind in keys]


def counts(looked: Sequence[Looked]) -> list[Finding]:
    """How many images there are, and what a test with them can say."""
    parts = Counter(image.part for image in looked)
    defective = sum(image.sample.label for image in looked if image.part == TEST)
    good = parts[TEST] - defective
    kinds = len({image.sample.defect for image in looked if image.sample.label})
    numbers = {"parts": dict(parts), "test_good": good, "test_defective": defective, "kinds": kinds}
    normal = sum(n for part, n in parts.items() if part != TEST)
    found = f"{counted(normal, 'normal training image')}, {good} normal and {defective} defective test images"
    found += f" of {counted(kinds, 'kind')}" if kinds else ""
    if not parts[TEST]:
        return [Finding("counts", NOTE, f"{found}: without test images a run has a threshold, but no metrics", numbers)]
    if not good or not defective:
        lacking = "normal" if not good else "defective"
        return [Finding("counts", NOTE, f"{found}: without {lacking} test images there is no image AUROC; add some", numbers)]
    if min(good, defective) < FEW:
        say = f"below {FEW} images of a class, image metrics say little; read those of pixels, or add test images"
        return [Finding("counts", NOTE, f"{found}: {say}", numbers)]
    return [Finding("counts", FINE, found, numbers)]


def faults(looked: Sequence[Looked]) -> list[Finding]:
    """Images that can't be read, and those that show nothing."""
    bad = [image for image in looked if image.fault is not None]
    empty = [image for image in looked if image.fault is None and image.empty]
    found = []
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        sentences = {"files": {printable(str(image.sample.path)): image.fault for image in bad}}
        found.append(Finding("unreadable", WRONG, f"{bad[0].fault}{more}", sentences, paths(bad)))
    if empty:
        severity = WRONG if any(image.part != TEST for image in empty) else NOTE
        where = counted(len(empty), "image shows", "images show")
        sentence = f"{where} nothing, black or one colour, such as {name(empty[0])}: remove them if the camera failed"
        found.append(Finding("empty", severity, sentence, {"images": len(empty)}, paths(empty)))
    return found or [Finding("unreadable", FINE, "every image can be read and shows something")]


def sizes(looked: Sequence[Looked]) -> list[Finding]:
    """The images' sizes: one scale serves the whole category."""
    found = Counter(image.size for image in looked)
    longest = [max(size) for size in found]
    told = ", ".join(f"{width} × {height}" for (height, width), _ in found.most_common(3))
    ratio = max(longest) / min(longest)
    numbers = {"sizes": {f"{w}x{h}": n for (h, w), n in found.most_common(20)}, "ratio": ratio}
    if len(found) == 1:
        return [Finding("sizes", FINE, f"all images are {told} px", numbers)]
    several = f"{len(found)} sizes, such as {told} px"
    for what, pair in groups(looked).items():
        kinds = [{image.size for image in images} for images in pair]
        if all(kinds) and not kinds[0] & kinds[1] and min(map(len, kinds)) == 1:
            sentence = f"{what} differ in size ({several}): give both the same resolution, since one scale serves all"
            return [Finding("sizes", WRONG, sentence, numbers)]
    if ratio > VARIED:
        return [
            Finding("sizes", NOTE, f"{several}: one scale serves all, so a part should fill as many pixels in each", numbers)
        ]
    return [Finding("sizes", FINE, several, numbers)]


def modes(looked: Sequence[Looked]) -> list[Finding]:
    """Grey or colour, 8 or 16 bits, alpha: a mode that tells training from test, or normal from defective, is a shortcut."""
    found = Counter(image.mode for image in looked)
    told = ", ".join(f"{n} {mode}" for mode, n in found.most_common())
    out = []
    for what, pair in groups(looked).items():
        kinds = [{colour(image) for image in images} for images in pair]
        if all(kinds) and not kinds[0] & kinds[1]:
            sentence = f"{what} are stored differently ({told}), which alone tells them apart: save all in one mode"
            out.append(Finding("modes", WRONG, sentence, {"modes": dict(found)}))
    if not out and len({colour(image) for image in looked}) > 1:
        out.append(Finding("modes", NOTE, f"the images are stored in several modes ({told}): save all in one", dict(found)))
    if not out:
        out.append(Finding("modes", FINE, f"all images are {next(iter(found))}" if len(found) == 1 else told, dict(found)))
    if alpha := [image for image in looked if "alpha" in image.mode]:
        sentence = f"{counted(len(alpha), 'image')} with an alpha channel, such as {name(alpha[0])}: it is ignored"
        out.append(
            Finding("alpha", NOTE, f"{sentence}; paint what it hides if that matters", {"images": len(alpha)}, paths(alpha))
        )
    deep = [image for image in looked if "16 bits" in image.mode]
    if deep and (top := max(image.highest for image in deep)) < 0.5:
        bits = int(np.ceil(np.log2(top * 65535 + 1)))
        sentence = (
            f"the 16-bit images use {bits} bits (up to {top:.3f} of the range): contrast=category stretches them, as by default"
        )
        out.append(Finding("depth", NOTE, sentence, {"highest": top}))
    return out


def groups(looked: Sequence[Looked]) -> dict[str, list[list[Looked]]]:
    """The pairs of groups that the way they are stored must not tell apart."""
    tested = [image for image in looked if image.part == TEST]
    return {
        "training and test images": [[image for image in looked if image.part != TEST], tested],
        "normal and defective test images": [[image for image in tested if image.sample.label == label] for label in (0, 1)],
    }


def colour(image: Looked) -> str:
    """What a network sees of the mode: "grey" or "colour"."""
    return "grey" if image.mode.startswith("grey") else "colour"


def left_aside(found: Category) -> list[Finding]:
    """Images below the category's folder that the reader does not use."""
    beside = unreached(found)
    if not beside:
        return [Finding("left_aside", FINE, "the layout leaves no image aside")]
    folders = Counter(path.parent for path in beside)
    unread = sum(path.suffix.lower() in UNREAD_SUFFIXES for path in beside)
    where = ", ".join(f"{printable(str(folder))} ({n})" for folder, n in folders.most_common(3))
    formats = f", {unread} of them in formats that are not read" if unread else ""
    what = f"{counted(len(beside), 'image is', 'images are')} left aside{formats}"
    sentence = f"{what}: move those in {where} to where the layout wants them"
    numbers = {"images": len(beside), "folders": {printable(str(folder)): n for folder, n in folders.most_common(50)}}
    return [Finding("left_aside", NOTE, sentence, numbers, tuple(beside[:8]))]


def name(image: Looked) -> str:
    """An image's last two names, for sentences."""
    return printable("/".join(image.sample.path.parts[-2:]))


def paths(images: Sequence[Looked], most: int = 8) -> tuple[Path, ...]:
    """The paths of the first images."""
    return tuple(image.sample.path for image in images[:most])

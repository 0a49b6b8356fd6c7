"""Findings about images that are there twice, also as nearly the same or in other light, and on both sides of a split."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.alike import SIDE, blocks, near
from anomaly_lab.inspect.counts import name
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding, counted
from anomaly_lab.inspect.looked import DEEP, HELD_OUT, TEST, TRAIN, Looked

MOST = 6000  # images that are compared with each other
COARSE = 3.0  # σ in pixels of `SIDE`: what is smoother is light and shape
RELIT = 0.9  # correlation of the fine structure, from which on two images show the same part in whatever light
USUAL = 0.05  # share of all pairs: where more correlate as highly, parts simply lie alike


class Pair(NamedTuple):
    """Two images that show the same. `how`: "copy", "near" or "relit"."""

    a: Looked
    b: Looked
    how: str


def copies(looked: Sequence[Looked]) -> list[Pair]:
    """Images whose files have the same bytes; each with the first one."""
    by_digest = defaultdict[str, list[Looked]](list)
    for image in looked:
        by_digest[image.digest].append(image)
    return [Pair(same[0], other, "copy") for same in by_digest.values() for other in same[1:]]


def pairs(looked: Sequence[Looked]) -> list[Pair]:
    """Pairs that are nearly the same, or the same in other light; of at most `MOST` images, without `copies`."""
    images = [looked[int(i)] for i in np.linspace(0, len(looked) - 1, min(MOST, len(looked))).round()]
    if len(images) < 2:
        return []
    rows = np.array([image.small for image in images], np.float32) / np.float32(DEEP)
    shown = {(i, j): "near" for i, j in near(rows)}
    for i, j in relit(rows):
        shown.setdefault((i, j), "relit")
    found = (Pair(images[i], images[j], how) for (i, j), how in sorted(shown.items()))
    return [pair for pair in found if pair.a.digest != pair.b.digest]


def relit(rows: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The pairs i < j of images (n, `SIDE`²) whose fine structure correlates by `RELIT`; none if that is usual among them."""
    structure = np.array([fine(row) for row in rows])
    found: list[tuple[int, int]] = []
    allowed = max(1, int(USUAL * len(rows) * (len(rows) - 1) / 2))
    for i, j, a, b in blocks(structure):
        high = np.argwhere(a @ b.T >= RELIT)
        found += [(i + int(k), j + int(m)) for k, m in high if i + k < j + m]
        if len(found) > allowed:
            return []
    return found


def fine(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """(`SIDE`²,) → (`SIDE`²,) of length 1: what is finer than `COARSE`, at one contrast everywhere; 0 for a flat image."""
    image = row.reshape(SIDE, SIDE)
    detail = image - cv2.GaussianBlur(image, (0, 0), COARSE)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2 * COARSE))
    even = detail / (contrast + 1e-3)
    even = (even - even.mean()).ravel()
    length = float(np.linalg.norm(even))
    return even / length if length > 1e-6 * SIDE * SIDE else np.zeros_like(even)


SAID = {"copy": "copies", "near": "nearly the same", "relit": "the same part in other light"}
CONSEQUENCE = {
    (TRAIN, TEST): "metrics are too good",
    (HELD_OUT, TEST): "metrics are too good",
    (TRAIN, HELD_OUT): "the threshold is too low for new images",
}


def duplicates(found: Sequence[Pair]) -> list[Finding]:
    """Findings about pairs: across a split they make results wrong, within a part they only count twice."""
    out = []
    for how, said in SAID.items():
        of_kind = [pair for pair in found if pair.how == how]
        contrary = [pair for pair in of_kind if pair.a.sample.label != pair.b.sample.label and how != "relit"]
        if contrary:
            sentence = (
                f"{counted(len(contrary), 'pair')} of a normal and a defective image are {said}, such as {told(contrary[0])}"
            )
            out.append(Finding(f"{how}_contrary", WRONG, f"{sentence}: sort them anew", _numbers(contrary), _files(contrary)))
        normal = [pair for pair in of_kind if pair not in contrary]
        for split, consequence in CONSEQUENCE.items():
            across = [pair for pair in normal if (pair.a.part, pair.b.part) in (split, split[::-1])]
            if across:
                parts = len({id(image) for pair in across for image in pair[:2] if image.part == split[1]})
                what = f"{counted(parts, f'{split[1]} image')} and {split[0]} images are {said}, such as {told(across[0])}"
                remedy = "keep them on one side" if split[1] == TEST else "remove one of each, or use data=folders"
                severity = NOTE if how == "relit" else WRONG
                title = f"{how}_{split[0]}_{split[1]}"
                out.append(Finding(title, severity, f"{what}: {consequence}; {remedy}", _numbers(across), _files(across)))
        within = [pair for pair in normal if pair.a.part == pair.b.part]
        if within:
            sentence = f"{counted(len(within), 'pair')} of images within a part are {said}, such as {told(within[0])}"
            out.append(Finding(f"{how}_within", NOTE, f"{sentence}: they count twice", _numbers(within), _files(within)))
    return out or [Finding("duplicates", FINE, "no two images show the same")]


def told(pair: Pair) -> str:
    """The names of a pair."""
    return f"{name(pair.a)} and {name(pair.b)}"


def _numbers(found: Sequence[Pair]) -> dict[str, object]:
    return {"pairs": len(found), "first": [[name(pair.a), name(pair.b)] for pair in found[:50]]}


def _files(found: Sequence[Pair]) -> tuple[Path, ...]:
    return tuple(path for pair in found[:4] for path in (pair.a.sample.path, pair.b.sample.path))

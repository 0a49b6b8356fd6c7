"""Look at the images that a training would use, in order: files → what is in each → findings → page."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.build import build
from anomaly_lab.data.alignment import aligned
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.held_out import split
from anomaly_lab.data.images import read_image, to_unit
from anomaly_lab.data.statistics import evenly, mean_color
from anomaly_lab.errors import UserError, printable
from anomaly_lab.files import make_folder, write_json
from anomaly_lab.inspect import counts, duplicates, flips, light, masks, page, pictures
from anomaly_lab.inspect.baselines import baselines
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding, worst_first
from anomaly_lab.inspect.looked import HELD_OUT, TEST, TRAIN, Looked, look
from anomaly_lab.inspect.promise import promise
from anomaly_lab.pipeline.assembly import datamodule
from anomaly_lab.progress import watched
from anomaly_lab.runs.choices import record

T = TypeVar("T")
WORKERS = 2  # threads that decode: OpenCV lets them run at the same time
AHEAD = 64  # images that they may be ahead, so that memory does not grow with the number of images


class Inspected(NamedTuple):
    """What was found, the worst first, and where it is written."""

    findings: list[Finding]
    out: Path


def inspect(config: DictConfig, out: Path | None) -> Inspected:
    """Inspect the images of a composed training configuration, and write inspect.html and findings.json to `out`.

    UserError where the files can't even be listed.
    """
    data = datamodule(config)
    found = data.files()
    out = out or Path("inspections") / "_".join(part for part in (data.name, found.name.replace("/", "_")) if part)
    make_folder(out, "out=")
    held_out = _held_out(found, data)
    parts = {sample: HELD_OUT if sample in held_out else TRAIN for sample in found.train}
    every = [*found.train, *found.test]
    looked = [each for each in watched(_looked(every, parts), "Looking at images", len(every))]
    sound = [image for image in looked if image.fault is None]
    same = [*duplicates.copies(sound), *duplicates.pairs(sound)]
    findings = [
        *counts.counts(looked),
        *counts.faults(looked),
        *counts.left_aside(found),
        *duplicates.duplicates(same),
        *masks.masks(sound),
    ]
    if sound:
        findings += [*counts.sizes(sound), *counts.modes(sound), *light.shifts(sound), *light.alone(sound)]
        findings += light.exposures(sound)
    findings += promise(len(held_out), data.validation_share, config.calibration.get("alpha"))
    findings += _for_training(config, data, found, sound)
    findings = worst_first(findings)
    _write(out, data, found, findings, looked, same)
    return Inspected(findings, out)


def _held_out(found: Category, data: AnomalyDataModule) -> set[Sample]:
    """The normal images that a training would hold out; none if there are too few."""
    try:
        return set(split(found.train, data.validation_share, data.seed)[1])
    except UserError:
        return set()


def _looked(samples: Sequence[Sample], parts: dict[Sample, str]) -> Iterator[Looked]:
    """Look at images in threads, in their order, a few ahead."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(samples), AHEAD):
            chunk = samples[start : start + AHEAD]
            yield from pool.map(lambda sample: look(sample, parts.get(sample, TEST)), chunk)


def _for_training(config: DictConfig, data: AnomalyDataModule, found: Category, sound: Sequence[Looked]) -> list[Finding]:
    """What a training would choose from the images that can be read, which flips leave them normal, and trivial maps."""
    readable = {image.sample for image in sound}
    train = [sample for sample in found.train if sample in readable]
    if len(train) < 2:
        return [Finding("image_size", WRONG, f"{len(train)} normal images can be read, and a training needs two: add some")]
    try:
        learning, _ = split(train, data.validation_share, data.seed)
        data.measure(learning, train)
    except UserError as error:
        return [Finding("image_size", WRONG, str(error))]
    severity = NOTE if "largest offered" in data.why_size else FINE
    said = f"image_size={data.image_size}: {data.why_size}"
    findings = [Finding("image_size", severity, said, {"image_size": data.image_size, "scale": data.preprocessing.scale})]
    if data.align:
        said = f"{data.why_align}: a training aligns them and evens out the background; data.align=false leaves it as it is"
        findings.append(Finding("align", FINE, said))
    chosen = [train[i] for i in evenly(len(train), flips.IMAGES)]
    images = [_small(sample, data.align) for sample in watched(chosen, "Reading images", len(chosen))]
    findings += flips.suggested(flips.judged(images, data.seed), list(data.category["augmentation"]), len(images))
    findings += masks.smallest(sound, data.category["min_area"], data.min_area)
    test = [_with_sound_mask(image) for image in sound if image.part == TEST]
    if test:
        colour = mean_color(DecodedImages(learning, data.preprocessing.unaligned))
        pooling = build(record("scoring.pooling", OmegaConf.to_container(config.scoring)["pooling"]))  # type: ignore[index,call-overload]
        findings += baselines(test, data.preprocessing, colour, config.scoring.sigma, pooling, _watch)
    return findings


def _watch(items: Iterable[T], total: int) -> Iterator[T]:
    return watched(items, "Scoring trivial maps", total)


def _with_sound_mask(image: Looked) -> Sample:
    """The sample, without its mask if that can't be used."""
    sound = image.mask is not None and image.mask.fault is None
    return image.sample if sound else replace(image.sample, mask=None)


def _small(sample: Sample, align: bool) -> NDArray[np.float32]:
    """The grey image in [0, 1], its longer side at most `flips.SIDE` pixels; aligned, if the training's are."""
    image = read_image(sample.path)
    grey = to_unit(aligned(image)[0] if align else image).mean(2)
    factor = min(1.0, flips.SIDE / max(grey.shape))
    size = max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _write(
    out: Path,
    data: AnomalyDataModule,
    found: Category,
    findings: Sequence[Finding],
    looked: Sequence[Looked],
    same: Sequence[duplicates.Pair],
) -> None:
    """Write inspect.html, then findings.json."""
    source = printable(str(found.root))
    title = printable(f"Inspection of {found.name} ({data.name})")
    table = counts.table(looked)
    sound = [image for image in looked if image.fault is None]
    content = page.Content(
        title, source, findings, table, pictures.histograms(sound), pictures.pairs(same), pictures.samples(looked)
    )
    page.write_page(out / "inspect.html", content)
    rows = [dict(zip(("part", "kind", "images", "masks"), row, strict=True)) for row in table]
    kept: dict[str, Any] = {"data": data.name, "category": found.name, "root": source, "counts": rows}
    write_json(out / "findings.json", kept | {"findings": [_plain(finding) for finding in findings]})


def _plain(finding: Finding) -> dict[str, Any]:
    files = [printable(str(path)) for path in finding.files]
    return finding._asdict() | {"numbers": dict(finding.numbers), "files": files}

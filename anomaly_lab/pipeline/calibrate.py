"""Another threshold for a trained run, from normal images of another camera or another day, without training."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from anomaly_lab.calibration.calibrate import LEVELS
from anomaly_lab.calibration.rules import images_needed, promised
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.inputs import inputs
from anomaly_lab.data.known import Known
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.errors import Refused, UserError
from anomaly_lab.files import make_folder, of_file, write_csv, write_json, write_text
from anomaly_lab.pipeline.evaluate import record
from anomaly_lab.pipeline.train import calibrated
from anomaly_lab.runs import environment, images, lock
from anomaly_lab.runs.changes import RECORD
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.trained import load, save
from anomaly_lab.scored import preprocessing_of
from anomaly_lab.training.trainer import quiet

ALPHA = 0.1  # of a run whose rule has no rate


class Options(NamedTuple):
    """The arguments of the command, see `anomaly_lab.calibrate`. `alpha` None: the run's own rate, as far as it can be kept."""

    run: Path
    images: str
    out: Path
    alpha: float | None
    confidence: float | None
    group: str | None


class Calibrated(NamedTuple):
    """The new run and what its threshold promises. `groups` count as one image each, without the `copies`; `before`: the run's
    own threshold."""

    out: Path
    images: int
    copies: int
    groups: int
    threshold: float
    before: float
    alpha: float
    needed: int  # images that promise `alpha`
    rate: float  # that is promised


def calibrate(options: Options) -> Calibrated:
    """Calibrate on the images, and write a run of its own to `options.out`. UserError where they can't promise the rate."""
    quiet()
    trained = load(options.run)
    module, before = trained.module, float(trained.module.threshold)
    known = images.read(trained.run)
    data, copies = normal_images(options.images, trained.config.category.name, preprocessing_of(module))
    require_new(data.held_out, known, trained.run)
    own = module.hparams["calibration"].get("alpha", ALPHA)
    alpha = own if options.alpha is None else options.alpha
    module.hparams["calibration"] = rule(alpha, options.confidence, options.alpha is not None)
    make_folder(options.out, "out=")
    if (options.out / "config.yaml").exists():
        raise Refused(f"{options.out} holds a run already: choose a new directory with out=")
    with lock.held(options.out):
        group = None if options.group is None else grouping(options.group)
        try:
            rows = calibrated(module, data, group=group)
        except ValueError as error:
            raise UserError(f"{error}") from error
        levels = module.hparams["calibration"]["levels"]
        source = record(trained.run.resolve(), [f"images={options.images}"]) | {"calibrated_on": str(data.found.root)}
        write_json(options.out / RECORD, source)
        write_json(options.out / "environment.json", environment.environment())
        images.write(options.out, known, images.of(data))
        write_csv(options.out / "levels.csv", LEVELS, rows)
        save(best_checkpoint(options.out), module, trained.epoch, trained.step)
        config: Any = OmegaConf.create(OmegaConf.to_container(trained.config))
        config.calibration = {k: v for k, v in module.hparams["calibration"].items() if k not in ("levels", "pixel_threshold")}
        write_text(options.out / "config.yaml", OmegaConf.to_yaml(config, resolve=True))  # last: with it, it is a run
    threshold = float(module.threshold)
    needed, rate = images_needed(alpha, options.confidence), promised(threshold, levels)
    return Calibrated(options.out, len(data.held_out), copies, len(levels), threshold, before, alpha, needed, rate)


def rule(alpha: float, confidence: float | None, strict: bool) -> dict[str, Any]:
    """The record of the rule for a rate: with a confidence, or on average; if `strict`, it refuses too few images."""
    name = "tolerance" if confidence is not None else "conformal" if strict else "rate"
    known = {"_target_": f"anomaly_lab.calibration.rules.{name}", "name": name, "alpha": alpha}
    return known if confidence is None else known | {"confidence": confidence}


def grouping(pattern: str) -> Callable[[Path], str]:
    """A path → the group that the pattern finds in it: its first group, or the whole match. UserError for a bad pattern.

    A path without a match is a group of its own.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"group is {pattern}, which is no regular expression ({error}): mend it") from error

    def of(path: Path) -> str:
        match = compiled.search(path.as_posix())
        return path.as_posix() if match is None else match.group(1 if compiled.groups else 0) or ""

    return of


def normal_images(given: str, category: str, preprocessing: Any) -> tuple[ScoringData, int]:
    """The named images as held-out normal ones, without training or test images; and how many more are copies of these.

    Copies are not independent: they count as one image.
    """
    paths = list(dict.fromkeys(path.resolve() for path in inputs(given, sys.stdin)))
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(of_file(path) if path.is_file() else str(path), path)  # reading tells why one is no file
    root = Path(os.path.commonpath([path.parent for path in first.values()]))
    held_out = [Sample(path, NORMAL, None) for path in first.values()]
    found = Category(category, root, (), ())
    data = ScoringData(found, DecodedImages([], preprocessing), DecodedImages(held_out, preprocessing), (), 0)
    return data, len(paths) - len(first)


def require_new(samples: Sequence[Sample], known: Known, run: Path) -> None:
    """UserError for images that the run has learnt from: their levels are lower than those of new images."""
    trained = {digest: path for path, digest in known.train}
    seen = [sample.path for sample in samples if sample.path.is_file() and of_file(sample.path) in trained]
    if seen:
        more = f" (and {len(seen) - 1} more)" if len(seen) > 1 else ""
        what = f"{seen[0]} is {trained[of_file(seen[0])]}, which {run} has learnt from{more}"
        raise UserError(f"{what}: leave it out of images=, since no rate for new images follows from it")

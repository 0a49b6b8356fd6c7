"""Decide about images with a trained run: which are defective, where, and how sure.

    python -m anomaly_lab.predict run=runs/DIRECTORY images=DIR
    python -m anomaly_lab.predict run=runs/DIRECTORY images='parts/**/top*.png' save=overlays,masks out=decisions
    python -m anomaly_lab.predict model=exports/MODEL.onnx images=DIR
    find parts -name '*.png' | python -m anomaly_lab.predict run=runs/DIRECTORY images=-

run=DIR               a finished run; or instead of it:
model=FILE            a file that python -m anomaly_lab.export has written
runtime=NAME          what runs it: onnx, openvino (ONNX files too) or torch (default: by the file's suffix)
images=PATH           an image, a folder with all below it, a pattern, a text file with a path a line,
                      a Parquet file with a column `path` (extra ray), or - for standard input
out=DIR               the directory to write to (default: predictions/<name>_<digest of run, images and save>)
save=KINDS            pictures of each image: overlays, masks, heatmaps (float16), coco; several with commas
workers=N             threads that read images ahead (default: 2); with engine=ray, processes
parallel=N            images decided side by side, which share the cores: more images a second, but each takes longer
                      (default: the number of cores, at most 4; 1 with watch=true and images=-)
engine=ray            score by the workers of a Ray cluster, or of this machine (pip install 'anomaly_lab[ray]')
watch=true            wait for images that come into the folder, until Ctrl-C
fail_on_defect=true   end with status 1 if an image is defective, or could not be read

Writes predictions.csv and predictions.jsonl, a row for each image as it comes; summary.json; and contact.png, the images with
the highest scores. A file that can't be read gets a row with the reason. Started again, the command goes on where it stopped,
and scores images again whose files have changed, or could not be read.

This module imports no torch, so that --help answers at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import arguments
from anomaly_lab.runs.machine import allowed

if TYPE_CHECKING:
    from anomaly_lab.pipeline.predict import Options, Predicted

KEYS = ("run", "model", "runtime", "images", "out", "save", "workers", "parallel", "watch", "engine", "fail_on_defect")
RUNTIMES = ("onnx", "openvino", "torch")
PARALLEL = 4  # decisions side by side; each needs memory of its own


def parse(given: Sequence[str]) -> tuple["Options", bool]:
    """The options of `predict`, and whether a defect, or an unread image, makes the status 1. UserError for a mistake."""
    from anomaly_lab.pipeline.predict import ENGINES, Options
    from anomaly_lab.pipeline.saved import KINDS

    values = {name: found[0] for name, found in arguments.given(given, KEYS).items()}
    if "images" not in values:
        raise UserError("images is missing: add images=PATH, a folder, a pattern, a list or an image (see --help)")
    if "run" not in values and "model" not in values:
        raise UserError("run is missing: add run=DIR, a finished run, or model=FILE, an exported one (see --help)")
    if "run" in values and "model" in values:
        raise UserError("run and model are both given: leave one out")
    if "runtime" in values and (values["runtime"] not in RUNTIMES or "model" not in values):
        raise UserError(f"runtime is {values['runtime']}: it must be one of {', '.join(RUNTIMES)}, together with model=FILE")
    save = frozenset(values["save"].split(",")) if "save" in values else frozenset()
    if unknown := sorted(save - {*KINDS}):
        raise UserError(f"save is {values['save']}: {unknown[0]!r} is none of {', '.join(KINDS)}")
    if (engine := values.get("engine", "local")) not in ENGINES:
        raise UserError(f"engine is {engine}: it must be {' or '.join(ENGINES)}")
    options = Options(
        run=arguments.path(values["run"]) if "run" in values else None,
        model=arguments.path(values["model"]) if "model" in values else None,
        runtime=values.get("runtime"),
        images=values["images"],
        out=arguments.path(values["out"]) if "out" in values else None,
        save=save,
        workers=arguments.whole("workers", values.get("workers", "2"), 1),
        parallel=arguments.whole("parallel", values.get("parallel", str(min(allowed(), PARALLEL))), 1),
        watch=arguments.switch("watch", values.get("watch", "false")),
        engine=engine,
    )
    if "parallel" in values and (options.live or engine == "ray"):
        how = "engine=ray" if engine == "ray" else "watch=true" if options.watch else "images=-"
        raise UserError(f"parallel is {values['parallel']}, but {how} decides about one image after the other: leave it out")
    options = options._replace(parallel=1) if options.live or engine == "ray" else options
    return options, arguments.switch("fail_on_defect", values.get("fail_on_defect", "false"))


def tell(found: "Predicted") -> None:
    """Print the summary."""
    images = "1 image" if found.images == 1 else f"{found.images} images"
    print(f"{images}, {found.defective} defective, {found.errors} that could not be read")
    if found.expected is not None:
        print(f"at most {found.expected:.1f} false alarms are to be expected if all are normal and like the held-out ones")
    if found.windows:
        print(f"{found.shifted} of {found.windows} windows of the stream are not like the held-out normal images")
    print(f"rows: {found.out / 'predictions.csv'}")
    if (found.out / "contact.png").is_file():
        print(f"the highest scores: {found.out / 'contact.png'}")


def main() -> None:
    """The command. A mistake of the user ends it with one sentence and status 1."""
    with ending_in_a_sentence("stopped; the same command goes on from here"):
        if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            raise SystemExit(0 if sys.argv[1:] else 1)
        options, fail = parse(sys.argv[1:])
        from anomaly_lab.pipeline.predict import predict

        found = predict(options)
        tell(found)
    if fail and (found.defective or found.errors):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

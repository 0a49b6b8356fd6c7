"""A trained run as one file for another runtime, compared with the run before it gets its name."""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import image_size
from anomaly_lab.data.inputs import inputs
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.statistics import evenly
from anomaly_lab.errors import Refused, UserError
from anomaly_lab.exported import digests, int8, onnx_file, openvino_file, sizes, torch_file
from anomaly_lab.exported.compare import FLOAT32, Agreement, compare
from anomaly_lab.exported.program import program
from anomaly_lab.exported.record import record
from anomaly_lab.exported.runtime import SUFFIXES, Exported, imported
from anomaly_lab.files import make_folder, write_json
from anomaly_lab.runs.trained import Trained, load
from anomaly_lab.training.trainer import quiet

FORMATS = {"onnx": "onnx", "openvino": "openvino", "torch_export": "torch"}  # → the runtime
PRECISIONS = ("fp32", "fp16", "int8")
NEEDED = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino"), "torch_export": ()}
IMAGES = 50  # for the comparison with the run


class Options(NamedTuple):
    """The arguments of the command, see `anomaly_lab.export`. `size` None: that of most images; `sizes.OPEN`: any."""

    run: Path
    format: str
    precision: str
    out: Path | None
    images: str | None
    size: tuple[int, int] | None
    tolerate: int


class Export(NamedTuple):
    """What was made: `agreement` with the run as it decides, in its own precision; `in_float32`, with the run in float32."""

    file: Path
    takes: str  # images, in words
    others: int  # images of another size, which take no part
    precision: str  # of the run
    agreement: Agreement
    in_float32: Agreement


def export(options: Options) -> Export:
    """Write file and report. UserError if more images than `tolerate` are decided differently, or nothing can be compared."""
    quiet()
    _require_packages(options)
    trained = load(options.run)
    _ = trained.threshold  # a file without one would not decide
    runtime = FORMATS[options.format]
    file = options.out or Path("exports") / f"{options.run.resolve().name}_{options.precision}{SUFFIXES[runtime]}"
    if file.suffix != SUFFIXES[runtime]:
        raise UserError(f"out is {file}: a file of format={options.format} ends in {SUFFIXES[runtime]}")
    if any(part.exists() for part in digests.parts(file)):
        raise Refused(f"{file} exists: remove it, or choose another file with out=")
    candidates, held_out = _images(trained, options)
    size, samples, others = _that_fit(trained, candidates, options)
    if options.precision != "int8" or options.images is not None:
        samples = [samples[i] for i in evenly(len(samples), IMAGES)]
    make_folder(file.parent, "out=")
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".export-") as folder:
        made = Path(folder) / file.name
        known = record(trained, options.precision, size)
        calibration = [sample.path for sample in held_out if sizes.fits(image_size(sample.path), known)]
        _write(trained, options, known, made, calibration)
        exported, precision = Exported(made), trained.module.precision
        labelled = options.images is None
        agreement = compare(trained.module, exported, samples, precision, labelled)
        same = precision == FLOAT32
        in_float32 = agreement if same else compare(trained.module, exported, samples, FLOAT32, labelled)
        done = Export(file, sizes.told(known), others, precision, agreement, in_float32)
        accepted = len(agreement.disagreeing) <= options.tolerate
        write_json(digests.report_of(file), _report(done, exported, made, options.tolerate, accepted))
        if not accepted:
            raise UserError(_disagreement(done, options.tolerate))
        for part in reversed(digests.parts(made)):
            part.chmod(0o644)
            os.replace(part, file.with_name(part.name))
    return done


def _require_packages(options: Options) -> None:
    for name in NEEDED[options.format] + (("onnxruntime",) if options.precision == "int8" else ()):
        imported(name)


def _images(trained: Trained, options: Options) -> tuple[list[Sample], list[Sample]]:
    """(images to compare on, held-out normal ones for the calibration of int8)."""
    if options.images is not None and options.precision != "int8":
        return [Sample(path, NORMAL, None) for path in inputs(options.images, sys.stdin)], []
    try:
        data = trained.data()
    except UserError as error:
        raise UserError(
            f"the run's own images can't be used ({error}): name images for the comparison with images=DIR"
        ) from error
    if options.images is not None:
        return [Sample(path, NORMAL, None) for path in inputs(options.images, sys.stdin)], data.held_out
    return [*data.held_out, *data.test], data.held_out


def _that_fit(trained: Trained, samples: Sequence[Sample], options: Options) -> tuple[tuple[int, int], list[Sample], int]:
    """(size, the images that the file takes, the number of others): the size asked for, or that of most images."""
    found = [image_size(sample.path) for sample in samples]
    if not found:
        raise UserError(f"{options.run} has no image to compare the export with: name some with images=DIR")
    if options.size == sizes.OPEN:
        sizes.require_open(trained.module.hparams["preprocessing"])
    size = options.size or Counter(found).most_common(1)[0][0]
    known = {"height": size[0], "width": size[1], "tile": trained.module.hparams["scoring"]["tile"]}
    chosen = [sample for sample, of in zip(samples, found, strict=True) if sizes.fits(of, known)]
    if not chosen:
        raise UserError(
            f"the file would take {sizes.told(known)}, and there is none to compare it on: name some with images=DIR"
        )
    return size, chosen, len(samples) - len(chosen)


def _write(trained: Trained, options: Options, known: dict[str, Any], file: Path, calibration: Sequence[Path]) -> None:
    """Write the file in its format and precision, with the record `known`."""
    size = known["height"], known["width"]
    made = program(
        trained.module, None if size == sizes.OPEN else size, "fp32" if options.precision == "int8" else options.precision
    )
    if options.format == "torch_export":
        torch_file.write(made, file, known)
        return
    graph = file.with_suffix(".onnx")
    onnx_file.write(made, graph, known)
    if options.precision == "int8":
        int8.quantize(graph, calibration)
    if options.format == "openvino":
        openvino_file.write(graph, file, known, options.precision == "fp16")


def _report(done: Export, exported: Exported, made: Path, tolerate: int, accepted: bool) -> dict[str, Any]:
    return {
        "file": done.file.name,
        "digest": digests.of(made),
        "accepted": accepted,
        "tolerate": tolerate,
        "of_another_size": done.others,
        "precision_of_the_run": done.precision,
        "as_the_run_decides": vars(done.agreement),
        "run_in_float32": vars(done.in_float32),
        "record": exported.record,
    }


def _disagreement(done: Export, tolerate: int) -> str:
    names = done.agreement.disagreeing
    return (
        f"{len(names)} of {done.agreement.images} images are decided differently than by the run in {done.precision}, such as "
        f"{names[0]}, so no file was kept: {digests.report_of(done.file)} names them; tolerate={len(names)} accepts as many"
        + (f" (now {tolerate})" if tolerate else "")
    )

"""Write a trained run as one file for another runtime: from the pixels of an image to heatmap, mask, score and decision.

    python -m anomaly_lab.export run=runs/DIRECTORY format=onnx
    python -m anomaly_lab.export run=runs/DIRECTORY format=openvino precision=int8 tolerate=1 out=model.xml

run=DIR          a finished run; its files stay as they are
format=FORMAT    onnx, openvino (model.xml and model.bin) or torch_export
precision=P      of the network: fp32 (default), fp16, or int8 (onnx and openvino; calibrated on held-out normal images)
out=FILE         the file to write (default: exports/<run>_<precision> with the format's suffix)
size=SIZE        of the images that the file takes: fixed, that of most of the run's images (default); HxW, height x width in
                 pixels; or dynamic, multiples of 32 pixels, for a run that does not resize its images (onnx and openvino)
images=PATH      images for the comparison, as for predict (default: the run's held-out normal and test images)
tolerate=N       how many images the file may decide differently than the run (default: 0)

Before the file gets its name it is compared with the run on 50 images, with int8 on all of the run's. The largest differences,
and the images that are decided differently, are printed and stored beside it, in <file>.json. More of these than tolerate= end
the command with status 1 and without a file. Then: python -m anomaly_lab.predict model=FILE images=DIR

This module imports no torch, so that --help answers at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import arguments

if TYPE_CHECKING:
    from anomaly_lab.pipeline.export import Export, Options

KEYS = ("run", "format", "precision", "out", "size", "images", "tolerate")
FORMATS, PRECISIONS = ("onnx", "openvino", "torch_export"), ("fp32", "fp16", "int8")
SIZES = {"fixed": None, "dynamic": (0, 0)}


def parse(given: Sequence[str]) -> "Options":
    """The options of `export`. UserError for a mistake."""
    values = {name: found[0] for name, found in arguments.given(given, KEYS).items()}
    for name, what in (("run", "run=DIR, a finished run"), ("format", f"format=, one of {', '.join(FORMATS)}")):
        if name not in values:
            raise UserError(f"{name} is missing: add {what} (see --help)")
    for name, known in (("format", FORMATS), ("precision", PRECISIONS)):
        if values.get(name, known[0]) not in known:
            raise UserError(f"{name} is {values[name]}: it must be one of {', '.join(known)}")
    precision = values.get("precision", "fp32")
    if precision == "int8" and values["format"] == "torch_export":
        raise UserError("precision is int8, which format=torch_export does not have: use format=onnx or format=openvino")
    size = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", values.get("size", "fixed"))
    if size is None and values.get("size", "fixed") not in SIZES:
        raise UserError(f"size is {values['size']}: it must be {' or '.join(SIZES)}, or height x width, such as 512x768")
    if values.get("size") == "dynamic" and values["format"] == "torch_export":
        raise UserError("size is dynamic, which torch can't write to a file: use format=onnx or format=openvino, or size=HxW")
    from anomaly_lab.pipeline.export import Options

    return Options(
        run=arguments.path(values["run"]),
        format=values["format"],
        precision=precision,
        out=arguments.path(values["out"]) if "out" in values else None,
        images=values.get("images"),
        size=SIZES[values.get("size", "fixed")] if size is None else (int(size[1]), int(size[2])),
        tolerate=arguments.whole("tolerate", values.get("tolerate", "0"), 0),
    )


def tell(found: "Export") -> None:
    """Print how well the file agrees with the run."""
    print(f"{found.file}: takes {found.takes}")
    if found.others:
        print(f"{found.others} of the run's images have another size and took no part in the comparison")
    compared = {found.precision: found.agreement} | {"32-true": found.in_float32}
    for precision, agreement in compared.items():
        differences = f"heatmaps differ by at most {agreement.heatmap:.2g}, scores by {agreement.score:.2g}"
        decided = f"{len(agreement.disagreeing)} of {agreement.images} images are decided differently"
        ties = f", and {len(agreement.at_threshold)} whose level is the threshold itself" if agreement.at_threshold else ""
        print(f"compared with the run in {precision}: {differences}; {decided}{ties}")
    if found.agreement.aupro is not None and found.agreement.aupro_run is not None:
        print(f"AUPRO {found.agreement.aupro:.4f}, of the run {found.agreement.aupro_run:.4f}")
    print(f"report: {found.file}.json")


def main() -> None:
    """The command. A mistake of the user ends it with one sentence and status 1."""
    with ending_in_a_sentence("stopped; nothing was written, start it again"):
        if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            raise SystemExit(0 if sys.argv[1:] else 1)
        options = parse(sys.argv[1:])
        from anomaly_lab.pipeline.export import export

        tell(export(options))


if __name__ == "__main__":
    main()

"""An exported file in use: ONNX with onnxruntime, OpenVINO's with openvino, torch's with torch. Only the last needs torch."""

import importlib
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.errors import UserError, printable
from anomaly_lab.exported import digests, sizes
from anomaly_lab.exported.metadata import KEY, OUTPUTS, from_text
from anomaly_lab.runs.machine import allowed, each

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}  # runtime → suffix of its files
Run = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]]


class Found(NamedTuple):
    """The result for one image: `heatmap` (H, W) float32, `mask` (H, W) bool, `score`, `defective`."""

    heatmap: NDArray[np.float32]
    mask: NDArray[np.bool_]
    score: float
    defective: bool


class Exported:
    """A file of `python -m anomaly_lab.export`, ready to run: `Exported(file)(pixels)` → `Found`.

    - `runtime`: onnx, openvino or torch; None for the one that the file's suffix tells. OpenVINO also runs ONNX files.
    - `parallel`: decisions side by side, each asked for by a thread of its own, which calls `begin` first.

    `record` is the file's own, see `metadata.FIELDS`. UserError for a missing runtime, and for a file that is none of ours,
    damaged or of another version.
    """

    def __init__(self, file: Path, runtime: str | None = None, parallel: int = 1) -> None:
        name = runtime or next((name for name, suffix in SUFFIXES.items() if suffix == file.suffix), None)
        if name is None or file.suffix not in (SUFFIXES[name], *((".onnx",) if name == "openvino" else ())):
            raise UserError(f"{file} has no suffix of runtime {name or 'onnx, openvino or torch'}: give a file of our export")
        if not file.is_file():
            raise UserError(f"{file}: there is no such file")
        text, self._run = {"onnx": _onnx, "openvino": _openvino, "torch": _torch}[name](file, parallel)
        self.file, self.record = file, from_text(text, str(file))
        self._runtime, self._parallel = name, parallel

    def begin(self) -> None:
        """Called once in each thread that asks beside others."""
        if self._runtime == "torch":
            import torch

            torch.set_num_threads(each(self._parallel))

    def __call__(self, pixels: NDArray[Any]) -> Found:
        """Decide about an image (H, W, 1) or (H, W, 3) uint8, as stored. UserError for another size or type."""
        height, width = pixels.shape[:2]
        if pixels.dtype != np.uint8 or not sizes.fits((height, width), self.record):
            given = f"the image has {height} x {width} pixels (height x width) of {pixels.dtype}"
            raise UserError(
                f"{given}, but {self.file.name} takes {sizes.told(self.record)} of uint8: export the run with size="
            )
        rgb = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        found = self._run(np.ascontiguousarray(rgb)[None])
        heatmap, mask, score, defective = (found[name][0] for name in OUTPUTS)
        return Found(heatmap, mask, float(score), bool(defective))


def opened(file: Path, runtime: str | None = None, parallel: int = 1) -> Exported:
    """`Exported(file, runtime, parallel)`. UserError also if the file was changed since its export."""
    if file.is_file():
        digests.require_unchanged(file)
    return Exported(file, runtime, parallel)


def imported(name: str) -> ModuleType:
    """An optional package. UserError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{name.split('.')[0]} is not installed: pip install 'anomaly_lab[export]'") from error


def unreadable(file: Path, error: Exception) -> UserError:
    """The UserError for a file that a runtime refuses."""
    return UserError(f"{file} is no model, or damaged ({printable(str(error))[:160]}): export the run again")


def _onnx(file: Path, parallel: int) -> tuple[str | None, Run]:
    ort = imported("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if parallel > 1:  # the threads that ask compute, too; what they share beside themselves is one pool
        options.intra_op_num_threads = 1 if each(parallel) == 1 else allowed()
    try:
        session = ort.InferenceSession(str(file), options, providers=ort.get_available_providers())
    except Exception as error:  # of onnxruntime's own types
        raise unreadable(file, error) from error
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    return text, lambda images: dict(zip(OUTPUTS, session.run([*OUTPUTS], {"images": images}), strict=True))


def _openvino(file: Path, parallel: int) -> tuple[str | None, Run]:
    ov = imported("openvino")
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}  # else processors with bfloat16 round labels and heatmap
    try:
        model = ov.Core().read_model(file)
        text = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else _of_onnx(model)
        if parallel > 1:  # a stream computes on threads of its own
            options |= {"NUM_STREAMS": str(parallel), "INFERENCE_NUM_THREADS": parallel * each(parallel)}
        compiled, own = ov.Core().compile_model(model, "CPU", options), threading.local()
    except UserError:
        raise
    except Exception as error:
        raise unreadable(file, error) from error

    first, begun = threading.Lock(), threading.Event()

    def run(images: NDArray[np.uint8]) -> Mapping[str, NDArray[Any]]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        # OpenVINO 2026.4's Python layer deadlocks where two threads make the very first call side by side
        with nullcontext() if begun.is_set() else first:
            found = own.request.infer({"images": images})
            outputs = {name: found[name] for name in OUTPUTS}
            begun.set()
        return outputs

    return text, run


def _of_onnx(model: Any) -> str | None:
    """The record of an ONNX file that OpenVINO has read."""
    place = ["framework", KEY]
    return model.get_rt_info(place).astype(str) if model.has_rt_info(place) else None


def _torch(file: Path, parallel: int) -> tuple[str | None, Run]:
    from anomaly_lab.exported import torch_file

    return torch_file.opened(file)

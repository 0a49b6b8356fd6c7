"""Convolutions in 8-bit whole numbers: the range of each activation is measured on normal images (static quantisation).

Only convolutions are quantised. What follows F(X), the preprocessing and the decision stay in float32: the evidence is a small
difference between F(X) and X.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_lab.data.images import read_image
from anomaly_lab.errors import UserError
from anomaly_lab.exported.runtime import imported

IMAGES = 32  # held-out normal images; the ranges hardly change with more
QUANTIZED = ["Conv", "ConvTranspose"]


def quantize(file: Path, images: Sequence[Path]) -> None:
    """Quantise an ONNX file in place. `images`: held-out normal ones, of the graph's size. UserError without images."""
    if not images:
        raise UserError("precision=int8 is calibrated on the run's held-out normal images, and none of this size is there")
    tools, onnx = imported("onnxruntime.quantization"), imported("onnx")
    record = {entry.key: entry.value for entry in onnx.load(str(file)).metadata_props}
    known = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)  # it advises another preprocessing
        tools.quantize_static(
            str(file), str(file), Images(images), quant_format=tools.QuantFormat.QDQ, per_channel=True,
            activation_type=tools.QuantType.QUInt8, weight_type=tools.QuantType.QInt8, op_types_to_quantize=QUANTIZED,
        )  # fmt: skip
    finally:
        logging.disable(known)
    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, record)
    onnx.save(model, str(file))


class Images:
    """Images as onnxruntime's calibration asks for them: one at a time, None at the end."""

    def __init__(self, paths: Sequence[Path]) -> None:
        step = max(1, len(paths) // IMAGES)
        self.paths = iter(paths[::step][:IMAGES])

    def get_next(self) -> dict[str, Any] | None:
        """The next image as the graph takes it."""
        path = next(self.paths, None)
        if path is None:
            return None
        pixels = read_image(path)
        return {"images": np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))[None]}

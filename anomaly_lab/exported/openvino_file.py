"""OpenVINO's two files of a graph, made from its ONNX file."""

from pathlib import Path
from typing import Any

from anomaly_lab.exported.metadata import KEY, as_text
from anomaly_lab.exported.runtime import imported


def write(onnx_file: Path, path: Path, record: dict[str, Any], half: bool) -> None:
    """Write `path` (.xml) and its weights beside it (.bin); `half`: weights in float16. UserError without openvino."""
    ov = imported("openvino")
    model = ov.Core().read_model(onnx_file)
    model.set_rt_info(as_text(record), [KEY])
    ov.save_model(model, path, compress_to_fp16=half)

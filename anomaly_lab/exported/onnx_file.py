"""An ONNX file of a program, with the record inside."""

import contextlib
import io
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from anomaly_lab.exported.metadata import KEY, OUTPUTS, as_text
from anomaly_lab.exported.program import quietly
from anomaly_lab.exported.runtime import imported

OPSET = 20


def write(program: ExportedProgram, path: Path, record: dict[str, Any]) -> None:
    """Write an ONNX file. UserError if onnx or onnxscript is not installed."""
    onnx = imported("onnx")
    imported("onnxscript")
    with quietly(), contextlib.redirect_stdout(io.StringIO()):
        made: Any = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, input_names=["images"], output_names=[*OUTPUTS], verbose=False
        )
    model = made.model_proto
    clean(model)
    onnx.helper.set_model_props(model, {KEY: as_text(record)})
    onnx.save(model, str(path))


def clean(model: Any) -> None:
    """Name the dimensions that are open, and drop the exporter's notes, which hold paths of this machine."""
    dims = [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim]
    names = {dim: name for dim, name in zip(dims, ("batch", "height", "width"), strict=False) if dim}
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        for value in (*graph.input, *graph.output, *graph.value_info):
            del value.metadata_props[:]
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param in names:
                    dim.dim_param = names[dim.dim_param]
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
        del graph.metadata_props[:]
    del model.metadata_props[:]


def with_record(path: Path, record: dict[str, Any]) -> None:
    """Put another record into an ONNX file."""
    onnx = imported("onnx")
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {KEY: as_text(record)})
    onnx.save(model, str(path))

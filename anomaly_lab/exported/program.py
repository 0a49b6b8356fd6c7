"""The graph of a run as torch.export sees it: operations and weights, without Python."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.export import Dim, ExportedProgram

from anomaly_lab.errors import UserError, printable
from anomaly_lab.exported.graph import Graph
from anomaly_lab.module import AnomalyModule


def program(module: AnomalyModule, size: tuple[int, int], precision: str) -> ExportedProgram:
    """The exported graph of a module on the CPU, for any number of images of `size` = (H, W).

    UserError for a part of the run that can't be exported, such as a scorer of one's own with a loop over the images.
    """
    graph = Graph(module.cpu(), size, precision)
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    try:
        with quietly(), torch.no_grad():
            return torch.export.export(graph, (example,), dynamic_shapes=({0: Dim("batch", min=1)},), strict=False)
    except Exception as error:  # torch has dozens of types for it
        raise UserError(f"this run can't be exported ({printable(str(error))[:300]}): see docs/export.md") from error


@contextmanager
def quietly() -> Iterator[None]:
    """In the block, torch's exporters are silent about what they leave out and what becomes old."""
    known = logging.root.manager.disable
    try:
        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(known)

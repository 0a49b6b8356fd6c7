"""The graph of a run as torch.export sees it: operations and weights, without Python."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from anomaly_lab.errors import UserError, printable
from anomaly_lab.exported.graph import Graph
from anomaly_lab.exported.sizes import MOST, STEP, least
from anomaly_lab.model import Model


def program(module: Model, size: tuple[int, int] | None, precision: str) -> ExportedProgram:
    """The exported graph of a module on the CPU, for any number of images of `size` = (H, W); None for an open size.

    UserError for a part of the run that can't be exported, such as a scorer of one's own with a loop over the images.
    """
    graph = Graph(module.cpu(), size, precision)
    open_: dict[int, Any] = {0: Dim("batch", min=1)}
    if size is None:
        low = least(graph.tile)
        open_ |= {i: STEP * Dim(name, min=low // STEP, max=MOST // STEP) for i, name in ((1, "rows"), (2, "columns"))}
        size = 2 * low, 3 * low
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    options: Any = {"strict": False, "prefer_deferred_runtime_asserts_over_guards": True}
    try:
        with quietly(), torch.no_grad():
            return torch.export.export(graph, (example,), dynamic_shapes=(open_,), **options)
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

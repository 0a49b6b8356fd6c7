"""What an exported file says of itself: a record of plain values inside the file, under the key `KEY`.

It holds all that a program needs beside the graph: to refuse an image of another size, to give a p-value, to tell an image that
is unlike the training's.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from anomaly_lab.errors import UserError

KEY = "anomaly_lab"
FORMAT = 1  # of the record and of the graph's inputs and outputs; another one is refused
FIELDS: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "version": str,  # of anomaly_lab
    "torch": str,
    "created": str,
    "run": str,  # the name of the run's directory
    "checkpoint": str,  # SHA-256 of its checkpoint
    "data": str,
    "category": str,
    "model": str,
    "evidence": list,
    "precision": str,  # of the network F in the file
    "height": int,  # of the images that the graph takes
    "width": int,
    "working_size": list,  # (h, w) of F's input
    "train_size": (int, type(None)),  # of the training's crops
    "tile": int,
    "threshold": float,
    "alpha": (float, type(None)),  # the rate of false alarms that the rule aims at
    "min_area": int,
    "levels": list,  # quiet levels of the held-out normal images
    "profile": dict,
    "preprocessing": dict,
    "inputs": str,
    "outputs": dict,
    "license": str,
}
LICENSE = "code: Apache-2.0; weights: what the licence of the training images allows"
INPUTS = "images: uint8 (batch, height, width, 3), RGB as stored; repeat the channel of a grey image"
OUTPUTS = {
    "heatmap": "float32 (batch, height, width)",
    "mask": "bool (batch, height, width): components of {heatmap > threshold} with at least min_area pixels",
    "score": "float32 (batch,)",
    "defective": "bool (batch,): whether the mask has any pixel",
}


def as_text(record: Mapping[str, Any]) -> str:
    """The record as it stands in a file."""
    return json.dumps(record, sort_keys=True, allow_nan=False)


def from_text(text: str | None, file: str) -> dict[str, Any]:
    """The record of a file. UserError if it has none, a damaged one, or one of another version."""
    again = "export the run again with python -m anomaly_lab.export"
    try:
        record = json.loads(text or "")
        if not isinstance(record, dict):
            raise ValueError("it is no record")
    except ValueError as error:
        raise UserError(f"{file} is no export of anomaly_lab, or damaged ({error}): {again}") from error
    if record.get("format") != FORMAT:
        raise UserError(f"{file} has format {record.get('format')}, and this version reads {FORMAT}: {again}")
    for name, kind in FIELDS.items():
        value = record.get(name)
        if not isinstance(value, kind) or (isinstance(value, float) and not math.isfinite(value)):
            raise UserError(f"{file} has a damaged record ({name} is {value!r}): {again}")
    return record

"""Files of weights. They are data: no code in them is executed."""

import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from anomaly_lab.errors import UserError
from anomaly_lab.files import replacing


def load(path: Path) -> Any:
    """What torch.save has written to `path`, on the CPU.

    ValueError with the reason if there is no such file, or if it is damaged, of another kind, or holds code.
    """
    if not path.is_file():  # to read a pipe could take for ever
        raise ValueError("there is no such file")
    try:
        with warnings.catch_warnings(action="ignore"):  # of a strange file, torch warns in two lines before it refuses it
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many types
        reason = " ".join(str(error).split())
        if reason.startswith("Weights only load failed"):  # torch goes on with advice how to run it
            foreign = re.search(r"Unsupported \w+: (?:GLOBAL )?([\w.]+)", reason)
            reason = f"it holds {foreign[1] if foreign else 'more than weights'}, which is no plain data"
        raise ValueError(reason[:120] or type(error).__name__) from error


def save(content: Any, path: Path, previous: Path | None = None) -> None:
    """Write `content` as a whole or not at all. A file that it replaces becomes `previous`, if given. UserError if it fails."""
    try:
        with replacing(path) as temporary:
            torch.save(content, temporary)
            if previous is not None and path.is_file():
                os.replace(path, previous)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise UserError(f"{path} could not be written ({error}): free some space or choose another folder") from error

"""Files of weights. They are data: no code in them is executed."""

import warnings
from pathlib import Path
from typing import Any

import torch


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
        raise ValueError(" ".join(str(error).split())[:120] or type(error).__name__) from error

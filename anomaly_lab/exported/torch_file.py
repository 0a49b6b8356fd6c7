"""A program of torch.export in a file, and back.

Such a file is a zip archive with a description of the graph and raw weights. torch's own reader also accepts pickles, compiled
libraries and Python in it, all of which run code, and operations that write to any file. A file of ours has none of them, so
one that has is refused unread.
"""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from anomaly_lab.exported.metadata import KEY, OUTPUTS, as_text
from anomaly_lab.exported.operations import computes
from anomaly_lab.exported.runtime import Run, unreadable

MEMBERS = re.compile(
    r"(archive_format|archive_version|version|byteorder|\.data/\w+|\.format_version|\.storage_alignment|models/model\.json|"
    r"data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)|"
    r"data/sample_inputs/model\.pt|extra/anomaly_lab)"
)
NAMES = "Symbol|Integer|Add|Mul|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|positive|nonnegative|integer|True|False"
SIZES = re.compile(rf"(?:'?[su]\d+'?|\b(?:{NAMES})\b|[\d\s+(),=-])*")  # expressions of sizes


def write(program: Any, path: Path, record: dict[str, Any]) -> None:
    """Write a program, without example inputs, which would be a pickle."""
    import torch

    from anomaly_lab.exported.program import quietly

    with quietly(), path.open("wb") as file:
        plain = program.run_decompositions({})  # operations alone: torch's vmap is none
        plain._example_inputs, plain._guards_code = None, []
        torch.export.save(plain, file, extra_files={KEY: as_text(record)})


def opened(file: Path) -> tuple[str | None, Run]:
    """(the record's text, the program). UserError for a damaged file, or one that holds more than operations and weights."""
    import torch

    from anomaly_lab.exported.program import quietly

    require_data(file)
    extra = {KEY: ""}
    try:
        with quietly(), file.open("rb") as stream:
            module: Any = torch.export.load(stream, extra_files=extra).module()
    except Exception as error:
        raise unreadable(file, error) from error

    def run(images: Any) -> dict[str, Any]:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in zip(OUTPUTS, module(torch.from_numpy(images)), strict=True)}

    return extra[KEY], run


def require_data(file: Path) -> None:
    """UserError unless the file holds only operations that compute, expressions of sizes, and raw weights."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = {info.filename.split("/", 1)[1]: info for info in archive.infolist()}
            if len(names) < len(archive.infolist()):  # torch may read the other one
                raise ValueError("it holds a file twice")
            if strange := [name for name in names if not MEMBERS.fullmatch(name)]:
                raise ValueError(f"it holds {strange[0]}")
            if "data/sample_inputs/model.pt" in names and archive.read(names["data/sample_inputs/model.pt"]):
                raise ValueError("it holds example inputs")
            for name in names:
                if name.endswith(".json"):
                    _require_plain(json.loads(archive.read(names[name])))
    except (OSError, ValueError, IndexError, KeyError, zipfile.BadZipFile, RecursionError) as error:
        raise unreadable(file, error) from error


def _require_plain(part: Any) -> None:
    """ValueError for a pickle, a function that does more than compute, or an expression that is none of sizes."""
    if isinstance(part, list):
        for each in part:
            _require_plain(each)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name == "use_pickle" and value is not False:
                raise ValueError("it holds a pickle")
            if name == "as_operator" or (name == "target" and isinstance(value, str) and not computes(value)):
                raise ValueError(f"it calls {str(value)[:80]}")
            texts = value if isinstance(value, list) else [value]
            if name in ("expr_str", "guards_code") and not all(isinstance(t, str) and SIZES.fullmatch(t) for t in texts):
                raise ValueError(f"it computes {str(value)[:80]}")
            _require_plain(value)

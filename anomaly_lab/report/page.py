"""The page: one HTML file with everything in it. A browser opens it from disk, without a server or a network."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np

from anomaly_lab import __version__
from anomaly_lab.files import write_text
from anomaly_lab.report.pictures.picture import Picture
from anomaly_lab.report.tables.table import Cell, Table

HERE = Path(__file__).parent
LARGE = 300_000  # bytes; a larger picture is embedded as JPEG
INLINE = {"style": "page.css", "script": "page.js", "gallery_script": "gallery.js"}  # variable of page.html → file
Payloads = Sequence[dict[str, Any]]  # of `thumbnails`


def write_page(
    path: Path, title: str, tables: Sequence[Table], pictures: Sequence[Picture], galleries: Payloads, notes: Sequence[str]
) -> None:
    """Write the page atomically. `notes`: what could not be shown, and why."""
    layout: dict[str, Any] = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, **layout)
    colours = matplotlib.colormaps["magma"](range(256), bytes=True)[:, :3]
    text = environment.get_template("page.html").render(
        title=title,
        version=__version__,
        tables=tables,
        pictures=[{"name": p.name, "caption": p.caption, "data": inlined(p)} for p in pictures],
        choices=[{k: g[k] for k in ("data", "category", "setting", "seed")} for g in galleries],
        galleries=[embedded(g) for g in galleries],
        magma=colours.tolist(),
        notes=notes,
        sort_value=sort_value,
        **{name: (HERE / file).read_text(encoding="utf-8") for name, file in INLINE.items()},
    )
    write_text(path, text)


def inlined(picture: Picture) -> str:
    """A picture as a data URI: SVG or PNG, whichever is smaller, or JPEG if both are large.

    The files beside the page keep every pixel.
    """
    svg, png = picture.svg.read_bytes(), picture.png.read_bytes()
    kind, data = ("svg+xml", svg) if len(svg) < len(png) else ("png", png)
    if len(data) > LARGE:
        import cv2  # only photographs are so large, and they have loaded it already

        pixels = np.asarray(cv2.imread(str(picture.png)))
        kind, data = "jpeg", cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return f"data:image/{kind};base64," + base64.b64encode(data).decode("ascii")


def embedded(record: Any) -> str:
    """JSON for a script element: nothing in it can end the element."""
    return json.dumps(record, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def sort_value(cell: Cell) -> str:
    """The value that a column is sorted by: the full number, or the text; empty for a gap."""
    value = cell.values[0] if cell.values else cell.text
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)

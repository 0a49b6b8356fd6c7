"""Pictures on disk, and what all plots share.

The colours are those of Okabe and Ito, and each series has its own marker, so that colour-blind readers can tell them apart.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from anomaly_lab.files import replacing
from anomaly_lab.show import figures  # sets matplotlib's backend, so it comes before pyplot

# isort: split
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"


class Picture(NamedTuple):
    """A picture on disk as <name>.png and <name>.svg. `caption`: what it shows, and which data it is from."""

    name: str
    caption: str
    folder: Path

    @property
    def svg(self) -> Path:
        """Where the picture lies as SVG."""
        return self.folder / f"{self.name}.svg"

    @property
    def png(self) -> Path:
        """Where the picture lies as PNG."""
        return self.folder / f"{self.name}.png"


def save(figure: Figure, name: str, caption: str, folder: Path) -> Picture:
    """Write a figure as PNG and SVG atomically, then close it."""
    picture = Picture(name, caption, folder)
    # the salt makes the ids, and so the file, the same in every report; fonttype none keeps the text selectable
    with plt.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": ["DejaVu Sans", "sans-serif"]}):
        for path in (picture.png, picture.svg):
            with replacing(path) as temporary:
                metadata: Any = {"Date": None} if path.suffix == ".svg" else {}
                figure.savefig(temporary, dpi=figures.DPI, facecolor="white", metadata=metadata)
    plt.close(figure)
    return picture


def style(i: int, line: str = "-") -> dict[str, Any]:
    """Colour, marker and line of the i-th series. The markers shift after each round of colours: few series look alike."""
    turn, place = divmod(i, len(COLORS))
    return {"color": COLORS[place], "marker": MARKERS[(place + turn) % len(MARKERS)], "linestyle": line}


def panels(count: int, height: float, width: float = 4.2) -> tuple[Figure, Sequence[Axes]]:
    """A figure with `count` axes of `width` × `height` inches, in rows of at most three."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained")
    every = list(axes.ravel())
    for spare in every[count:]:
        spare.set_visible(False)
    return figure, every[:count]


def tidy(axis: Axes, title: str = "", x: str = "", y: str = "", size: int = 9) -> None:
    """Texts of one size, small tick labels, a faint grid, and no frame on top and on the right."""
    axis.set_title(title, fontsize=size)
    axis.set_xlabel(x, fontsize=size)
    axis.set_ylabel(y, fontsize=size)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)

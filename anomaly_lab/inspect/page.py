"""inspect.html: one page with everything in it, in the style of the report. It has no script and loads nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from anomaly_lab import __version__
from anomaly_lab.files import write_text
from anomaly_lab.inspect.finding import Finding, worst_first
from anomaly_lab.inspect.pictures import Shown

HERE = Path(__file__).parent
STYLES = (HERE.parent / "report/page.css", HERE / "page.css")  # the report's, and what is added to it


class Content(NamedTuple):
    """What the page shows, in its order."""

    title: str
    source: str  # where the images are
    findings: Sequence[Finding]
    counts: Sequence[tuple[str, str, int, int]]  # part, kind, images, masks
    histograms: dict[str, str]  # as SVG
    pairs: Sequence[tuple[Shown, Shown, str]]
    samples: dict[str, list[Shown]]


def write_page(path: Path, content: Content) -> None:
    """Write the page as a whole. Names are escaped: a file's name may be a script."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("page.html").render(
        **content._asdict()
        | {
            "findings": worst_first(content.findings),
            "histograms": {name: Markup(svg) for name, svg in content.histograms.items()},  # of numbers and our own words
            "style": Markup("\n".join(style.read_text(encoding="utf-8") for style in STYLES)),
            "version": __version__,
        }
    )
    write_text(path, text)

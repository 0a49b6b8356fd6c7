"""Is the trained network F the orthogonal projection onto the normal images? Six properties, measured on held-out images.

    python -m anomaly_lab.analyze run=runs/DIRECTORY
    python -m anomaly_lab.analyze run=runs/DIRECTORY images=20 out=analysis

run=DIR      a finished run whose network reconstructs
images=N     at most so many held-out normal images (default: 8)
out=DIR      the directory to write to (default: the run's own)

Writes analysis.json, numbers with intervals over images, and two figures: analysis.png and analysis_images.png. No test image
is looked at. A report on the run has a table of the properties. docs/analyze.md has their definitions.

This module imports no torch, so that --help answers at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import arguments

if TYPE_CHECKING:
    from anomaly_lab.analyze.make import Analyzed, Options

KEYS = ("run", "images", "out")
WIDTH = 110  # letters of a line on the screen


def parse(given: Sequence[str]) -> "Options":
    """The options of `analyze`. UserError for a mistake."""
    from anomaly_lab.analyze.make import Options

    values = {name: found[0] for name, found in arguments.given(given, KEYS).items()}
    if "run" not in values:
        raise UserError("run is missing: add run=DIR, a finished run (see --help)")
    out = arguments.path(values["out"]) if "out" in values else None
    return Options(arguments.path(values["run"]), arguments.whole("images", values.get("images", "8"), 1), out)


def tell(found: "Analyzed") -> None:
    """Print what holds and what does not."""
    images = "1 held-out image" if found.images == 1 else f"{found.images} held-out images"
    print(f"{images}, squares of {found.side} pixels; [in brackets] 95 % intervals over images")
    for name, verdict, sentence in found.rows:
        lines = textwrap.wrap(sentence, WIDTH - 30)
        print(f"{name:14} {verdict:14} {lines[0]}", *(f"{'':29} {line}" for line in lines[1:]), sep="\n")
    print(found.answer)
    print(f"numbers: {found.out / 'analysis.json'}")


def main() -> None:
    """The command. A mistake of the user ends it with one sentence and status 1."""
    with ending_in_a_sentence("stopped; start it again"):
        if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            raise SystemExit(0 if sys.argv[1:] else 1)
        options = parse(sys.argv[1:])
        from anomaly_lab.analyze.make import analyze

        tell(analyze(options))


if __name__ == "__main__":
    main()

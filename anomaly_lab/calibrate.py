"""Set another threshold for a trained run, from normal images of another camera or another day. Nothing is trained.

    python -m anomaly_lab.calibrate run=runs/DIRECTORY images=DIR out=runs/new
    python -m anomaly_lab.calibrate run=runs/DIRECTORY images=DIR out=runs/new alpha=0.05 confidence=0.95
    python -m anomaly_lab.calibrate run=runs/DIRECTORY images=DIR out=runs/new group='part(\\d+)_'

run=DIR          a finished run; its files stay as they are
images=PATH      normal images: a folder with all below it, a pattern, a text file with a path a line, or - for standard input
out=DIR          the new run's directory, for predict and evaluate
alpha=RATE       the share of normal images that may be called defective (default: the run's own rate, as far as it can be kept)
confidence=C     keep the rate with this probability over draws of the normal images, not only on average
group=REGEX      images in whose path it finds the same text count as one, such as several photographs of one part

A copy of an image does not count, and an image that the run has learnt from is refused: no rate follows from them.

What the scorer knows of normal errors is learnt from these images too. Each is judged by what the others taught.

This module imports no torch, so that --help answers at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import arguments

if TYPE_CHECKING:
    from anomaly_lab.pipeline.calibrate import Calibrated, Options

KEYS = ("run", "images", "out", "alpha", "confidence", "group")
NEEDED = {"run": "a finished run", "images": "normal images", "out": "the new run's directory"}


def parse(given: Sequence[str]) -> "Options":
    """The options of `calibrate`. UserError for a mistake."""
    from anomaly_lab.pipeline.calibrate import Options

    values = {name: found[0] for name, found in arguments.given(given, KEYS).items()}
    for name, what in NEEDED.items():
        if name not in values:
            raise UserError(f"{name} is missing: add {name}=, {what} (see --help)")
    alpha, confidence = (arguments.share(name, values[name]) if name in values else None for name in ("alpha", "confidence"))
    run, out = arguments.path(values["run"]), arguments.path(values["out"])
    return Options(run, values["images"], out, alpha, confidence, values.get("group"))


def tell(found: "Calibrated", confidence: float | None) -> None:
    """Print what the new threshold promises."""
    groups = "" if found.groups == found.images else f" in {found.groups} groups"
    if found.copies:
        print(f"{found.copies} images are copies of others, and do not count")
    print(f"threshold {found.threshold:.4g} from {found.images} normal images{groups} (before: {found.before:.4g})")
    if confidence is not None:
        print(f"with confidence {confidence:g}, at most {found.alpha:.1%} of all normal images are called defective")
    else:
        print(f"at most {found.rate:.1%} of new normal images are called defective, on average over draws of the normal images")
    if found.groups < found.needed:
        print(f"{found.alpha:.1%} would need {found.needed} images")
    print(f"run: {found.out}")


def main() -> None:
    """The command. A mistake of the user ends it with one sentence and status 1."""
    with ending_in_a_sentence("stopped; start it again"):
        if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            raise SystemExit(0 if sys.argv[1:] else 1)
        options = parse(sys.argv[1:])
        from anomaly_lab.pipeline.calibrate import calibrate

        tell(calibrate(options), options.confidence)


if __name__ == "__main__":
    main()

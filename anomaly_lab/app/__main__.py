"""A page in the browser to try a run on: drop images, see what is found, move the threshold, mark what is right and wrong.

    python -m anomaly_lab.app run=runs/DIRECTORY
    python -m anomaly_lab.app run=runs/DIRECTORY port=8000 out=marks
    curl -T image.png http://127.0.0.1:7860/decide/

run=DIR      a finished run; its files stay as they are
host=NAME    the address that the page listens on (default: 127.0.0.1, which this machine alone reaches; there is no password)
port=N       its port (default: 7860; 0 is any free one)
out=DIR      the directory for the marks (default: predictions/app_<digest of the run>)

Marks lie in marks.jsonl and marks.csv; images marked as normal also in normal/, for python -m anomaly_lab.calibrate, the others
in defective/. The threshold of the run never changes. PUT /decide/NAME answers with the image's row as in predictions.jsonl.
An image may have 64 MiB and 50 million pixels. The page needs no network, and Gradio: pip install 'anomaly_lab[app]'.

This module imports neither torch nor Gradio, so that --help answers at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import arguments

if TYPE_CHECKING:
    from anomaly_lab.app.serve import Options

KEYS = ("run", "host", "port", "out")
ENVIRONMENT = {
    "OPENCV_IO_MAX_IMAGE_PIXELS": "50000000",  # OpenCV reads it when it is loaded; it refuses more by the header, undecoded
    "GRADIO_ANALYTICS_ENABLED": "False",  # these three keep Gradio and its parts from asking servers elsewhere
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def parse(given: Sequence[str]) -> "Options":
    """The options of the page. UserError for a mistake."""
    values = {name: found[0] for name, found in arguments.given(given, KEYS).items()}
    if "run" not in values:
        raise UserError("run is missing: add run=DIR, a finished run (see --help)")
    port = arguments.whole("port", values.get("port", "7860"), 0)
    if port > 65535:
        raise UserError(f"port is {port}: the highest one is 65535")
    if find_spec("gradio") is None:
        raise UserError("the page needs Gradio: pip install 'anomaly_lab[app]'")
    from anomaly_lab.app.serve import Options

    out = arguments.path(values["out"]) if "out" in values else None
    return Options(arguments.path(values["run"]), values.get("host", "127.0.0.1"), port, out)


def main() -> None:
    """The command. A mistake of the user ends it with one sentence and status 1."""
    with ending_in_a_sentence("the page is closed; its marks are kept, and the same command opens it again"):
        if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            raise SystemExit(0 if sys.argv[1:] else 1)
        os.environ |= ENVIRONMENT
        options = parse(sys.argv[1:])
        from anomaly_lab.app.serve import serve

        serve(options)


if __name__ == "__main__":
    main()

"""Look at images before any training: what is wrong with them, what is worth knowing, and what they suggest.

    python -m anomaly_lab.inspect +category=custom category.name=FOLDER data=folder data.root=DIR
    python -m anomaly_lab.inspect +category=custom category.name=parts data=folders data.normal=DIR data.defects=DIR
    python -m anomaly_lab.inspect +category=carpet strict=true out=inspections/carpet

It takes the options of a training, so that it sees what the same training would see. Beside them:

out=DIR        the directory to write to (default: inspections/<data>_<category>)
strict=true    end with status 1 if something is wrong

Prints one sentence for each finding, the worst first: wrong (results would mislead, or a training is refused), note (worth
knowing) or fine. Writes inspect.html, a page with pictures, and findings.json.

This module imports no torch, so that --help answers at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import arguments

if TYPE_CHECKING:
    from anomaly_lab.inspect.make import Inspected

OWN = ("strict", "out")


def parse(given: Sequence[str]) -> tuple[list[str], Path | None, bool]:
    """(the options of the training, out, strict). UserError for a mistake."""
    own = [argument for argument in given if argument.partition("=")[0] in OWN]
    values = {name: found[0] for name, found in arguments.given(own, OWN).items()}
    training = [argument for argument in given if argument not in own]
    if any(argument.partition("=")[0] in ("resume", "init") for argument in training):
        raise UserError("resume= and init= are for a training: give the data, such as +category=carpet (see --help)")
    out = arguments.path(values["out"]) if "out" in values else None
    return training, out, arguments.switch("strict", values.get("strict", "false"))


def tell(found: "Inspected") -> None:
    """Print the findings."""
    from anomaly_lab.errors import printable

    for finding in found.findings:
        print(f"{finding.severity:<6} {printable(finding.sentence)}")
    print(f"page: {found.out / 'inspect.html'}")


def main() -> None:
    """The command. A mistake of the user ends it with one sentence and status 1."""
    with ending_in_a_sentence("stopped; start it again"):
        if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            raise SystemExit(0 if sys.argv[1:] else 1)
        training, out, strict = parse(sys.argv[1:])
        from anomaly_lab.runs.composed import composed

        config = composed(training)
        from anomaly_lab.inspect.make import inspect

        found = inspect(config, out)
        tell(found)
    if strict and found.findings[0].severity == "wrong":
        raise SystemExit(1)


if __name__ == "__main__":
    main()

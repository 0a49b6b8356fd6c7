"""Tables, figures and a page from any number of runs.

    python -m anomaly_lab.report runs=runs
    python -m anomaly_lab.report runs=runs/SWEEP runs=runs/OTHER out=report gallery=all

runs=DIR       a folder with runs or multiruns in or below it; may be given several times
out=DIR        the folder to write to (default: DIR/report of the first runs=)
gallery=one    test images of one run per category, that of the highest validation proxy; or all, none
figures=true   the paper's figures from the runs' checkpoints; or false
tables=MODULE  a module of your own with a function tables(records); may be given several times

Writes report.html, tables/*.md, *.tex, *.csv and figures/*.png, *.svg. They contain the test images: mind their licence.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import sys
from collections.abc import Sequence
from pathlib import Path

from anomaly_lab.errors import UserError, ending_in_a_sentence, unwritable
from anomaly_lab.report.make import GALLERIES, Options, build_report
from anomaly_lab.report.read.run import FINISHED
from anomaly_lab.runs import arguments

KEYS = ("runs", "out", "gallery", "figures", "tables")


def parse(command: Sequence[str]) -> Options:
    """The arguments key=value as options. UserError for anything else."""
    given = arguments.given(command, KEYS, ("runs", "tables"))
    runs, tables = [*map(arguments.path, given.pop("runs", []))], given.pop("tables", [])
    if not runs:
        raise UserError("no runs: add runs=DIR, a folder with runs or multiruns in it")
    gallery, figures = given.get("gallery", ["one"])[0], arguments.switch("figures", given.get("figures", ["true"])[0])
    if gallery not in GALLERIES:
        raise UserError(f"gallery is {gallery}: it must be one of {', '.join(GALLERIES)}")
    out = arguments.path(given["out"][0]) if "out" in given else runs[0] / "report"
    return Options(runs, out, gallery, figures, tables)


def main() -> None:
    """The command. A mistake of the user ends it with one sentence and status 1."""
    with ending_in_a_sentence("stopped; start it again"):
        if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
            raise SystemExit(0 if sys.argv[1:] else 1)
        options = parse(sys.argv[1:])
        try:
            report = build_report(options)
        except OSError as error:
            place = Path(error.filename or options.out)
            if not place.absolute().is_relative_to(options.out.absolute()):  # a run on a drive that is gone
                raise
            raise unwritable(place, error, "out=") from error
    for note in report.notes:
        print(f"note: {note}")
    runs, groups, _ = report.records
    finished = sum(run.state == FINISHED for run in runs)
    print(f"{finished} finished runs of {len(runs)}, {len(groups)} settings and categories")
    print(f"page: {report.out / 'report.html'}")


if __name__ == "__main__":
    main()

"""The whole report: tables, plots, the paper's figures and the page, from the runs below some folders."""

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_lab.errors import UserError
from anomaly_lab.report.read.collect import collect
from anomaly_lab.report.read.curves import Curves, curves_of
from anomaly_lab.report.read.groups import Group, group
from anomaly_lab.report.read.records import Records, best_by_proxy, chosen
from anomaly_lab.report.read.run import FINISHED, Run
from anomaly_lab.report.tables import (
    comparison,
    kinds,
    left_out,
    legend,
    over_lambda,
    paper,
    results,
    sensitivity,
    single_runs,
)
from anomaly_lab.report.tables.forms import write
from anomaly_lab.report.tables.table import Table

if TYPE_CHECKING:
    from anomaly_lab.report.pictures.picture import Picture

# the modules that make tables, in the order of the page; each has a function tables(records), which may return none
TABLES = (results, paper, over_lambda, comparison, kinds, single_runs, legend, left_out, sensitivity)
GALLERIES = ("one", "all", "none")


@dataclass(frozen=True)
class Options:
    """What a report is made from, and what it shows.

    runs:    folders with runs or multiruns in or below them
    out:     the folder to write to
    gallery: the runs with test images: "one" per category (the highest validation proxy), "all" or "none"
    figures: whether to draw the paper's figures, which takes the runs' checkpoints
    tables:  names of further modules with a function tables(records)
    """

    runs: Sequence[Path]
    out: Path
    gallery: str
    figures: bool
    tables: Sequence[str]


@dataclass(frozen=True)
class Report:
    """What was made; `notes` say what could not be made, and why."""

    out: Path
    records: Records
    tables: Sequence[Table]
    notes: Sequence[str]


def build_report(options: Options) -> Report:
    """Read the runs and write everything to `options.out`. UserError if there is no run or a module of tables is missing."""
    modules = [*TABLES, *(_module(name) for name in options.tables)]
    runs = collect(options.runs)
    groups = group(runs)
    notes = _unfinished(runs)
    records = Records(runs, groups, _curves(groups, options.gallery == "all", notes))
    tables = [table for module in modules for table in module.tables(records)]
    for table in tables:
        write(table, options.out / "tables")
    pictures: list[Picture] = []
    galleries: list[dict[str, Any]] = []
    if groups:
        from anomaly_lab.report.pictures.plots import plots  # matplotlib takes a second to load

        if options.gallery != "none":
            galleries = _galleries(groups, options.gallery == "all", notes)
        if options.figures:
            pictures += _paper_figures(groups, options.out / "figures", notes)
        pictures += plots(records, options.out / "figures")

    from anomaly_lab.report.page import write_page

    title = f"anomaly_lab report, {datetime.now(UTC):%Y-%m-%d}"
    write_page(options.out / "report.html", title, tables, pictures, galleries, notes)
    return Report(options.out, records, tables, notes)


def _module(name: str) -> Any:
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"tables={name} cannot be imported ({error}): name a module in the current folder") from error
    if not callable(getattr(found, "tables", None)):
        raise UserError(f"tables={name} has no function tables(records): define it (docs/extending.md)")
    return found


def _unfinished(runs: Sequence[Run]) -> list[str]:
    states = Counter(run.state for run in runs)
    finished = states.pop(FINISHED, 0)
    if not states:
        return []
    others = ", ".join(f"{count} {state}" for state, count in states.items())
    return [f"{finished} of {len(runs)} runs have finished; {others}: see “Runs without a result”."]


def _curves(groups: Sequence[Group], every: bool, notes: list[str]) -> list[Curves]:
    found = []
    for g, run in chosen(groups, every):
        curves = curves_of(run, g.name)
        if curves is None:
            notes.append(f"{run.path.name} has no curves over a_min and α: its levels.csv does not cover its min_area.")
        else:
            found.append(curves)
    return found


def _galleries(groups: Sequence[Group], every: bool, notes: list[str]) -> list[dict[str, Any]]:
    """The page's payloads of the chosen runs whose checkpoints and images exist."""
    from anomaly_lab.report.pictures import thumbnails
    from anomaly_lab.report.pictures.rescored import rescored

    payloads = []
    for g, run in chosen(groups, every):
        try:
            payloads.append(thumbnails.payload(rescored(run), g.name))
        except UserError as error:
            notes.append(f"No test images of {run.path.name}: {error}.")
            continue
        if payloads[-1]["changed"]:
            notes.append(f"{run.path.name}: scored anew, {payloads[-1]['changed']} decisions differ from its record.")
    return payloads


def _paper_figures(groups: Sequence[Group], folder: Path, notes: list[str]) -> Iterator["Picture"]:
    from anomaly_lab.progress import bar
    from anomaly_lab.report.pictures.paper_figures import paper_figures
    from anomaly_lab.report.pictures.rescored import rescored
    from anomaly_lab.report.pictures.shown import Shown

    places: dict[tuple[str, str], list[Shown]] = {}
    # the paper's figures show reconstructions, which a detector on features does not make
    reconstructing = [g for g in groups if "scoring.detector._target_" not in g.setting]
    best = list(best_by_proxy(reconstructing, "objective", "corruption"))
    with bar("Drawing figures") as update:
        for done, (g, run) in enumerate(best, start=1):
            try:
                places.setdefault((g.source, str(g["category"])), []).append(Shown(rescored(run)))
            except UserError as error:
                notes.append(f"{run.path.name} is in no figure: {error}.")
            update(done, len(best))
        for shown in places.values():
            yield from paper_figures(shown, folder)

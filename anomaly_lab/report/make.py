"""The whole report: tables, plots, the paper's figures and the page, from the runs below some folders."""

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from anomaly_lab.calibration.rules import FLAT_GREY
from anomaly_lab.errors import UserError
from anomaly_lab.progress import watched
from anomaly_lab.report.read.collect import collect
from anomaly_lab.report.read.curves import Curves, curves_of
from anomaly_lab.report.read.records import Group, Records, best_by_proxy, chosen, group
from anomaly_lab.report.read.run import FINISHED, Run
from anomaly_lab.report.tables import comparison, evidence, intervals, paper, parameters, projection, results
from anomaly_lab.report.tables.table import Table, write

if TYPE_CHECKING:
    from anomaly_lab.report.pictures.picture import Picture
    from anomaly_lab.report.pictures.rescored import Rescored

# the functions that make tables of the records, in the order of the page; each may return none
TABLES = (
    *(results.results, paper.tables, parameters.lambda_tables, comparison.tables, intervals.tables),
    *(evidence.decisions, evidence.worth, projection.tables, results.kinds),
    *(results.runs, results.settings, results.left_out, parameters.operating_tables),
)
GALLERIES = ("one", "all", "none")


class Options(NamedTuple):
    """What a report is made from, and what it shows: the arguments of the command, see `anomaly_lab.report.__main__`."""

    runs: Sequence[Path]
    out: Path
    gallery: str
    figures: bool
    tables: Sequence[str]


class Report(NamedTuple):
    """What was made; `notes` say what could not be made, and why."""

    out: Path
    records: Records
    tables: Sequence[Table]
    notes: Sequence[str]


def build_report(options: Options) -> Report:
    """Read the runs and write everything to `options.out`. UserError if there is no run or a module of tables is missing."""
    makers = [*TABLES, *map(_tables_of, options.tables)]
    found = collect(options.runs)
    groups = group(found)
    notes = []
    states = Counter(run.state for run in found)
    finished = states.pop(FINISHED, 0)
    if states:
        others = ", ".join(f"{count} {state}" for state, count in states.items())
        notes.append(f"{finished} of {len(found)} runs have finished; {others}: see “Runs without a result”.")
    notes += _doubts(found)
    every = options.gallery == "all"
    records = Records(found, groups, list(_curves(groups, every, notes)))
    tables = [table for made in makers for table in made(records)]
    for table in tables:
        write(table, options.out / "tables")
    pictures: list[Picture] = []
    galleries: list[dict[str, Any]] = []
    if groups:
        from anomaly_lab.report.pictures.plots import plots  # matplotlib takes a second to load

        if options.gallery != "none":
            galleries += _galleries(groups, every, notes)
        if options.figures:
            pictures += _paper_figures(groups, options.out / "figures", notes)
        pictures += plots(records, options.out / "figures")

    from anomaly_lab.report.page import write_page

    title = f"anomaly_lab report, {datetime.now(UTC):%Y-%m-%d}"
    write_page(options.out / "report.html", title, tables, pictures, galleries, notes)
    return Report(options.out, records, tables, notes)


def _doubts(found: Sequence[Run]) -> Iterator[str]:
    """What the runs' own warnings say about their test images."""
    unlike = Counter(
        (run.metrics["data"], run.metrics["category"], run.metrics["n_test"], run.metrics["unlike"])
        for run in found
        if run.metrics.get("n_unlike")
    )
    for (data, category, images, how), count in unlike.items():
        yield f"{category} ({data}): of {images} test images, some are unlike the training images in {how}; {count} runs."
    for run in found:
        if (run.metrics.get("relative_error") or 0) > FLAT_GREY:
            error = f"relative error {run.metrics['relative_error']:.2f} on held-out images"
            yield f"{run.path.name}: F(X) is hardly better than a flat grey ({error}); its heatmap rests on no reconstruction."
        if masks := run.metrics.get("n_covered"):
            yield f"{run.path.name}: {masks} masks mark over half of their image; they may be inverted."


def _tables_of(name: str) -> Callable[[Records], Sequence[Table]]:
    try:
        made: Any = getattr(importlib.import_module(name), "tables", None)
    except Exception as error:  # whatever the user's module raises
        raise UserError(f"tables={name} cannot be imported ({error}): name a module in the current folder") from error
    if not callable(made):
        raise UserError(f"tables={name} has no function tables(records): define it (docs/extending.md)")
    return made


def _curves(groups: Sequence[Group], every: bool, notes: list[str]) -> Iterator[Curves]:
    for g, run in chosen(groups, every):
        if curves := curves_of(run, g.name):
            yield curves
        else:
            notes.append(f"{run.path.name} has no curves over a_min and α: its levels.csv does not cover its min_area.")


def _galleries(groups: Sequence[Group], every: bool, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The page's payloads of the chosen runs whose checkpoints and images exist."""
    from anomaly_lab.report.pictures.rescored import rescored
    from anomaly_lab.report.pictures.thumbnails import payload

    for g, run in chosen(groups, every):
        try:
            made = payload(rescored(run), g.name)
        except UserError as error:
            notes.append(f"No test images of {run.path.name}: {error}.")
            continue
        if made["changed"]:
            notes.append(f"{run.path.name}: scored anew, {made['changed']} decisions differ from its record.")
        yield made


def _paper_figures(groups: Sequence[Group], folder: Path, notes: list[str]) -> Iterator["Picture"]:
    from anomaly_lab.report.pictures.paper_figures import paper_figures
    from anomaly_lab.report.pictures.rescored import rescored

    places: dict[tuple[str, str], list[Rescored]] = {}
    # the paper's figures show reconstructions, which a detector on features does not make, nor a network that only marks pixels
    reconstructing = [g for g in groups if "scoring.detector._target_" not in g.setting]
    best = list(best_by_proxy(reconstructing, "objective", "corruption"))
    for g, run in watched(best, "Drawing figures", len(best)):
        try:
            found = rescored(run)
            if found.shown and found.trained.module.reconstructs:  # scores its images
                places.setdefault((g.source, str(g["category"])), []).append(found)
        except UserError as error:
            notes.append(f"{run.path.name} is in no figure: {error}.")
    for runs in places.values():
        yield from paper_figures(runs, folder)

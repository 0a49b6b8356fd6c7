"""The whole report: tables, plots, figures and the page, from the runs below some folders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_lab.errors import UserError
from anomaly_lab.report.read.collect import FINISHED, Run, collect
from anomaly_lab.report.read.groups import Group, across_categories, group, key, legend, names
from anomaly_lab.report.read.official import source
from anomaly_lab.report.tables import comparison, over_lambda, overview, sensitivity
from anomaly_lab.report.tables.paper import paper_tables
from anomaly_lab.report.tables.table import Cell, Table, plain, write
from anomaly_lab.runs.checks import ERRORS

if TYPE_CHECKING:
    from anomaly_lab.report.pictures.plots import Picture


GALLERIES = ("one", "all", "none")


@dataclass(frozen=True)
class Options:
    """`gallery`: test images of one run a category (that of the highest validation proxy), of all runs, or of none; `figures`:
    whether the paper's figures are drawn, which loads checkpoints too."""

    runs: Sequence[Path]
    out: Path
    gallery: str = "one"
    figures: bool = True


@dataclass(frozen=True)
class Report:
    """What was made, and what could not be."""

    out: Path
    runs: Sequence[Run]
    groups: Sequence[Group]
    tables: Sequence[Table]
    notes: Sequence[str]


def build_report(options: Options) -> Report:
    """Collect, compute and write everything to `options.out`. UserError where there is no run at all."""
    runs = collect(options.runs)
    groups = group(runs)
    notes = _summary(runs)
    tables = tables_of(runs, groups, options.runs)
    pictures: list[Picture] = []
    galleries: list[dict[str, Any]] = []
    if groups:
        from anomaly_lab.report.pictures.plots import analysis_plots  # matplotlib takes a second to load

        pictures += list(analysis_plots(groups, options.out / "figures"))
    if groups and options.gallery != "none":
        galleries = _galleries(groups, options.gallery, notes)
    if curves := _curves(groups, options.gallery, notes):
        from anomaly_lab.report.pictures.plots import sensitivity_plots

        tables += sensitivity.tables(curves)
        pictures += list(sensitivity_plots(curves, options.out / "figures"))
    if groups and options.figures:
        pictures = [*_paper_figures(groups, options.out / "figures", notes), *pictures]
    for table in tables:
        write(table, options.out / "tables")

    from anomaly_lab.report.page import write_page

    title = f"anomaly_lab report, {datetime.now(UTC):%Y-%m-%d}"
    write_page(options.out / "report.html", title, tables, pictures, galleries, notes)
    return Report(options.out, runs, groups, tables, notes)


def tables_of(runs: Sequence[Run], groups: Sequence[Group], folders: Sequence[Path]) -> list[Table]:
    """Every table that needs records only."""
    found: list[Table | None] = []
    if groups:
        found += [overview.results(groups), *paper_tables(groups)]
        found += [over_lambda.lambda_table(groups), *over_lambda.heat_tables(groups), comparison.comparison_table(groups)]
        found += [overview.kinds(groups), overview.single_runs(groups, folders), _legend(groups)]
    found.append(overview.left_out(runs, folders))
    return [table for table in found if table is not None]


def best_by_proxy(groups: Sequence[Group], told_apart_by: Sequence[str]) -> Iterator[Run]:
    """Of the runs on the same data and category that agree in these figures of metrics.json, the one whose validation proxy is
    highest: no test image has a say in what is shown."""
    found: dict[tuple[Any, ...], Run] = {}
    for g in groups:
        for run in g.runs:
            place = (source(run), g.setting.get("data.root"), g["category"], *(g[name] for name in told_apart_by))
            if place not in found or _proxy(run) > _proxy(found[place]):
                found[place] = run
    yield from found.values()


def _shown(groups: Sequence[Group], which: str) -> Iterator[tuple[Run, str]]:
    """The runs that are looked at closely, with their setting's name."""
    named = names(groups)
    chosen = {run.path for run in best_by_proxy(groups, ())}
    for g in groups:
        for run in g.runs:
            if which == "all" or run.path in chosen:
                yield run, named[key(across_categories(g.setting))]


def _curves(groups: Sequence[Group], which: str, notes: list[str]) -> list[dict[str, Any]]:
    """TPR, TNR and F1 over a_min and α, of those runs."""
    found = []
    for run, setting in _shown(groups, which):
        own = int(run.metrics.get("min_area") or 0)
        try:
            levels = sensitivity.by_area(run.levels)
            rows = {"min_area": sensitivity.over_area(levels), "alpha": sensitivity.over_alpha(levels[own])}
        except (KeyError, TypeError, ValueError):
            notes.append(f"{run.path.name} has no levels.csv of its min_area, so no curves over a_min and α.")
            continue
        common = {"data": source(run), "category": run.metrics["category"], "setting": setting, "seed": run.metrics["seed"]}
        found.append(common | {"own": own} | rows)
    return found


def _galleries(groups: Sequence[Group], which: str, notes: list[str]) -> list[dict[str, Any]]:
    """Payloads for the page, of the runs whose checkpoints and images are there."""
    from anomaly_lab.report.pictures import thumbnails
    from anomaly_lab.runs import trained

    payloads = []
    for run, setting in _shown(groups, which):
        try:
            payloads.append(thumbnails.payload(trained.scorer(run), setting))
        except UserError as error:
            notes.append(f"No test images of {run.path.name}: {error}.")
            continue
        if payloads[-1]["changed"]:
            notes.append(f"{run.path.name}: scored anew, {payloads[-1]['changed']} decisions differ from its record.")
    return payloads


def _paper_figures(groups: Sequence[Group], folder: Path, notes: list[str]) -> Iterator["Picture"]:
    from anomaly_lab.progress import bar
    from anomaly_lab.report.pictures.paper_figures import Shown, paper_figures
    from anomaly_lab.runs import trained

    places: dict[tuple[str, str], list[Shown]] = {}
    # the paper's figures are of networks that show defects by their error
    runs = [r for r in best_by_proxy(groups, ("objective", "corruption")) if r.metrics.get("error") in ERRORS]
    with bar("Drawing figures") as update:
        for done, run in enumerate(runs, start=1):
            try:
                place = (source(run), str(run.metrics["category"]))
                places.setdefault(place, []).append(Shown(trained.scorer(run)))
            except UserError as error:
                notes.append(f"{run.path.name} is in no figure: {error}.")
            update(done, len(runs))
        for shown in places.values():
            yield from paper_figures(shown, folder)


def _summary(runs: Sequence[Run]) -> list[str]:
    finished = sum(run.state == FINISHED for run in runs)
    if finished == len(runs):
        return []
    states: dict[str, int] = {}
    for run in runs:
        if run.state != FINISHED:
            states[run.state] = states.get(run.state, 0) + 1
    others = ", ".join(f"{count} {state}" for state, count in states.items())
    return [f"{finished} of {len(runs)} runs have finished; {others}: see “Runs without a result”."]


def _legend(groups: Sequence[Group]) -> Table | None:
    """What the letters after a setting's name stand for."""
    rows = [[Cell(name), Cell(k), plain(str(v))] for name, others in legend(groups).items() for k, v in others.items()]
    return Table("settings", "What tells the settings apart", ["setting", "key", "value"], rows) if rows else None


def _proxy(run: Run) -> float:
    value = run.metrics.get("proxy_ap")
    return -1.0 if value is None else float(value)

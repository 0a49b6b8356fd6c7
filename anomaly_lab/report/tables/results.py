"""The tables of results: by setting and category, by kind of defect, by run; of settings; and of runs without a result."""

from collections.abc import Iterator
from pathlib import Path

from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.protocol import MEASURES, METRICS, MINUTES, PROXY, TRIVIAL, choices
from anomaly_lab.report.read.records import Group, Records, statistic
from anomaly_lab.report.read.run import FINISHED, Run
from anomaly_lab.report.tables.table import GAP, Cell, Table, averaged, measured, number, plain


def results(records: Records) -> list[Table]:
    """Mean ± sample standard deviation over the seeds; no table if no run has finished."""
    groups = records.groups
    if not groups:
        return []
    measures = (*METRICS.values(), *TRIVIAL.values(), MINUTES)
    columns = ["data", "category", "setting", "n", "seeds", *measures, "steps", "px"]
    parts = {c: ("standard deviation",) for c in measures}
    protocol = f"{choices(run for g in groups for run in g.runs)} {MEASURES}"
    notes = [f"Mean ± sample standard deviation over n seeds; n = 1 has none. {protocol}"]
    if mixed := sum(len({run.commit for run in g.runs}) > 1 for g in groups):
        notes.append(f"Rows with seeds from different states of the code: {mixed}. See the column “code” of the single runs.")
    if repeated := sum(len(g.earlier) for g in groups):
        notes.append(f"Runs that were repeated later with the same setting and seed: {repeated}. Only the newest counts.")
    if unknown := sum(not run.config for g in groups for run in g.runs):
        notes.append(f"Runs without config.yaml: {unknown}. They are grouped by their metrics.json.")
    return [Table("results", "Results by setting", columns, [_of_group(g) for g in groups], notes, parts)]


def kinds(records: Records) -> list[Table]:
    """How many images of each kind were called defective, over all seeds of a setting; no table if no run has finished."""
    if not records.groups:
        return []
    how = choices(run for g in records.groups for run in g.runs)
    note = f"Images that were called defective at the calibrated threshold, over all seeds. {how}"
    columns = ["data", "category", "setting", "kind", "images", "share"]
    rows = [row for g in records.groups for row in _by_kind(g)]
    return [Table("kinds", "By kind of defect", columns, rows, [note])]


def runs(records: Records) -> list[Table]:
    """Each run's own metrics.json. Runs that were repeated later are included and marked. No table if no run has finished."""
    found = [(g, run) for g in records.groups for run in (*g.runs, *g.earlier)]
    if not found:
        return []
    columns = ["data", "category", "setting", "seed", *METRICS.values(), *TRIVIAL.values(), "proxy AP", MINUTES, "steps"]
    columns += ["device", "train/validation/test", "code", "run", "note"]
    note = f"The values of each run's metrics.json. {choices(run for _, run in found)} {MEASURES} {PROXY}"
    return [Table("runs", "Single runs", columns, [_of_run(g, run) for g, run in found], [note])]


def settings(records: Records) -> list[Table]:
    """Each setting's keys of the configuration that another setting has with another value; no table if nothing differs."""
    differing = {g.name: g.differing for g in records.groups}
    rows = [[Cell(name), Cell(k), plain(str(v))] for name, others in differing.items() for k, v in others.items()]
    return [Table("settings", "What tells the settings apart", ["setting", "key", "value"], rows)] if rows else []


def left_out(records: Records) -> list[Table]:
    """Each run that is in no other table, with its state and what is known about it. The table may be empty."""
    found = [run for run in records.runs if run.state != FINISHED]
    rows = [[plain(run.place), Cell(run.state), Cell(" ".join(run.overrides)), Cell(run.note)] for run in found]
    return [Table("left_out", "Runs without a result", ["run", "state", "overrides", "what is known"], rows)]


def _of_group(g: Group) -> list[Cell]:
    steps = statistic(run.metrics.get("steps") for run in g.runs).mean
    sizes = sorted({str(size) for run in g.runs if (size := run.metrics.get("image_size")) is not None})
    return [
        *map(plain, (g.source, g["category"], g.name, len(g.runs))),
        Cell(", ".join(str(run.metrics["seed"]) for run in g.runs)),
        *(averaged(g.statistic(m)) for m in (*METRICS, *TRIVIAL)),
        averaged(statistic(run.minutes for run in g.runs), 1),
        Cell(number(steps, 0), (steps,)),
        Cell(", ".join(sizes) or GAP),
    ]


def _by_kind(g: Group) -> Iterator[list[Cell]]:
    scores = [row for run in g.runs for row in run.scores]
    for label, defect in sorted({(row["label"], row["defect"]) for row in scores}):
        predicted = [row["predicted"] == "1" for row in scores if row["defect"] == defect]
        what = "false alarms" if label == "0" else "found"
        count = Cell(f"{sum(predicted)} of {len(predicted)} {what}", (sum(predicted),))
        yield [*map(plain, (g.source, g["category"], g.name, defect)), count, measured(sum(predicted) / len(predicted))]


def _of_run(g: Group, run: Run) -> list[Cell]:
    m = run.metrics
    counts = "/".join(GAP if m.get(name) is None else str(m[name]) for name in ("n_train", "n_validation", "n_test"))
    notes = [f"evaluation of {Path(m['source_run']).name}, trained on {m.get('trained_on')}."] if m.get("source_run") else []
    notes += ["repeated later, counts nowhere"] if run in g.earlier else []
    return [
        *map(plain, (source(run), m["category"], g.name, m["seed"])),
        *(measured(m.get(name)) for name in (*METRICS, *TRIVIAL, "proxy_ap")),
        measured(run.minutes, 1),
        *map(plain, (m.get("steps"), m.get("device"))),
        *(Cell(counts), Cell(run.commit), plain(run.place), Cell(" ".join(notes))),
    ]

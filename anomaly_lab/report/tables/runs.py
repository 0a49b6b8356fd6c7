"""The tables of finished runs, of what differs between their settings, and of runs without a result."""

from pathlib import Path

from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.protocol import FLAT, MEASURES, METRICS, MINUTES, PROXY, choices
from anomaly_lab.report.read.records import Group, Records
from anomaly_lab.report.read.run import FINISHED, Run
from anomaly_lab.report.tables.table import GAP, Cell, Table, measured, plain

COUNTS = ("n_train", "n_validation", "n_test")


def runs(records: Records) -> list[Table]:
    """Each run's own metrics.json. Runs that were repeated later are included and marked. No table if no run has finished."""
    found = [(g, run) for g in records.groups for run in (*g.runs, *g.earlier)]
    if not found:
        return []
    columns = ["data", "category", "setting", "seed", *METRICS.values(), *FLAT.values(), "proxy AP", MINUTES, "steps"]
    columns += ["device", "train/validation/test", "code", "run", "note"]
    note = f"The values of each run's metrics.json. {choices(run for _, run in found)} {MEASURES} {PROXY}"
    return [Table("runs", "Single runs", columns, [_row(g, run) for g, run in found], [note])]


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


def _row(g: Group, run: Run) -> list[Cell]:
    m = run.metrics
    counts = "/".join(GAP if m.get(name) is None else str(m[name]) for name in COUNTS)
    return [
        *map(plain, (source(run), m["category"], g.name, m["seed"])),
        *(measured(m.get(name)) for name in (*METRICS, *FLAT, "proxy_ap")),
        measured(run.minutes, 1),
        *map(plain, (m.get("steps"), m.get("device"))),
        Cell(counts),
        Cell(run.commit),
        plain(run.place),
        Cell(" ".join(_notes(g, run))),
    ]


def _notes(g: Group, run: Run) -> list[str]:
    trained = run.metrics.get("source_run")
    notes = [f"evaluation of {Path(trained).name}, trained on {run.metrics.get('trained_on')}."] if trained else []
    return [*notes, "repeated later, counts nowhere"] if run in g.earlier else notes

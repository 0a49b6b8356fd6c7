"""The table of finished runs: one row per run."""

from pathlib import Path

from anomaly_lab.report.read.groups import Group
from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.protocol import MEASURES, PROXY, choices
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import Run
from anomaly_lab.report.tables.labels import FLAT, METRICS, MINUTES
from anomaly_lab.report.tables.table import GAP, Cell, Table, measured, plain

COUNTS = ("n_train", "n_validation", "n_test")


def tables(records: Records) -> list[Table]:
    """Each run's own metrics.json. Runs that were repeated later are included and marked. No table if no run has finished."""
    found = [(g, run) for g in records.groups for run in (*g.runs, *g.earlier)]
    if not found:
        return []
    columns = ["data", "category", "setting", "seed", *METRICS.values(), *FLAT.values(), "proxy AP", MINUTES, "steps"]
    columns += ["device", "train/validation/test", "code", "run", "note"]
    note = f"The values of each run's metrics.json. {choices(run for _, run in found)} {MEASURES} {PROXY}"
    return [Table("runs", "Single runs", columns, [_row(g, run) for g, run in found], [note])]


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

"""What `analyze` has found of the settings' runs: how far each F is from the orthogonal projection."""

import json
from typing import Any

from anomaly_lab.files import READ
from anomaly_lab.report.read.records import Group, Records, statistic
from anomaly_lab.report.read.run import Run
from anomaly_lab.report.tables.table import Cell, Table, averaged, plain

SHOWN = {  # "property.quantity" in analysis.json → column
    "identity.error": "identity",
    "idempotence.second": "idempotence",
    "projection.inside": "projection, inside",
    "conservation.leak": "conservation",
    "orthogonality.asymmetry": "orthogonality",
    "contraction.corruption": "contraction",
    "contraction.normal": "normal variation kept",
}
LARGE = {"orthogonality.participation": "effective rank"}  # printed without decimals


def tables(records: Records) -> list[Table]:
    """A row for each setting with analysed runs; no table if there are none."""
    found = [(g, [a for run in g.runs if (a := analysis(run))]) for g in records.groups]
    rows = [_row(g, analyses) for g, analyses in found if analyses]
    if not rows:
        return []
    note = (
        "From analysis.json, on held-out normal images; means ± standard deviations over the seeds, n of which have been "
        "analysed. 0 in the columns identity to contraction: F is an orthogonal projection that removes all of a corruption. "
        "Orthogonality: the difference of the Jacobian and its transpose, relative to it; 1.41 if they have nothing in common. "
        "Normal variation kept: 1 on the manifold. Effective rank: how many directions carry the Jacobian. Definitions: "
        "docs/analyze.md."
    )
    columns = ["data", "category", "setting", "n", *SHOWN.values(), *LARGE.values()]
    parts = {c: ("standard deviation",) for c in columns[4:]}
    return [Table("projection", "Projection", columns, rows, [note], parts)]


def analysis(run: Run) -> dict[str, Any]:
    """The properties in the run's analysis.json; empty if there is none, or a damaged one."""
    try:
        found = json.loads((run.path / "analysis.json").read_text(encoding=READ))["properties"]
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _row(g: Group, analyses: list[dict[str, Any]]) -> list[Cell]:
    cells = [*map(plain, (g.source, g["category"], g.name, len(analyses)))]
    for names, digits in ((SHOWN, 2), (LARGE, 0)):
        cells += [averaged(statistic(_mean(a, place) for a in analyses), digits) for place in names]
    return cells


def _mean(found: dict[str, Any], place: str) -> float | None:
    name, quantity = place.split(".")
    try:
        return found[name][quantity]["mean"]  # type: ignore[no-any-return]
    except (KeyError, TypeError):  # of another version
        return None

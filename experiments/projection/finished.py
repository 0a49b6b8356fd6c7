"""Keep what `analyze` has found of finished runs, and write finished.md.

    python experiments/projection/finished.py NAME=DIR …     # DIR holds the run's analysis.json; without: the table alone

finished/ keeps each run's properties with their intervals and the protocol, without the names of its images.
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

from anomaly_lab.analyze.spectrum import PLACES, resolved  # noqa: E402
from anomaly_lab.analyze.verdict import verdicts  # noqa: E402
from anomaly_lab.show.markdown import pipe_table  # noqa: E402

KEPT = ("images", "side", "passes", "probes", "lanczos_steps", "rounding_of_the_run")
WORDS = {"holds": "✓", "holds roughly": "~", "does not hold": "✗", "undecided": "?", "unknown": "–"}
DEFECTS = {  # quantity → title, digits
    "identity.error": ("identity", 2),
    "idempotence.second": ("idempotence", 2),
    "projection.inside": ("projection", 2),
    "conservation.leak": ("conservation", 2),
    "orthogonality.asymmetry": ("orthogonality", 2),
    "contraction.corruption": ("contraction", 2),
}
FURTHER = {
    "idempotence.rate": ("rate", 2),
    "idempotence.contrast": ("contrast after 8 passes", 2),
    "contraction.normal": ("shift kept", 2),
    "contraction.noise": ("noise kept", 2),
    "conservation.reach": ("reach, px", 0),
    "conservation.field": ("field, px", 0),
    "orthogonality.idempotence": ("‖J′J − J‖/‖J‖", 2),
    "orthogonality.cosine": ("cosine", 2),
    "orthogonality.trace": ("tr J", 0),
    "orthogonality.squares": ("‖J‖²", 0),
    "orthogonality.participation": ("effective rank", 0),
    "orthogonality.near_0": ("σ near 0, %", 2),
    "orthogonality.near_1": ("σ near 1, %", 2),
    "orthogonality.beyond": ("σ beyond, %", 2),
    "orthogonality.largest": ("largest σ", 1),
}


def main() -> None:
    folder = HERE / "finished"
    folder.mkdir(exist_ok=True)
    for argument in sys.argv[1:]:
        name, _, where = argument.partition("=")
        found = json.loads((Path(where) / "analysis.json").read_text())
        protocol = {key: found["protocol"][key] for key in KEPT}
        kept = {"protocol": protocol, "properties": found["properties"]}
        (folder / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    records = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    tables = [table(records, DEFECTS, words=True), table(records, FURTHER)]
    (HERE / "finished.md").write_text("\n\n".join(tables) + "\n")


def table(records: dict[str, Any], columns: dict[str, tuple[str, int]], words: bool = False) -> str:
    """A row for each run: means with intervals, and the verdict on each."""
    rows = []
    for name, record in records.items():
        properties, words_of = told(record), verdicts(record["properties"])
        row = [name, record["protocol"]["images"]]
        for place, (title, digits) in columns.items():
            group, quantity = place.split(".")
            factor = 100 if title.endswith("%") else 1
            cell = text(properties[group][quantity], digits, factor)
            row.append(f"{WORDS[words_of[group]]} {cell}" if words else cell)
        rows.append(row)
    return pipe_table(["run", "images", *(title for title, _ in columns.values())], rows)


def told(record: dict[str, Any]) -> dict[str, Any]:
    """The run's properties without the shares of the spectrum that Lanczos has not told apart."""
    orthogonality = record["properties"]["orthogonality"]
    blurred = not resolved(orthogonality["largest"]["mean"], record["protocol"]["lanczos_steps"])
    unknown = {place: {"mean": None, "low": None, "high": None} for place in PLACES} if blurred else {}
    return record["properties"] | {"orthogonality": orthogonality | unknown}


def text(record: dict[str, Any], digits: int, factor: float) -> str:
    if record["mean"] is None:
        return "–"
    mean, *ends = (None if record[k] is None else f"{factor * record[k]:,.{digits}f}" for k in ("mean", "low", "high"))
    return f"{mean}" if ends[0] is None else f"{mean} [{ends[0]}, {ends[1]}]"


if __name__ == "__main__":
    main()

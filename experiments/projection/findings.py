"""The tables and the plot of experiments/projection, from what results/ holds."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tau
from matplotlib import pyplot as plt
from tau import Array, Chance, Tau

from anomaly_lab.analyze.measure import QUANTITIES, STEPS
from anomaly_lab.analyze.spectrum import PLACES, resolved
from anomaly_lab.show import figures  # noqa: F401  # no window
from anomaly_lab.show.markdown import pipe_table

TRUTHS = ("image_auroc", "aupro", "pixel_ap")
VALIDATION = ("val/proxy_ap", "val/proxy_auroc", "val/relative_error", "val/restoration_error")
ANALYSIS = tuple(f"{name}.{quantity}" for name, quantities in QUANTITIES.items() for quantity in quantities)
ALL = (*ANALYSIS, *VALIDATION)
DEFECTS = tuple(f"{name}.{quantities[0]}" for name, quantities in QUANTITIES.items())
# what theory or practice would choose by: 1 the highest, -1 the lowest
BETTER = dict.fromkeys(
    (*DEFECTS, "contraction.changed", "projection.outside", "orthogonality.idempotence", "val/relative_error"), -1
)
BETTER |= {
    "contraction.selectivity": 1,
    "contraction.normal": 1,
    "val/proxy_ap": 1,
    "val/proxy_auroc": 1,
    "val/restoration_error": -1,
}
ALPHA = 0.05
FEWEST = 3  # runs of a set, else it has no τ
LARGEST = "orthogonality.largest"
SHARES = tuple(f"orthogonality.{place}" for place in PLACES)
Record = dict[str, Any]


def validation(run: Path) -> dict[str, float | None]:
    """What the last validation of a run has logged."""
    found: dict[str, float | None] = dict.fromkeys(VALIDATION)
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found |= {name: float(row[name]) for name in VALIDATION if row.get(name)}
    return found


def write(out: Path) -> None:
    """holds.md, tau.md, tau_restoring.md, sets_<truth>.md and tau.svg; nothing without results."""
    found = [json.loads(path.read_text()) for path in sorted((out / "results").glob("*.json"))]
    if not found:
        return
    (out / "holds.md").write_text(holds(found))
    sets = by_set(found)
    if sets:
        ranked, chances = pooled(sets), beyond(sets)
        (out / "tau.md").write_text(table(sets, ranked, chances))
        draw(ranked, chances, out / "tau.svg")
        for truth in TRUTHS:
            (out / f"sets_{truth}.md").write_text(within(sets, truth))
    if restoring := by_set([r for r in found if not r["objective"].startswith("amplify")]):
        (out / "tau_restoring.md").write_text(table(restoring, pooled(restoring), beyond(restoring)))


def by_set(found: Sequence[Record]) -> dict[str, list[Record]]:
    """Category → its runs, where there are enough for a τ."""
    sets = {name: [r for r in found if r["category"] == name] for name in sorted({r["category"] for r in found})}
    return {name: runs for name, runs in sets.items() if len(runs) >= FEWEST}


def column(runs: Sequence[Record], value: Callable[[Record], float | None]) -> Array:
    """A number of each run; NaN where it is unknown."""
    return np.array([np.nan if (v := value(r)) is None else v for r in runs], float)


def truth_of(runs: Sequence[Record], name: str) -> Array:
    return column(runs, lambda r: r[name])


def quantity_of(runs: Sequence[Record], name: str) -> Array:
    return column(runs, lambda r: known(r["quantities"], name))


def known(quantities: dict[str, float | None], name: str) -> float | None:
    """A quantity of a run; None for shares of the spectrum that Lanczos has not told apart."""
    largest = quantities.get(LARGEST)
    blurred = name in SHARES and largest is not None and not resolved(largest, STEPS)
    return None if blurred else quantities.get(name)


def pooled(sets: dict[str, list[Record]]) -> dict[str, dict[str, Tau]]:
    """Quantity → truth → τ, pooled over the sets."""
    runs = sets.values()
    truths = {truth: [truth_of(r, truth) for r in runs] for truth in TRUTHS}
    return {name: {t: tau.pooled([quantity_of(r, name) for r in runs], truths[t]) for t in TRUTHS} for name in ALL}


def beyond(sets: dict[str, list[Record]]) -> dict[str, Chance]:
    """Truth → the test of all quantities against chance."""
    quantities = [np.stack([quantity_of(runs, name) for name in ALL]) for runs in sets.values()]
    return {truth: tau.chance(quantities, [truth_of(runs, truth) for runs in sets.values()]) for truth in TRUTHS}


def table(sets: dict[str, list[Record]], ranked: dict[str, dict[str, Tau]], chances: dict[str, Chance]) -> str:
    """A row for each quantity: pooled τ with each truth, bold and with p beyond chance; what choosing by it would get."""
    rows = []
    for i, (name, found) in enumerate(ranked.items()):
        cells = [beside_chance(f, chances[truth].p[i]) for truth, f in found.items()]
        rows.append([name, *cells, *picked(sets, name)])
    note = (
        f"{sum(map(len, sets.values()))} runs on {len(sets)} sets. Bold: p ≤ {ALPHA}, adjusted for {len(ALL)} quantities (how "
        "often the largest |τ| of all, each in units of its own spread, is as large where the truths are permuted)."
    )
    titles = ["quantity", *(f"τ with {t}" for t in TRUTHS), "best run picked", "image AUROC: picked / mean / best"]
    return f"{pipe_table(titles, rows)}\n\n{note}\n"


def picked(sets: dict[str, list[Record]], name: str) -> list[str]:
    """In how many sets the quantity picks a run with the best image AUROC; and means over the sets of what it gets."""
    if name not in BETTER:
        return ["", ""]
    hits, got = 0, []
    for runs in sets.values():
        values, truth = BETTER[name] * quantity_of(runs, name), truth_of(runs, TRUTHS[0])
        if np.isnan(values).all() or np.isnan(truth).any():
            continue
        chosen = truth[np.nanargmax(values)]
        hits += bool(chosen == truth.max())
        got.append((chosen, truth.mean(), truth.max()))
    return [f"{hits} of {len(got)}", " / ".join(f"{value:.3f}" for value in np.mean(got, 0))] if got else ["–", "–"]


def within(sets: dict[str, list[Record]], truth: str) -> str:
    """A row for each quantity: τ within each set."""
    rows = [
        [name, *(text(tau.within(quantity_of(runs, name), truth_of(runs, truth))) for runs in sets.values())] for name in ALL
    ]
    counts = [f"{name} ({len(runs)} runs)" for name, runs in sets.items()]
    return f"{pipe_table([f'τ with {truth}', *counts], rows)}\n"


def holds(found: Sequence[Record]) -> str:
    """A row for each setting: mean and range over the sets of the six defects and of what describes the Jacobian."""
    shown = (
        *DEFECTS,
        "contraction.normal",
        "orthogonality.idempotence",
        "orthogonality.participation",
        "orthogonality.largest",
    )
    rows = []
    for setting in sorted({r["setting"] for r in found}):
        runs = [r for r in found if r["setting"] == setting]
        cells = [spread([r["quantities"][name] for r in runs]) for name in shown]
        rows.append([setting, len(runs), *cells, *(f"{np.nanmean(truth_of(runs, t)):.3f}" for t in TRUTHS)])
    return f"{pipe_table(['setting', 'runs', *shown, *TRUTHS], rows)}\n"


def spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    form = "{:.2f}" if max(known) < 10 else "{:.0f}"
    return f"{form.format(np.mean(known))} ({form.format(min(known))}–{form.format(max(known))})"


def text(found: Tau) -> str:
    """+.31 [−.05, +.60]"""
    if found.value is None:
        return "–"
    ends = "" if found.low is None else f" [{found.low:+.2f}, {found.high:+.2f}]"
    return f"{found.value:+.2f}{ends}".replace("0.", ".").replace("-", "−")


def beside_chance(found: Tau, p: float) -> str:
    """τ with its interval; bold and with p where p is small."""
    return f"**{text(found)}**, p {p:.3f}" if p <= ALPHA else text(found)


def draw(ranked: dict[str, dict[str, Tau]], chances: dict[str, Chance], path: Path) -> None:
    """Pooled τ of every quantity with each truth; the grey bars are chance."""
    figure, axes = plt.subplots(1, len(TRUTHS), figsize=(12, 0.24 * len(ALL) + 1), sharey=True, layout="constrained")
    for axis, truth in zip(axes, TRUTHS, strict=True):
        p, limits = chances[truth]
        axis.barh(range(len(ALL)), 2 * limits[::-1], left=-limits[::-1], height=1, color="#dddddd", zorder=0)
        for place, name in enumerate(reversed(ALL)):
            found = ranked[name][truth]
            if found.value is not None:
                color = "#D55E00" if p[ALL.index(name)] <= ALPHA else "#0072B2"
                axis.plot([found.low, found.high], [place, place], color="#0072B2", linewidth=1)
                axis.plot(found.value, place, "o", color=color, markersize=4)
        axis.axvline(0, color="black", linewidth=0.6)
        axis.set_xlim(-1, 1)
        axis.set_title(f"pooled τ with {truth}", fontsize=10)
        axis.set_yticks(range(len(ALL)), list(reversed(ALL)), fontsize=7)
        axis.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)

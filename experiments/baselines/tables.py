"""From results/ to table.md (means over sets), sets.md (each set), ranks.md (the test), paper.md (the paper's columns).

Photographs and generated images are never averaged. The best trivial map of each set stands beside the methods.
"""

import math
import sys
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from scipy.stats import kendalltau

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # scripts, not a package
import records  # noqa: E402
from methods import COLUMNS, EMBEDDED, METHODS, MINIATURES  # noqa: E402

from anomaly_lab.metrics.ranks import cliques, critical_difference, friedman, ranks  # noqa: E402
from anomaly_lab.report.tables.paper import published  # noqa: E402
from anomaly_lab.report.tables.table import number  # noqa: E402
from anomaly_lab.show.markdown import pipe_table  # noqa: E402

MEANS = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr_tnr_mean")
SHOWN = (*MEANS, "tpr", "tnr")
RANKED = ("image_auroc", "pixel_ap", "aupro", "tpr_tnr_mean")
ALPHA = 0.05
KINDS = ("photographs", "generated")
TRIVIAL = "*best trivial map*"
Found = dict[tuple[int, str, str], list[dict[str, Any]]]  # (seconds, method, set) → the seeds' records


def write_tables(out: Path) -> None:
    """Write the four tables from `out`/results."""
    found: Found = {(s, m, n): r for (s, m, n), r in records.grouped(out, "seconds", "method", "set")}
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(by_method(found) + "\n")
    (out / "sets.md").write_text(by_set(found) + "\n")
    (out / "ranks.md").write_text(test(found) + "\n")
    (out / "paper.md").write_text(beside_the_paper(found) + "\n")


def by_method(found: Found) -> str:
    """A row a method and kind of set: means over its sets of the means over the seeds, parameters, minutes, milliseconds."""
    rows = []
    for seconds, kind in product(sorted({key[0] for key in found}), KINDS):
        names = sorted({n for s, _, n in found if s == seconds and KINDS[n in EMBEDDED] == kind})
        if not names:
            continue
        best = [average([best_trivial(found, seconds, name, metric) for name in names]) for metric in MEANS]
        rows.append([kind, TRIVIAL, seconds, len(names), "–", *map(number, best), "–", "–", "–"])
        for method in METHODS:
            mine = [found[seconds, method, name] for name in names if (seconds, method, name) in found]
            if not mine:
                continue
            every = [r for rs in mine for r in rs]
            seeds = "/".join(map(str, sorted({len(rs) for rs in mine})))
            values = [average([average([r[metric] for r in rs]) for rs in mine]) for metric in MEANS]
            minutes = average([r["train_seconds"] / 60 for r in every])
            cost = [f"{average([r['parameters'] / 1e6 for r in every]):.2f}", f"{minutes:.1f}"]
            cost.append(f"{average([r['ms_per_image'] for r in every]):.0f}")
            rows.append([kind, method, seconds, len(mine), seeds, *map(number, values), *cost])
    titles = ["images", "method", "seconds", "sets", "seeds", *MEANS, "M parameters", "minutes", "ms an image"]
    return pipe_table(titles, rows)


def best_trivial(found: Found, seconds: int, name: str, metric: str) -> float | None:
    """The highest value that a trivial map has beside a run on the set. They differ with the run's image size."""
    beside = [r.get(f"trivial_{metric}") for (s, _, n), rs in found.items() if (s, n) == (seconds, name) for r in rs]
    return max((value for value in beside if value is not None), default=None)


def by_set(found: Found) -> str:
    """The best trivial map of each set, then a row a method: mean ± standard deviation over the seeds."""
    rows = []
    for seconds, name in sorted({(s, n) for s, _, n in found}):
        best = [number(best_trivial(found, seconds, name, metric)) for metric in SHOWN]
        rows.append([name, TRIVIAL, seconds, "–", "–", "–", *best])
        for method in sorted(METHODS):
            rs = found.get((seconds, method, name))
            if rs is None:
                continue
            steps = f"{mean(r['steps'] for r in rs):,.0f}"
            error = records.spread([r["relative_error"] for r in rs])
            rows.append([name, method, seconds, len(rs), steps, error, *(records.spread([r[m] for r in rs]) for m in SHOWN)])
    return pipe_table(["set", "method", "seconds", "seeds", "steps", "relative error", *SHOWN], rows)


def test(found: Found) -> str:
    """Mean ranks over the sets that all methods have run on, Friedman's test, Nemenyi's difference, for each metric."""
    parts = []
    for seconds in sorted({key[0] for key in found}):
        methods = [m for m in METHODS if any(key[:2] == (seconds, m) for key in found)]
        names = sorted({n for s, _, n in found if s == seconds and all((seconds, m, n) in found for m in methods)})
        for metric in RANKED:
            values = {n: [average([r[metric] for r in found[seconds, m, n]]) for m in methods] for n in names}
            known = {n: row for n, row in values.items() if None not in row}
            usable = list(known.values())
            if len(usable) < 2 or len(methods) < 2:
                parts.append(f"{metric}, {seconds} s: fewer than two sets or methods, no test.")
                continue
            mean_ranks = ranks(usable).mean(0).tolist()
            statistic, p = friedman(usable)
            difference = critical_difference(len(methods), len(usable), ALPHA)
            groups = cliques(mean_ranks, difference)
            rows = sorted(zip(mean_ranks, methods, strict=True))
            letters = {m: "".join("abcdefghij"[i] for i, g in enumerate(groups) if methods.index(m) in g) for m in methods}
            said = (
                f"Friedman's χ² = {statistic:.1f}, p = {p:.2g}; critical difference of mean ranks {difference:.2f} at {ALPHA}."
            )
            head = f"**{metric}**, {seconds} s, {len(methods)} methods on {len(usable)} sets ({', '.join(known)}). {said}"
            table = pipe_table(
                ["method", "mean rank", "groups that do not differ"], [[m, f"{r:.2f}", letters[m]] for r, m in rows]
            )
            parts.append(f"{head}\n\n{table}")
    return "\n\n".join(parts) or "No results."


def beside_the_paper(found: Found) -> str:
    """Each miniature: the paper's pixel AUROC and mean of TPR and TNR beside ours, and Kendall's τ of the two orders."""
    parts = []
    for seconds in sorted({key[0] for key in found}):
        for name, category in MINIATURES.items():
            for table, metric in (("table3", "pixel_auroc"), ("table2", "tpr_tnr_mean")):
                record = published()[table]
                printed = dict(zip(record["methods"], record["rows"][category], strict=True))
                rows, pairs = [], []
                for column, method in COLUMNS.items():
                    value, rs = printed.get(column), found.get((seconds, method, name))
                    if value is None or math.isnan(value) or rs is None:
                        continue
                    rows.append([column, method, f"{value:.2f}", records.spread([r[metric] for r in rs])])
                    pairs.append((value, average([r[metric] for r in rs])))
                if len(pairs) > 2 and all(b is not None for _, b in pairs):
                    tau = kendalltau(*zip(*pairs, strict=True))
                    said = f"Kendall's τ of the two orders {tau.statistic:.2f} (p {tau.pvalue:.2f})."
                    titles = ["the paper's column", "port", f"the paper's {category}", name]
                    parts.append(f"**{metric}** on {name}, {seconds} s. {said}\n\n{pipe_table(titles, rows)}")
    return "\n\n".join(parts) or "No miniature has three methods of the paper's tables yet."


def average(values: list[Any]) -> float | None:
    """The mean of the values that are known; None if none is."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    return mean(known) if known else None

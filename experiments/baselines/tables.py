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
    rows, trivial = [], by_trivial(found)
    for (seconds, kind), names in sorted(sets_of(found).items(), reverse=True):
        best = [average([trivial[seconds, name][metric] for name in names]) for metric in MEANS]
        rows.append([kind, TRIVIAL, seconds, len(names), "–", *map(number, best), "–", "–", "–"])
    for seconds, kind, method in product(sorted({key[0] for key in found}), KINDS, METHODS):
        mine = {name: r for (s, m, name), r in found.items() if (s, m, kind_of(name)) == (seconds, method, kind)}
        if not mine:
            continue
        every = [r for records_ in mine.values() for r in records_]
        seeds = "/".join(map(str, sorted({len(r) for r in mine.values()})))
        values = [average([average([r[metric] for r in rs]) for rs in mine.values()]) for metric in MEANS]
        minutes = average([r["train_seconds"] / 60 for r in every])
        cost = [f"{average([r['parameters'] / 1e6 for r in every]):.2f}", f"{minutes:.1f}"]
        cost.append(f"{average([r['ms_per_image'] for r in every]):.0f}")
        rows.append([kind, method, seconds, len(mine), seeds, *map(number, values), *cost])
    titles = ["images", "method", "seconds", "sets", "seeds", *MEANS, "M parameters", "minutes", "ms an image"]
    return pipe_table(titles, rows)


def sets_of(found: Found) -> dict[tuple[int, str], set[str]]:
    """(seconds, kind of images) → the sets with a result."""
    sets: dict[tuple[int, str], set[str]] = {}
    for seconds, _, name in found:
        sets.setdefault((seconds, kind_of(name)), set()).add(name)
    return sets


def by_trivial(found: Found) -> dict[tuple[int, str], dict[str, float]]:
    """(seconds, set) → metric → the highest value that a trivial map reached beside any of the set's runs."""
    best: dict[tuple[int, str], dict[str, float]] = {}
    for (seconds, _, name), rs in found.items():
        mine = best.setdefault((seconds, name), dict.fromkeys(SHOWN, math.nan))
        for metric, r in product(SHOWN, rs):
            mine[metric] = max(
                r.get(f"trivial_{metric}", math.nan), mine[metric], key=lambda v: -math.inf if math.isnan(v) else v
            )
    return best


def number(value: float) -> str:
    """Three digits, or – for a value that is not known."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def kind_of(name: str) -> str:
    """Whether a set's images are photographs or generated."""
    return KINDS[name in EMBEDDED]


def by_set(found: Found) -> str:
    """A row a method and set: mean ± standard deviation over the seeds. The best trivial map first."""
    trivial = by_trivial(found)
    rows: list[list[Any]] = [
        [name, TRIVIAL, seconds, "–", "–", "–", *map(number, best.values())] for (seconds, name), best in trivial.items()
    ]
    for (seconds, method, name), rs in sorted(found.items(), key=lambda item: (item[0][0], item[0][2], item[0][1])):
        steps = f"{mean(r['steps'] for r in rs):,.0f}"
        error = records.spread([r["relative_error"] for r in rs])
        rows.append([name, method, seconds, len(rs), steps, error, *(records.spread([r[m] for r in rs]) for m in SHOWN)])
    rows.sort(key=lambda row: (row[2], row[0]))
    return pipe_table(["set", "method", "seconds", "seeds", "steps", "relative error", *SHOWN], rows)


def test(found: Found) -> str:
    """Mean ranks over the sets that all methods have run on, Friedman's test, Nemenyi's difference, for each metric."""
    parts = []
    for seconds in sorted({key[0] for key in found}):
        methods = [m for m in METHODS if any(key[:2] == (seconds, m) for key in found)]
        names = sorted({n for s, _, n in found if s == seconds and all((seconds, m, n) in found for m in methods)})
        for metric in RANKED:
            values = {n: [average([r[metric] for r in found[seconds, m, n]]) for m in methods] for n in names}
            usable = [row for row in values.values() if all(map(math.isfinite, row))]
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
            head = f"**{metric}**, {seconds} s, {len(methods)} methods on {len(usable)} sets ({', '.join(names)}). {said}"
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
            for number, metric in (("table3", "pixel_auroc"), ("table2", "tpr_tnr_mean")):
                record = published()[number]
                printed = dict(zip(record["methods"], record["rows"][category], strict=True))
                rows, pairs = [], []
                for column, method in COLUMNS.items():
                    value, rs = printed.get(column), found.get((seconds, method, name))
                    if value is None or math.isnan(value) or rs is None:
                        continue
                    rows.append([column, method, f"{value:.2f}", records.spread([r[metric] for r in rs])])
                    pairs.append((value, average([r[metric] for r in rs])))
                if len(pairs) > 2 and all(math.isfinite(b) for _, b in pairs):
                    tau = kendalltau(*zip(*pairs, strict=True))
                    said = f"Kendall's τ of the two orders {tau.statistic:.2f} (p {tau.pvalue:.2f})."
                    table = pipe_table(["the paper's column", "port", f"the paper's {category}", name], rows)
                    parts.append(f"**{metric}** on {name}, {seconds} s. {said}\n\n{table}")
    return "\n\n".join(parts) or "No miniature has three methods of the paper's tables yet."


def average(values: list[Any]) -> float:
    """The mean of the values that are known; not a number if none is."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    return mean(known) if known else math.nan

"""All plots of the records: sweeps over λ, paired comparisons, cost against quality, operating points."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anomaly_lab.report.pictures.picture import COLORS, Picture, panels, save, style, tidy
from anomaly_lab.report.read.curves import Curves
from anomaly_lab.report.read.curves import Point as Operating
from anomaly_lab.report.read.official import SYNTHETIC, source
from anomaly_lab.report.read.protocol import METRICS, MINUTES, SWEPT
from anomaly_lab.report.read.records import Records, statistic
from anomaly_lab.report.tables.comparison import comparisons
from anomaly_lab.report.tables.parameters import Point, over_lambda

Plots = Iterator[tuple[str, str, Figure]]  # name, caption, figure
Panels = Mapping[tuple[str, str], Mapping[str, Sequence[Point]]]  # (data, setting without λ) → category → points
COST = ("image_auroc", "pixel_auroc")
RATES = {"tpr": "TPR", "tnr": "TNR", "f1": "image F1"}


def plots(records: Records, folder: Path) -> Iterator[Picture]:
    """Draw each plot that the records allow, and write it to `folder`."""
    for drawn in PLOTS:
        for name, caption, figure in drawn(records):
            yield save(figure, name, caption, folder)


def lambda_plots(records: Records) -> Plots:
    """Two plots per metric; none if λ was not varied."""
    for metric, label in SWEPT.items():
        found: dict[tuple[str, str], dict[str, Sequence[Point]]] = {}
        for (data, setting, category), points in over_lambda(records.groups, metric).items():
            found.setdefault((data, setting), {})[category] = points
        if found:
            caption = f"{label} over λ: mean over the seeds; the bars are one sample standard deviation"
            yield f"lambda_{metric}", caption, _lines(found, label)
            yield f"lambda_category_{metric}", f"{label} over λ and category: means over the seeds", _heat(found, label)


def _lines(found: Panels, label: str) -> Figure:
    """One panel per data and setting, one line per category."""
    categories = list(dict.fromkeys(c for series in found.values() for c in series))
    figure, axes = panels(len(found), height=3.4)
    for axis, ((data, setting), series) in zip(axes, found.items(), strict=True):
        for category, points in series.items():
            x, y = [p.lam for p in points], [p.statistic.mean for p in points]
            bars, look = [p.statistic.spread or 0.0 for p in points], style(categories.index(category))
            axis.errorbar(x, y, bars, label=category, capsize=3, markersize=5, linewidth=1.4, **look)  # type: ignore[arg-type]
        tidy(axis, f"{setting}\ndata: {data}", "λ", label)
        axis.legend(fontsize=8)
    return figure


def _heat(found: Panels, label: str) -> Figure:
    """One panel per data and setting: one row per λ, one column per category, each mean as a number, one scale for all."""
    means = (p.statistic.mean for series in found.values() for points in series.values() for p in points)
    values = [mean for mean in means if mean is not None]
    low, high = min(values), max(values)
    most = max(len(series) for series in found.values())
    figure, axes = panels(len(found), height=3.2, width=max(3.6, 1.4 + 0.75 * most))
    for axis, ((data, setting), series) in zip(axes, found.items(), strict=True):
        lams = sorted({p.lam for points in series.values() for p in points})
        field = np.full((len(lams), len(series)), np.nan)
        for column, points in enumerate(series.values()):
            for p in points:
                field[lams.index(p.lam), column] = p.statistic.mean
        shown = axis.imshow(field, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (row, column), value in np.ndenumerate(field):
            dark = np.isnan(value) or value < (low + high) / 2
            text = "–" if np.isnan(value) else f"{value:.3f}"
            axis.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
        axis.set_xticks(range(len(series)), list(series), fontsize=8, rotation=30 if most > 4 else 0)
        axis.set_yticks(range(len(lams)), [f"{lam:g}" for lam in lams], fontsize=8)
        axis.set_ylabel("λ", fontsize=9)
        axis.set_title(f"{setting}\ndata: {data}", fontsize=9)
    figure.colorbar(shown, ax=list(axes), label=label, shrink=0.9)
    return figure


def comparison_plots(records: Records) -> Plots:
    """One panel per metric, one row per comparison: the mean difference, its interval, and the units' differences as dots.

    No plot if no two settings can be compared.
    """
    found = comparisons(records.groups)
    if not found:
        return
    metrics = list(dict.fromkeys(c.metric for c in found))
    rows = list(dict.fromkeys((c.data, c.b, c.a) for c in found))
    size = (3 + 2.3 * len(metrics), 1.3 + 0.42 * len(rows))
    figure, axes = plt.subplots(1, len(metrics), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, metric in zip(axes[0], metrics, strict=True):
        for c in (c for c in found if c.metric == metric):
            y = rows.index((c.data, c.b, c.a))
            axis.plot(c.differences, [y] * len(c.differences), "o", color=COLORS[5], markersize=4, alpha=0.7)
            axis.plot(c.mean, y, "x", color=COLORS[1], markersize=7)
            if interval := c.interval():
                axis.plot(interval, [y, y], color=COLORS[1], linewidth=1.8)
        axis.axvline(0, color="0.4", linewidth=0.8)
        tidy(axis, METRICS[metric])
    axes[0][0].set_yticks(range(len(rows)), [f"{b}\nagainst {a} ({data})" for data, b, a in rows], fontsize=7)
    axes[0][0].invert_yaxis()
    caption = "Paired differences with 95 % confidence intervals (Student's t over units); a cross alone has too few units"
    yield "comparisons", caption, figure


def cost_plots(records: Records) -> Plots:
    """Minutes of training against image AUROC and pixel AUROC. A run without a recorded time counts as 0 minutes."""
    settings = list(dict.fromkeys(g.name for g in records.groups))
    figure, axes = panels(len(COST), height=3.6, width=4.6)
    for axis, metric in zip(axes, COST, strict=True):
        seen = set()
        for g in records.groups:
            minutes, value = statistic(run.minutes or 0 for run in g.runs).mean, g.statistic(metric).mean
            if value is None or minutes is None:
                continue
            label, look = None if g.name in seen else g.name, style(settings.index(g.name), line="none")
            seen.add(g.name)
            axis.plot(minutes, value, label=label, markersize=7, **look)  # type: ignore[arg-type]
            text = f"{g['category']}" + ("" if g.source == SYNTHETIC else "*")
            axis.annotate(text, (minutes, value), textcoords="offset points", xytext=(6, 3), fontsize=7)
        tidy(axis, x=MINUTES, y=METRICS[metric])
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=7)
    figure.suptitle("data: synthetic where there is no *, else see the table of results", fontsize=8)
    yield "cost", "Cost against quality: one point per setting and category, means over the seeds", figure


def operating_plots(records: Records) -> Plots:
    """TPR, TNR and F1 over a_min, on a logarithmic scale, and over α: two plots with one panel per run; none without curves."""
    if not records.curves:
        return
    figure, axes = panels(len(records.curves), height=3.2)
    for axis, c in zip(axes, records.curves, strict=True):
        _rates(axis, c, c.over_area, "a_min, pixels (dotted: the run's own)")
        axis.axvline(c.min_area, color="0.4", linewidth=0.8, linestyle="dotted")
        axis.set_xscale("log", base=2)
    caption = "TPR, TNR and image F1 over a_min; for each a_min the threshold is calibrated on the held-out normal images"
    yield "min_area", caption, figure
    figure, axes = panels(len(records.curves), height=3.2)
    for axis, c in zip(axes, records.curves, strict=True):
        _rates(axis, c, c.over_alpha, "α")
        axis.plot([0, 1], [1, 0], color="0.4", linewidth=0.8, linestyle="dotted")
        axis.set_xlim(0, 1)
    caption = "TPR, TNR and image F1 over α, the conformal rule's bound on the rate of false alarms (dotted: TNR = 1 − α)"
    yield "alpha", caption, figure


def _rates(axis: Axes, c: Curves, points: Sequence[Operating], x: str) -> None:
    for i, (rate, text) in enumerate(RATES.items()):
        known = [p for p in points if getattr(p, rate) is not None]
        axis.plot([p.at for p in known], [getattr(p, rate) for p in known], label=text, markersize=4, **style(i))
    axis.set_ylim(-0.03, 1.03)
    m = c.run.metrics
    tidy(axis, f"{m['category']}, {c.setting}, seed {m['seed']}\ndata: {source(c.run)}", x, size=8)
    axis.legend(fontsize=7)


PLOTS = (lambda_plots, comparison_plots, cost_plots, operating_plots)  # in the order of the page

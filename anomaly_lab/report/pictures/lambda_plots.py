"""Plots of a sweep over λ: lines over λ, and a map of λ by category."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from anomaly_lab.report.pictures.picture import panels, style, tidy
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.tables.labels import SWEPT
from anomaly_lab.report.tables.over_lambda import Point, over_lambda

Panels = Mapping[tuple[str, str], Mapping[str, Sequence[Point]]]  # (data, setting without λ) → category → points


def plots(records: Records) -> Iterator[tuple[str, str, Figure]]:
    """Two plots per metric; none if λ was not varied."""
    for metric, label in SWEPT.items():
        found: dict[tuple[str, str], dict[str, Sequence[Point]]] = {}
        for (data, setting, category), points in over_lambda(records.groups, metric).items():
            found.setdefault((data, setting), {})[category] = points
        if found:
            caption = f"{label} over λ: mean over the seeds; the bars are one sample standard deviation"
            yield f"lambda_{metric}", caption, lines(found, label)
            yield f"lambda_category_{metric}", f"{label} over λ and category: means over the seeds", heat(found, label)


def lines(found: Panels, label: str) -> Figure:
    """One panel per data and setting, one line per category."""
    categories = list(dict.fromkeys(c for series in found.values() for c in series))
    figure, axes = panels(len(found), height=3.4)
    for axis, ((data, setting), series) in zip(axes, found.items(), strict=True):
        for category, points in series.items():
            i = categories.index(category)
            x, y = [p.lam for p in points], [p.statistic.mean for p in points]
            bars = [p.statistic.spread or 0.0 for p in points]
            axis.errorbar(x, y, bars, label=category, capsize=3, markersize=5, linewidth=1.4, **style(i))  # type: ignore[arg-type]
        axis.set_title(f"{setting}\ndata: {data}", fontsize=9)
        axis.set_xlabel("λ", fontsize=9)
        axis.set_ylabel(label, fontsize=9)
        tidy(axis)
        axis.legend(fontsize=8)
    return figure


def heat(found: Panels, label: str) -> Figure:
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

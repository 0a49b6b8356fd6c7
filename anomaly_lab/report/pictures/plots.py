"""Pictures of the analysis: a metric over λ, λ by category, paired differences, cost against quality.

Colours are Okabe and Ito's, and each series has a marker of its own, so that nothing depends on telling colours apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anomaly_lab.files import replacing
from anomaly_lab.report.read.groups import Group, across_categories, key, names, statistic
from anomaly_lab.report.read.official import source
from anomaly_lab.report.tables.comparison import Comparison, comparisons
from anomaly_lab.report.tables.over_lambda import SWEPT, Point, over_lambda
from anomaly_lab.show import figures  # chooses the backend, so before pyplot

# isort: split
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
COST = ("image_auroc", "pixel_auroc")


class Picture(NamedTuple):
    """A figure on disk as <name>.png and <name>.svg; `caption` says what it shows, and of which data."""

    name: str
    caption: str
    folder: Path

    @property
    def svg(self) -> Path:
        return self.folder / f"{self.name}.svg"

    @property
    def png(self) -> Path:
        return self.folder / f"{self.name}.png"


def save(figure: Figure, name: str, caption: str, folder: Path) -> Picture:
    """Write a figure as PNG and SVG, atomically, and close it."""
    picture = Picture(name, caption, folder)
    # the salt keeps ids, and so the file, the same from one report to the next; without a path the text stays selectable
    with plt.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": ["DejaVu Sans", "sans-serif"]}):
        for path in (picture.png, picture.svg):
            with replacing(path) as temporary:
                metadata: Any = {"Date": None} if path.suffix == ".svg" else {}
                figure.savefig(temporary, dpi=figures.DPI, facecolor="white", metadata=metadata)
    plt.close(figure)
    return picture


def analysis_plots(groups: Sequence[Group], folder: Path) -> Iterator[Picture]:
    """Every picture for which there are runs."""
    for metric, label in SWEPT.items():
        series = over_lambda(groups, metric)
        panels: dict[tuple[str, str], dict[str, list[Point]]] = {}
        for (data, setting, category), points in series.items():
            panels.setdefault((data, setting), {})[category] = points
        if panels:
            caption = f"{label} over λ: mean over the seeds, bars one sample standard deviation"
            yield save(lambda_lines(panels, label), f"lambda_{metric}", caption, folder)
            caption = f"{label} over λ and category: means over the seeds"
            yield save(lambda_heat(panels, label), f"lambda_category_{metric}", caption, folder)
    found = comparisons(groups)
    if found:
        caption = "Paired differences with 95 % confidence intervals (Student's t over the units; a cross alone: too few units)"
        yield save(differences(found), "comparisons", caption, folder)
    if groups:
        caption = "Cost against quality: a point a setting and category, means over the seeds"
        yield save(cost(groups), "cost", caption, folder)


def sensitivity_plots(curves: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[Picture]:
    """`curves` as in `sensitivity.tables`: a panel each, TPR, TNR and image F1 over a_min, then over α."""
    caption = "TPR, TNR and image F1 over a_min; for each the threshold is calibrated anew on the held-out normal images"
    yield save(operating_curves(curves, "min_area", "a_min, pixels (dotted: the run's own)"), "min_area", caption, folder)
    caption = "TPR, TNR and image F1 over α, the conformal rule's bound on the rate of false alarms (dotted: TNR = 1 − α)"
    yield save(operating_curves(curves, "alpha", "α"), "alpha", caption, folder)


def operating_curves(curves: Sequence[Mapping[str, Any]], name: str, label: str) -> Figure:
    """A panel a run."""
    figure, axes = _panels(len(curves), height=3.2)
    for axis, c in zip(axes, curves, strict=True):
        for i, (metric, text) in enumerate((("tpr", "TPR"), ("tnr", "TNR"), ("f1", "image F1"))):
            known = [(r.at, getattr(r, metric)) for r in c[name] if getattr(r, metric) is not None]
            axis.plot([x for x, _ in known], [y for _, y in known], label=text, markersize=4, **style(i))
        if name == "min_area":
            axis.axvline(c["own"], color="0.4", linewidth=0.8, linestyle="dotted")
            axis.set_xscale("log", base=2)
        else:
            axis.plot([0, 1], [1, 0], color="0.4", linewidth=0.8, linestyle="dotted")
            axis.set_xlim(0, 1)
        axis.set_ylim(-0.03, 1.03)
        axis.set_xlabel(label, fontsize=8)
        axis.set_title(f"{c['category']}, {c['setting']}, seed {c['seed']}\ndata: {c['data']}", fontsize=8)
        axis.legend(fontsize=7)
        _tidy(axis)
    return figure


def lambda_lines(panels: Mapping[tuple[str, str], Mapping[str, Sequence[Point]]], label: str) -> Figure:
    """A panel a (data, setting), a line a category."""
    categories = list(dict.fromkeys(c for series in panels.values() for c in series))
    figure, axes = _panels(len(panels), height=3.4)
    for axis, ((data, setting), series) in zip(axes, panels.items(), strict=True):
        for category, points in series.items():
            i = categories.index(category)
            x, y = [p.lam for p in points], [p.statistic.mean for p in points]
            bars = [p.statistic.spread or 0.0 for p in points]
            axis.errorbar(x, y, bars, label=category, capsize=3, markersize=5, linewidth=1.4, **style(i))  # type: ignore[arg-type]
        axis.set_title(f"{setting}\ndata: {data}", fontsize=9)
        axis.set_xlabel("λ", fontsize=9)
        axis.set_ylabel(label, fontsize=9)
        _tidy(axis)
        axis.legend(fontsize=8)
    return figure


def lambda_heat(panels: Mapping[tuple[str, str], Mapping[str, Sequence[Point]]], label: str) -> Figure:
    """A panel a (data, setting): λ down, categories across, the figure written into each field, one scale for all."""
    means = (p.statistic.mean for series in panels.values() for points in series.values() for p in points)
    values = [mean for mean in means if mean is not None]
    low, high = min(values), max(values)
    most = max(len(series) for series in panels.values())
    figure, axes = _panels(len(panels), height=3.2, width=max(3.6, 1.4 + 0.75 * most))
    for axis, ((data, setting), series) in zip(axes, panels.items(), strict=True):
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


def differences(found: Sequence[Comparison]) -> Figure:
    """A panel a metric, a row a comparison: mean difference, interval, and the units' own differences as dots."""
    metrics = list(dict.fromkeys(c.metric for c in found))
    rows = list(dict.fromkeys((c.data, c.b, c.a) for c in found))
    figure, axes = plt.subplots(
        1,
        len(metrics),
        figsize=(3 + 2.3 * len(metrics), 1.3 + 0.42 * len(rows)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, metric in zip(axes[0], metrics, strict=True):
        for c in found:
            if c.metric != metric:
                continue
            y = rows.index((c.data, c.b, c.a))
            axis.plot(c.differences, [y] * len(c.differences), "o", color=COLORS[5], markersize=4, alpha=0.7)
            axis.plot(c.mean, y, "x", color=COLORS[1], markersize=7)
            if interval := c.interval():
                axis.plot(interval, [y, y], color=COLORS[1], linewidth=1.8)
        axis.axvline(0, color="0.4", linewidth=0.8)
        axis.set_title(SWEPT[metric], fontsize=9)
        _tidy(axis)
    axes[0][0].set_yticks(range(len(rows)), [f"{b}\nagainst {a} ({data})" for data, b, a in rows], fontsize=7)
    axes[0][0].invert_yaxis()
    return figure


def cost(groups: Sequence[Group]) -> Figure:
    """Minutes of training against image and pixel AUROC."""
    named = names(groups)
    settings = list(dict.fromkeys(named[key(across_categories(g.setting))] for g in groups))
    figure, axes = _panels(len(COST), height=3.6, width=4.6)
    for axis, metric in zip(axes, COST, strict=True):
        seen = set()
        for g in groups:
            setting = named[key(across_categories(g.setting))]
            minutes = statistic((run.metrics.get("train_seconds") or 0) / 60 for run in g.runs).mean
            value = g.statistic(metric).mean
            if value is None or minutes is None:
                continue
            label = None if setting in seen else setting
            seen.add(setting)
            axis.plot(minutes, value, label=label, markersize=7, **style(settings.index(setting), line="none"))  # type: ignore[arg-type]
            text = f"{g['category']}" + ("" if source(g.runs[0]) == "synthetic" else "*")
            axis.annotate(text, (minutes, value), textcoords="offset points", xytext=(6, 3), fontsize=7)
        axis.set_xlabel("minutes of training", fontsize=9)
        axis.set_ylabel(SWEPT[metric], fontsize=9)
        _tidy(axis)
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=7)
    figure.suptitle("data: synthetic where there is no *, else see the table of results", fontsize=8)
    return figure


def style(i: int, line: str = "-") -> dict[str, Any]:
    """Colour and marker of the i-th series; after all colours the markers shift, so that no two series look alike for long."""
    turn, place = divmod(i, len(COLORS))
    return {"color": COLORS[place], "marker": MARKERS[(place + turn) % len(MARKERS)], "linestyle": line}


def _panels(count: int, height: float, width: float = 4.2) -> tuple[Figure, Sequence[Axes]]:
    """`count` axes in rows of up to three."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained")
    every = list(axes.ravel())
    for spare in every[count:]:
        spare.set_visible(False)
    return figure, every[:count]


def _tidy(axis: Axes) -> None:
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)

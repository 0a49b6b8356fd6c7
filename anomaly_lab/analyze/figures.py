"""Figures of an analysis: the six properties, and images before and after F."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from torch import Tensor

from anomaly_lab.analyze import corruptions
from anomaly_lab.analyze.measure import EDGES
from anomaly_lab.analyze.spectrum import LEVELS
from anomaly_lab.show import figures

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # told apart by colour-blind readers too
MARKS = "os^Dv*"


def properties(record: Mapping[str, Any], title: str) -> Figure:
    """Six panels. `record`: as from `measure.summary`. Bars and bands are the intervals over images."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    curves, found = record["curves"], record["properties"]
    draw = (_iterates, _sizes, _opacities, _rings, _spectrum)
    for axis, drawn in zip(axes.flat, draw, strict=False):
        drawn(axis, curves)
    _gains(axes.flat[5], found["contraction"])
    figure.suptitle(title, fontsize=11)
    return figure


def images(F: Callable[[Tensor], Tensor], X: Tensor, seed: int) -> Figure:
    """A column per kind of corruption: X̂, F(X̂), F(F(X̂)), and the change ∣F(X̂) − F(X)∣, four times as bright."""
    rows: list[list[np.ndarray]] = [[], [], [], []]
    Y = F(X)
    for kind in corruptions.KINDS:
        X_hat, _ = corruptions.corrupted(X, corruptions.base(kind), seed)
        Y_hat = F(X_hat)
        for row, image in zip(rows, (X_hat, Y_hat, F(Y_hat), 4 * (Y_hat - Y).abs().clamp(0, 0.25)), strict=True):
            row.append(image[0].permute(1, 2, 0).cpu().numpy())
    labels = ("corrupted X̂", "F(X̂)", "F(F(X̂))", "4 |F(X̂) − F(X)|")
    return figures.sheet(rows, labels, tuple(corruptions.KINDS), "One held-out image, corrupted in six ways")


def _line(axis: Axes, x: Sequence[float], records: Sequence[Mapping[str, Any]], label: str, number: int) -> None:
    """Means over x, with a bar for each interval; a point without a mean is left out."""
    known = [(at, r) for at, r in zip(x, records, strict=True) if r["mean"] is not None]
    means = np.array([r["mean"] for _, r in known])
    ends = [[0.0 if r[end] is None else abs(r[end] - r["mean"]) for _, r in known] for end in ("low", "high")]
    look: Any = {"color": COLORS[number], "marker": MARKS[number], "markersize": 4, "linewidth": 1.3, "capsize": 2}
    axis.errorbar([at for at, _ in known], means, ends, label=label, **look)


def _tidy(axis: Axes, title: str, x: str, y: str) -> None:
    for scaled, ticks in ((axis.get_xscale(), axis.xaxis), (axis.get_yscale(), axis.yaxis)):
        if scaled == "log":  # matplotlib's own labels are formulas, which are switched off
            ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ticks.set_minor_formatter(NullFormatter())
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)


def _iterates(axis: Axes, curves: Mapping[str, Any]) -> None:
    for number, start in enumerate(("clean", "corrupted")):
        steps = curves[f"steps {start}"]
        _line(axis, range(1, len(steps) + 1), steps, f"from the {start} image", number)
    axis.set_yscale("log")
    _tidy(axis, "Idempotence: how much each pass changes", "pass of F", "change / change of the first pass")


def _transfer(axis: Axes, curves: Mapping[str, Any], name: str, of: Callable[[str], list[corruptions.Cell]]) -> None:
    for number, kind in enumerate(corruptions.KINDS):
        chosen = of(kind)
        records = [curves[f"transfer {cell.name}"][1] for cell in chosen]
        _line(axis, [getattr(cell, name) for cell in chosen], records, kind, number)
    axis.axhline(1, color="#888888", linewidth=1, linestyle=":")
    axis.set_ylim(bottom=0)


def _sizes(axis: Axes, curves: Mapping[str, Any]) -> None:
    _transfer(axis, curves, "size", lambda kind: [corruptions.base(kind)._replace(size=size) for size in corruptions.SIZES])
    _tidy(axis, "Projection: what is wrong inside the mask", "side of the patch / side of the image", "error after F / before")


def _opacities(axis: Axes, curves: Mapping[str, Any]) -> None:
    _transfer(axis, curves, "opacity", lambda kind: [corruptions.base(kind)._replace(opacity=o) for o in corruptions.OPACITIES])
    _tidy(axis, "The same, for faint corruptions", "opacity", "error after F / before")


def _rings(axis: Axes, curves: Mapping[str, Any]) -> None:
    inner = EDGES[:-1]
    _line(axis, inner, curves["rings"], "what the corruption changes, |F(X̂) − F(X)|", 0)
    _line(axis, inner, curves["floor"], "what F changes anyway, |F(X) − X|", 1)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    _tidy(
        axis,
        "Conservation: change outside the mask",
        "distance to the mask, pixels",
        "root mean square / that of the corruption",
    )


def _spectrum(axis: Axes, curves: Mapping[str, Any]) -> None:
    found = [r for r in curves["spectrum"] if r["mean"] is not None]
    axis.step(LEVELS, [r["mean"] for r in found], where="post", color=COLORS[0], linewidth=1.3, label="F")
    if found[0]["low"] is not None:
        low, high = ([r[end] for r in found] for end in ("low", "high"))
        axis.fill_between(LEVELS, low, high, step="post", color=COLORS[0], alpha=0.2)
    axis.axvline(1, color="#888888", linewidth=1, linestyle=":", label="a projection falls here only")
    axis.set_ylim(bottom=0)
    _tidy(axis, "Orthogonality: singular values of J", "σ", "share of directions with a larger one")


def _gains(axis: Axes, found: Mapping[str, Any]) -> None:
    names = {"normal": "a shift of\nthe image", "corruption": "a corruption", "noise": "noise"}
    for place, name in enumerate(names):
        _line(axis, [place], [found[name]], "", place)
    axis.set_xticks(range(len(names)), list(names.values()))
    axis.axhline(1, color="#888888", linewidth=1, linestyle=":", label="kept")
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.set_ylim(bottom=0)
    _tidy(axis, "Contraction: what is kept", "", "‖Jv‖ / ‖v‖")

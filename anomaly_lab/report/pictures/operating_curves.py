"""The plots of TPR, TNR and F1 over a_min and α."""

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anomaly_lab.report.pictures.picture import panels, style, tidy
from anomaly_lab.report.read.curves import Curves, Point
from anomaly_lab.report.read.records import Records

RATES = {"tpr": "TPR", "tnr": "TNR", "f1": "image F1"}


def plots(records: Records) -> Iterator[tuple[str, str, Figure]]:
    """Two plots with one panel per run; none without curves."""
    if records.curves:
        caption = "TPR, TNR and image F1 over a_min; for each a_min the threshold is calibrated on the held-out normal images"
        yield "min_area", caption, over_area(records.curves)
        caption = "TPR, TNR and image F1 over α, the conformal rule's bound on the rate of false alarms (dotted: TNR = 1 − α)"
        yield "alpha", caption, over_alpha(records.curves)


def over_area(curves: Sequence[Curves]) -> Figure:
    """The rates over a_min, on a logarithmic scale."""
    figure, axes = panels(len(curves), height=3.2)
    for axis, c in zip(axes, curves, strict=True):
        _draw(axis, c, c.over_area)
        axis.axvline(c.min_area, color="0.4", linewidth=0.8, linestyle="dotted")
        axis.set_xscale("log", base=2)
        axis.set_xlabel("a_min, pixels (dotted: the run's own)", fontsize=8)
    return figure


def over_alpha(curves: Sequence[Curves]) -> Figure:
    """The rates over α."""
    figure, axes = panels(len(curves), height=3.2)
    for axis, c in zip(axes, curves, strict=True):
        _draw(axis, c, c.over_alpha)
        axis.plot([0, 1], [1, 0], color="0.4", linewidth=0.8, linestyle="dotted")
        axis.set_xlim(0, 1)
        axis.set_xlabel("α", fontsize=8)
    return figure


def _draw(axis: Axes, c: Curves, points: Sequence[Point]) -> None:
    for i, (rate, text) in enumerate(RATES.items()):
        known = [(p.at, getattr(p, rate)) for p in points if getattr(p, rate) is not None]
        axis.plot([x for x, _ in known], [y for _, y in known], label=text, markersize=4, **style(i))
    axis.set_ylim(-0.03, 1.03)
    axis.set_title(f"{c.run.metrics['category']}, {c.setting}, seed {c.run.metrics['seed']}\ndata: {c.data}", fontsize=8)
    axis.legend(fontsize=7)
    tidy(axis)

"""The plot of the paired comparisons."""

from collections.abc import Iterator, Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from anomaly_lab.report.pictures.picture import COLORS, tidy
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.tables.comparison import Comparison, comparisons
from anomaly_lab.report.tables.labels import METRICS


def plots(records: Records) -> Iterator[tuple[str, str, Figure]]:
    """One plot; none if no two settings can be compared."""
    found = comparisons(records.groups)
    if found:
        caption = "Paired differences with 95 % confidence intervals (Student's t over units); a cross alone has too few units"
        yield "comparisons", caption, differences(found)


def differences(found: Sequence[Comparison]) -> Figure:
    """One panel per metric, one row per comparison: the mean difference, its interval, and the units' differences as dots."""
    metrics = list(dict.fromkeys(c.metric for c in found))
    rows = list(dict.fromkeys((c.data, c.b, c.a) for c in found))
    size = (3 + 2.3 * len(metrics), 1.3 + 0.42 * len(rows))
    figure, axes = plt.subplots(1, len(metrics), figsize=size, sharey=True, squeeze=False, layout="constrained")
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
        axis.set_title(METRICS[metric], fontsize=9)
        tidy(axis)
    axes[0][0].set_yticks(range(len(rows)), [f"{b}\nagainst {a} ({data})" for data, b, a in rows], fontsize=7)
    axes[0][0].invert_yaxis()
    return figure

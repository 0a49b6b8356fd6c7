"""The plot of cost against quality."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from anomaly_lab.report.pictures.picture import panels, style, tidy
from anomaly_lab.report.read.groups import Group, statistic
from anomaly_lab.report.read.official import SYNTHETIC
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.tables.labels import METRICS, MINUTES

COST = ("image_auroc", "pixel_auroc")


def plots(records: Records) -> Iterator[tuple[str, str, Figure]]:
    """One plot."""
    caption = "Cost against quality: one point per setting and category, means over the seeds"
    yield "cost", caption, cost(records.groups)


def cost(groups: Sequence[Group]) -> Figure:
    """Minutes of training against image AUROC and pixel AUROC. A run without a recorded time counts as 0 minutes."""
    settings = list(dict.fromkeys(g.name for g in groups))
    figure, axes = panels(len(COST), height=3.6, width=4.6)
    for axis, metric in zip(axes, COST, strict=True):
        seen = set()
        for g in groups:
            minutes = statistic(run.minutes or 0 for run in g.runs).mean
            value = g.statistic(metric).mean
            if value is None or minutes is None:
                continue
            label = None if g.name in seen else g.name
            seen.add(g.name)
            axis.plot(minutes, value, label=label, markersize=7, **style(settings.index(g.name), line="none"))  # type: ignore[arg-type]
            text = f"{g['category']}" + ("" if g.source == SYNTHETIC else "*")
            axis.annotate(text, (minutes, value), textcoords="offset points", xytext=(6, 3), fontsize=7)
        axis.set_xlabel(MINUTES, fontsize=9)
        axis.set_ylabel(METRICS[metric], fontsize=9)
        tidy(axis)
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=7)
    figure.suptitle("data: synthetic where there is no *, else see the table of results", fontsize=8)
    return figure

"""All plots of a report."""

from collections.abc import Iterator
from pathlib import Path

from anomaly_lab.report.pictures import cost, differences, lambda_plots, operating_curves
from anomaly_lab.report.pictures.picture import Picture, save
from anomaly_lab.report.read.records import Records

# the modules that draw plots, in the order of the page; each has a function plots(records) → (name, caption, figure) of each
PLOTS = (lambda_plots, differences, cost, operating_curves)


def plots(records: Records, folder: Path) -> Iterator[Picture]:
    """Draw each plot that the records allow, and write it to `folder`."""
    for module in PLOTS:
        for name, caption, figure in module.plots(records):
            yield save(figure, name, caption, folder)

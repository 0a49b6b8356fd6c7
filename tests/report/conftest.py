"""A report with pictures from a trained run."""

import shutil

import pytest
from conftest import Finished

from anomaly_lab.report.make import Options, Report, build_report
from anomaly_lab.report.pictures import plots, rescored
from anomaly_lab.show import figures


@pytest.fixture(scope="session")
def reported(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a run and a copy of it whose records say objective (3); the paper's figures compare the two."""
    folder = tmp_path_factory.mktemp("report")
    for name, objective in (("one", "restore"), ("other", "amplify")):
        shutil.copytree(finished.directory, folder / name)
        for record in ("metrics.json", "config.yaml"):
            text = (folder / name / record).read_text()
            (folder / name / record).write_text(text.replace("restore", objective))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "PLOTS", ())  # they have their own tests, and take time
        patch.setattr(rescored, "ROWS", 2)
        patch.setattr(figures, "DPI", 50)
        return build_report(Options([folder], folder / "report", "all", True, []))

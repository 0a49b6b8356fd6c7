"""A real browser, and a report with pictures from a trained run.

The browser needs Playwright (the extra `dev`) and the system's Chromium (Debian: apt-get install chromium).
"""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Finished

from anomaly_lab.report.make import Options, Report, build_report
from anomaly_lab.report.pictures import plots, rescored
from anomaly_lab.show import figures

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    if BROWSER is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # as root, as in containers, Chromium refuses to start with its sandbox
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=BROWSER, args=sandbox)
        yield browser
        browser.close()


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

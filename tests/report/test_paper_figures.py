"""The paper's figures from a run."""

import re

from anomaly_lab.report.make import Report


def test_the_papers_figures_name_the_data_of_their_run(reported: Report) -> None:
    names = {path.stem for path in (reported.out / "figures").glob("*.png")}
    assert names == {path.stem for path in (reported.out / "figures").glob("*.svg")}
    for start in ("figure1_7", "figure2_4", "figure3", "figure5", "figure6"):
        (path,) = (reported.out / "figures").glob(f"{start}_*.svg")
        assert re.search(r"not MVTec AD", path.read_text()), "real images are never shown without their source"
        assert "stripes" in path.read_text()

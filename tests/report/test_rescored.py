"""The model and the images of a finished run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Finished

from anomaly_lab.errors import UserError
from anomaly_lab.report.pictures.rescored import rescored
from anomaly_lab.report.read.run import read


def test_scores_are_those_of_the_run_s_own_test(finished: Finished) -> None:
    found = rescored(read(finished.directory))
    metrics = json.loads((finished.directory / "metrics.json").read_text())
    assert (found.threshold, found.min_area) == (metrics["threshold"], metrics["min_area"])
    rows = found.run.scores
    scores = [s.score for s in found.score(found.data.test)]
    assert scores == pytest.approx([float(row["score"]) for row in rows], rel=1e-5)
    assert np.ptp(scores) > 0


def test_other_images_than_the_run_had_are_refused(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.directory, tmp_path / "run", ignore=shutil.ignore_patterns("heatmaps", "truth", "figures"))
    record = tmp_path / "run/metrics.json"
    metrics = json.loads(record.read_text())
    record.write_text(json.dumps(metrics | {"n_test": metrics["n_test"] + 1}))
    with pytest.raises(UserError, match=rf"has {metrics['n_test']} test images, but the run had {metrics['n_test'] + 1}"):
        rescored(read(tmp_path / "run"))

"""The model and the images of a finished run, and what figures show of them."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Finished
from fake_runs import fake_run

from anomaly_lab.errors import UserError
from anomaly_lab.report.pictures.rescored import Rescored, protocol, rescored
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


def shown(folder: Path, threshold: float = 0.5, heatmap: Any = ((0, 1), (0, 2)), **changes: Any) -> Rescored:
    """A run with one scored image, which has the heatmap."""
    module = SimpleNamespace(threshold=threshold, hparams={"min_area": 2})
    run = Rescored(read(fake_run(folder, **changes)), SimpleNamespace(module=module), SimpleNamespace(test=[]))  # type: ignore[arg-type]
    run.__dict__["shown"] = [SimpleNamespace(heatmap=np.array(heatmap, np.float32))]
    return run


def test_the_scale_ends_at_twice_the_threshold_or_at_the_highest_value(tmp_path: Path) -> None:
    assert shown(tmp_path / "a").top == 1.0
    assert shown(tmp_path / "b", threshold=0.0).top == 2.0


def test_the_mask_is_the_decision_s(tmp_path: Path) -> None:
    run = shown(tmp_path / "a")
    assert run.mask(run.shown[0]).tolist() == [[False, True], [False, True]]
    run = shown(tmp_path / "b", threshold=1.5)
    assert not run.mask(run.shown[0]).any(), "one pixel is fewer than min_area"


def test_the_protocol_lists_what_differs_once(tmp_path: Path) -> None:
    runs = [
        shown(tmp_path / str(i), steps=steps, objective=o) for i, (steps, o) in enumerate(((10, "amplify"), (20, "restore")))
    ]
    assert protocol(runs) == "carpet, synthetic; tiny, 64 px, 10/20 steps, seed 0"
    assert runs[0].title == "carpet, synthetic; tiny, 64 px, 10 steps, seed 0\namplify λ=0.5, elastic"

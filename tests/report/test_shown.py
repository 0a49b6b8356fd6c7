"""A run as the paper's figures show it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from fake_runs import fake_run

from anomaly_lab.report.pictures.shown import Shown, protocol
from anomaly_lab.report.read.run import read


def shown(folder: Path, threshold: float = 0.5, heatmap: Any = ((0, 1), (0, 2)), **changes: Any) -> Shown:
    """A run with one scored image, which has the heatmap."""
    scored = [SimpleNamespace(heatmap=np.array(heatmap, np.float32))]
    data = SimpleNamespace(test=[])
    return Shown(SimpleNamespace(  # type: ignore[arg-type]
        run=read(fake_run(folder, **changes)), data=data, score=lambda samples: scored, threshold=threshold, min_area=2,
    ))  # fmt: skip


def test_the_scale_ends_at_twice_the_threshold_or_at_the_highest_value(tmp_path: Path) -> None:
    assert shown(tmp_path / "a").top == 1.0
    assert shown(tmp_path / "b", threshold=0.0).top == 2.0


def test_the_mask_is_the_decision_s(tmp_path: Path) -> None:
    run = shown(tmp_path / "a")
    assert run.mask(run.scored[0]).tolist() == [[False, True], [False, True]]
    run = shown(tmp_path / "b", threshold=1.5)
    assert not run.mask(run.scored[0]).any(), "one pixel is fewer than min_area"


def test_the_protocol_lists_what_differs_once(tmp_path: Path) -> None:
    runs = [
        shown(tmp_path / str(i), steps=steps, objective=o) for i, (steps, o) in enumerate(((10, "amplify"), (20, "restore")))
    ]
    assert protocol(runs) == "carpet, synthetic; tiny, 64 px, 10/20 steps, seed 0"
    assert runs[0].title == "carpet, synthetic; tiny, 64 px, 10 steps, seed 0\namplify λ=0.5, elastic"

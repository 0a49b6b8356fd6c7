"""A finished run as decider: it says where its decisions come from, and they are those of scores.csv."""

from pathlib import Path

import pytest
from conftest import Finished, other_threshold, scores_of

from anomaly_lab.errors import UserError
from anomaly_lab.pipeline.of_run import OfRun
from anomaly_lab.pipeline.reading import opened
from anomaly_lab.pipeline.saved import Opened


def test_a_run_names_itself_and_the_state_of_its_weights(finished: Finished) -> None:
    decider = OfRun(finished.directory)
    assert decider.source["run"] == str(finished.directory.resolve()) and len(decider.source["checkpoint"]) == 32
    assert decider.threshold > 0 and decider.min_area >= 1 and decider.levels


def test_it_decides_as_the_run_s_own_test(finished: Finished) -> None:
    decider, rows = OfRun(finished.directory), scores_of(finished.directory)
    paths = [finished.root / "stripes" / row["path"] for row in rows]
    for row, (_, image) in zip(rows, opened(paths, decider.preprocessing, workers=1), strict=True):
        assert isinstance(image, Opened)
        found = decider.decide(image)
        assert repr(found.score) == row["score"] and found.heatmap.shape == found.mask.shape == image.size
        assert found.mask.any() == bool(int(row["predicted"]))


def test_a_run_without_a_threshold_is_refused(finished: Finished, tmp_path: Path) -> None:
    run = other_threshold(finished.directory, tmp_path / "run", float("nan"))
    with pytest.raises(UserError, match=r"run has no threshold: let it finish with .* resume="):
        OfRun(run)

"""The paper's figures from a run, and its figure 5 in steps."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Finished
from matplotlib import pyplot as plt

from anomaly_lab.report.make import Report
from anomaly_lab.report.pictures.paper_figures import pair_steps, training_pair
from anomaly_lab.report.pictures.rescored import rescored
from anomaly_lab.report.read.run import read


def test_the_papers_figures_name_the_data_of_their_run(reported: Report) -> None:
    names = {path.stem for path in (reported.out / "figures").glob("*.png")}
    assert names == {path.stem for path in (reported.out / "figures").glob("*.svg")}
    for start in ("figure1_7", "figure2_4", "figure3", "figure5", "figure6"):
        (path,) = (reported.out / "figures").glob(f"{start}_*.svg")
        assert re.search(r"not MVTec AD", path.read_text()), "real images are never shown without their source"
        assert "stripes" in path.read_text()


@pytest.fixture(scope="module")
def loaded(finished: Finished) -> Any:
    return rescored(read(finished.directory))


def test_the_pair_differs_in_the_mask_only_and_holds_the_transformed_patch(loaded: Any) -> None:
    pair = training_pair(loaded)
    assert pair is not None
    assert pair.M.any() and not pair.M.all()
    assert (pair.X_hat == pair.X)[~pair.M].all() and (pair.X_hat != pair.X)[pair.M].any()
    assert (pair.M[pair.box] == pair.shape).all() and pair.M.sum() == pair.shape.sum()
    assert (pair.X_hat[pair.box] == pair.transformed)[pair.shape].all()
    assert training_pair(loaded).X_hat.tobytes() == pair.X_hat.tobytes(), "the same in every report"
    figure = pair_steps(pair, "a title")
    assert [len(axis.images) for axis in figure.axes] == [1] * 6
    np.testing.assert_array_equal(figure.axes[4].images[0].get_array(), pair.M)
    plt.close(figure)


def test_without_training_images_or_with_another_corruption_there_is_none(loaded: Any) -> None:
    no_images = SimpleNamespace(data=SimpleNamespace(train=SimpleNamespace(samples=[])), run=loaded.run)
    assert training_pair(no_images) is None
    config = dict(loaded.run.config) | {"corruption": {"_target_": "anomaly_lab.corruption.contents.Blur", "sigma": [1, 2]}}
    other = SimpleNamespace(data=loaded.data, run=SimpleNamespace(config=config))
    assert training_pair(other) is None

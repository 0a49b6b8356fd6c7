"""The cells of the paper's figures."""

from types import SimpleNamespace

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from anomaly_lab.report.pictures import cells


def test_a_result_outlines_the_found_mask_and_the_ground_truth() -> None:
    found, truth = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    found[1:3, 1:3], truth[5:7, 5:7] = True, True
    figure, ((axis,),) = cells.grid(1, 1, "a title")
    cells.result(axis, SimpleNamespace(X=torch.zeros(3, 4, 4), truth=truth), found)  # type: ignore[arg-type]
    outlines = {to_hex(c.get_edgecolor()[0]).upper(): c.get_paths()[0].vertices for c in axis.collections}
    assert set(outlines) == {cells.MASK, cells.TRUTH}
    assert outlines[cells.MASK].max() < 4 < outlines[cells.TRUTH].min(), "at the scale of the masks"
    plt.close(figure)


def test_a_missing_mask_is_a_word_and_a_missing_reconstruction_an_empty_cell() -> None:
    figure, ((mask, reconstruction),) = cells.grid(1, 2, "a title")
    cells.mask(mask, None)
    cells.reconstruction(reconstruction, SimpleNamespace(output=None))  # type: ignore[arg-type]
    assert [text.get_text() for text in mask.texts] == ["no mask"]
    assert list(reconstruction.images) == []
    cells.reconstruction(reconstruction, SimpleNamespace(output=torch.ones(3, 2, 2)))  # type: ignore[arg-type]
    assert reconstruction.images[0].get_array().shape == (2, 2, 3)
    plt.close(figure)


def test_the_scale_names_the_threshold() -> None:
    figure, axes = cells.grid(1, 1, "a title")
    shown = axes[0, 0].imshow(np.zeros((2, 2)), vmin=0, vmax=0.5)
    cells.scale(figure, shown, axes[:, 0], SimpleNamespace(top=0.5))  # type: ignore[arg-type]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["0", "0.25\n(threshold)", "0.5"]
    plt.close(figure)

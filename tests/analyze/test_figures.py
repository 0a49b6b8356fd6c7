"""The figures of an analysis: six panels with the record's numbers, and images."""

import torch
from matplotlib import pyplot as plt

from anomaly_lab.analyze import corruptions, figures
from anomaly_lab.analyze.measure import measured, summary

X = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def blurred(X: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(X, 3, 1, 1)


def test_six_panels_show_the_record() -> None:
    record = summary([measured(blurred, blurred, x[None], seed=i) for i, x in enumerate(X)])
    figure = figures.properties(record, "title")
    assert len(figure.axes) == 6 and all(axis.get_title() for axis in figure.axes)
    (line, *_) = figure.axes[0].containers
    assert list(line[0].get_ydata()) == [r["mean"] for r in record["curves"]["steps clean"]]
    kinds = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert kinds == list(corruptions.KINDS)
    figure.canvas.draw()
    assert "$" not in "".join(label.get_text() for axis in figure.axes for label in axis.get_yticklabels())
    plt.close(figure)


def test_a_single_image_has_no_intervals_and_is_drawn_all_the_same() -> None:
    figure = figures.properties(summary([measured(blurred, blurred, X[:1], seed=0)]), "title")
    figure.canvas.draw()
    plt.close(figure)


def test_each_kind_of_corruption_is_shown() -> None:
    figure = figures.images(blurred, X[:1], 0)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {*corruptions.KINDS} <= {*texts} and "F(F(X̂))" in texts
    plt.close(figure)

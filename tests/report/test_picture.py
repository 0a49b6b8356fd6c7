"""Pictures on disk, and the style of plots."""

from pathlib import Path

import cv2
from matplotlib import pyplot as plt

from anomaly_lab.report.pictures.picture import COLORS, MARKERS, Picture, panels, save, style


def test_a_picture_is_written_twice_and_the_same_each_time(tmp_path: Path) -> None:
    def drawn(folder: Path) -> Picture:
        figure, (axis,) = panels(1, height=2)
        axis.plot([0, 1], [0, 1], label="text stays text")
        axis.legend()
        return save(figure, "p", "a caption", folder)

    first, second = drawn(tmp_path / "a"), drawn(tmp_path / "b")
    image = cv2.imread(str(first.png))
    assert image is not None and image.std() > 5
    assert ">text stays text</text>" in first.svg.read_text()
    assert first.svg.read_bytes() == second.svg.read_bytes() and first.png.read_bytes() == second.png.read_bytes()
    assert plt.get_fignums() == [], "it is closed"


def test_no_two_of_the_first_49_series_look_alike() -> None:
    looks = {(style(i)["color"], style(i)["marker"]) for i in range(len(COLORS) * len(MARKERS))}
    assert len(looks) == 49


def test_spare_panels_are_hidden() -> None:
    figure, axes = panels(4, height=1)
    assert [axis.get_visible() for axis in figure.axes] == [True] * 4 + [False] * 2
    assert list(axes) == figure.axes[:4]
    plt.close(figure)

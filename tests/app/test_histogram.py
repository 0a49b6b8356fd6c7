"""The histogram: counts and places by hand, and it stays a picture for whatever a run may hold."""

import re
from xml.etree import ElementTree

import pytest

from anomaly_lab.app.histogram import LEFT, RIGHT, WIDTH, axis, histogram, ticks


def drawn(*given: object) -> ElementTree.Element:
    return ElementTree.fromstring(histogram(*given))  # type: ignore[arg-type]


def of(picture: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [part for part in picture if part.get("class") == kind]


def x(part: ElementTree.Element) -> float:
    return float(re.findall(r"M([\d.]+)", part.get("d", ""))[0])


def test_bars_have_the_heights_of_their_counts() -> None:
    bars = of(drawn([1.0, 1.0, 1.0, 2.0, 5.0], 5.0, 5.0, None), "bar")
    heights = [float(bar.get("height", 0)) for bar in bars]
    assert len(bars) == 3 and heights[0] == pytest.approx(3 * heights[1], abs=0.2) and heights[1] == heights[2]


def test_lines_stand_where_their_values_are() -> None:
    normal, own = [1.0, 2.0, 3.0], 3.0
    low, high = axis(normal, own)
    picture = drawn(normal, own, 2.5, 1.5)
    inner = WIDTH - LEFT - RIGHT
    for kind, value in (("own", 3.0), ("threshold", 2.5), ("level", 1.5)):
        assert x(of(picture, kind)[0]) == pytest.approx(LEFT + inner * (value - low) / (high - low), abs=0.06)
    (alarm,) = of(picture, "alarm")
    assert float(alarm.get("x", 0)) == pytest.approx(x(of(picture, "threshold")[0]), abs=0.06)
    assert of(drawn(normal, own, own, None), "own") == [], "one line for one value"


@pytest.mark.parametrize(
    ("level", "arrow", "place"), [(99.0, "→ this image 99", WIDTH - RIGHT), (-99.0, "← this image -99", LEFT)]
)
def test_a_level_beyond_the_axis_stands_at_its_end(level: float, arrow: str, place: float) -> None:
    line, words, _ = of(drawn([1.0, 2.0], 2.0, 2.0, level), "level")
    assert words.text == arrow and x(line) == place


@pytest.mark.parametrize(
    "normal", [[], [2.0], [2.0] * 5, [0.0] * 3, [-5.0, -4.0], [1e-7, 2e-7], [1e6, 3e6], [float("-inf"), 1.0]]
)
def test_it_is_a_picture_for_any_levels(normal: list[float]) -> None:
    own = max(normal, default=0.5)
    picture = drawn(normal, own, own, 1.0)
    assert len(of(picture, "tick")) >= 2
    places = [float(part.get("x", 0)) for part in picture.iter() if part.tag in ("rect", "text")]
    assert all(0 <= place <= WIDTH for place in places) and "nan" not in histogram(normal, own, own, 1.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.7, 2.7, [1, 1.5, 2, 2.5]), (-3, 12, [0, 5, 10])]
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)

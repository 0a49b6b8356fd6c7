"""The rate of false alarms that held-out images can promise: 1/(n + 1), and 99 or 299 images for 1 %."""

import pytest

from anomaly_lab.inspect.finding import FINE, NOTE, WRONG
from anomaly_lab.inspect.promise import promise


@pytest.mark.parametrize(
    ("held_out", "alpha", "severity", "lowest"),
    [
        (0, 0.1, WRONG, 1.0),
        (1, 0.1, WRONG, 1 / 2),
        (2, 0.1, NOTE, 1 / 3),
        (8, 0.1, NOTE, 1 / 9),
        (9, 0.1, FINE, 0.1),
        (2, None, FINE, 1 / 3),
    ],
)
def test_the_rate(held_out: int, alpha: float | None, severity: str, lowest: float) -> None:
    (found,) = promise(held_out, 0.15, alpha)
    assert found.severity == severity and found.numbers["lowest"] == pytest.approx(lowest)
    assert (found.numbers["needed_on_average"], found.numbers["needed_with_confidence"]) == (99, 299)
    assert "299 with confidence 0.95" in found.sentence


def test_the_remedy_counts_normal_images() -> None:
    assert "660 hold out 99" in promise(1, 0.15, 0.1)[0].sentence  # 99 / .15

"""Verdicts at their limits, and the words."""

from typing import Any

import pytest

from anomaly_lab.analyze.measure import QUANTITIES
from anomaly_lab.analyze.verdict import answer, sentences, verdict, verdicts


def record(mean: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"mean": mean, "low": low, "high": high, "n": 3}


def properties(**defects: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {
            q: defects.get(name, record(0.05, 0.04, 0.06)) if q == quantities[0] else record(0.5, 0.4, 0.6) for q in quantities
        }
        for name, quantities in QUANTITIES.items()
    }


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        (record(0.05, 0.01, 0.1), "holds"),
        (record(0.05, 0.01, 0.11), "holds roughly"),
        (record(0.4, 0.3, 0.5), "undecided"),
        (record(0.2, 0.05, 0.3), "holds roughly"),
        (record(0.4, 0.31, 0.5), "does not hold"),
        (record(0.1), "holds"),
        (record(0.31), "does not hold"),
        (record(None), "unknown"),
    ],
)
def test_the_end_of_the_interval_that_speaks_against_a_verdict_decides(defect: dict[str, Any], expected: str) -> None:
    assert verdict(defect) == expected


def test_the_answer_names_what_fails() -> None:
    assert answer(properties()) == "F is an orthogonal projection onto the normal images, up to a tenth"
    bad = record(1.3, 1.2, 1.4)
    assert answer(properties(orthogonality=bad, projection=bad)).endswith("normal images: orthogonality fails")
    assert answer(properties(orthogonality=bad, identity=bad)).endswith("normal images: identity, orthogonality fail")
    assert answer(properties(identity=record(0.2))) == "F is roughly an orthogonal projection onto the normal images"
    assert "is open: see idempotence" in answer(properties(idempotence=record(None)))


def test_each_property_has_a_verdict_and_a_sentence_with_its_numbers() -> None:
    found = sentences(properties(identity=record(0.123, 0.1, 0.15), conservation=record(None)))
    assert {*found} == {*verdicts(properties())} == {*QUANTITIES}
    assert found["identity"] == "F changes a normal image by 12% [10%, 15%] of its contrast"
    assert "an unknown number" in found["conservation"]
    assert sentences(properties(identity=record(0.123)))["identity"] == "F changes a normal image by 12% of its contrast"

"""All properties together, of maps that are known: the identity, a flat colour, and a projector."""

import math

import pytest
import torch

from anomaly_lab.analyze import corruptions, measure
from anomaly_lab.analyze.measure import QUANTITIES, Measured, measured, summary

X = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def flat(X: torch.Tensor) -> torch.Tensor:
    """The orthogonal projection onto images of one colour: three dimensions."""
    return X.mean((-2, -1), keepdim=True).expand_as(X)


def of(F: object) -> dict[str, float]:
    return measured(F, F, X, seed=0).values  # type: ignore[arg-type]


def test_the_identity_keeps_everything() -> None:
    found = of(lambda X: X * 1.0)
    assert found["identity.error"] == 0 and found["projection.inside"] == pytest.approx(1) and found["conservation.leak"] == 0
    assert found["contraction.corruption"] == found["contraction.normal"] == 1 and found["contraction.changed"] == 0
    assert found["orthogonality.asymmetry"] == 0 and found["orthogonality.trace"] == X.numel()
    assert found["orthogonality.near_1"] == pytest.approx(1) and found["conservation.field"] == 0
    assert math.isnan(found["idempotence.second"]), "it changes nothing, so nothing can be compared"


def test_a_flat_colour_is_an_orthogonal_projection_that_loses_the_image() -> None:
    found = of(flat)
    assert found["identity.error"] == pytest.approx(1) and found["idempotence.second"] == pytest.approx(0, abs=1e-5)
    assert found["idempotence.contrast"] == pytest.approx(0, abs=1e-5)
    assert found["orthogonality.asymmetry"] < 1e-5 and found["orthogonality.idempotence"] < 1e-5
    assert found["orthogonality.cosine"] == pytest.approx(0, abs=1e-3)
    assert found["orthogonality.squares"] == pytest.approx(found["orthogonality.trace"], rel=1e-4)
    assert 0 < found["orthogonality.participation"] < 4 and found["orthogonality.largest"] == pytest.approx(1, rel=1e-3)
    assert found["contraction.noise"] < 0.1 and found["contraction.normal"] < 0.1
    assert found["conservation.field"] > 14, "every pixel sees the whole image"


def test_every_quantity_is_there_and_nothing_else() -> None:
    found = measured(flat, flat, X, seed=0)
    assert {*found.values} == {f"{name}.{quantity}" for name, quantities in QUANTITIES.items() for quantity in quantities}
    assert len(found.curves["rings"]) == len(measure.EDGES) - 1
    assert {f"transfer {cell.name}" for cell in corruptions.cells()} <= {*found.curves}
    before, inside, outside, kept, leak = found.curves[f"transfer {corruptions.base('cutout').name}"]
    assert before > 0.3 and inside > kept > 0 and 0 < leak < outside


def test_the_same_seed_gives_the_same_numbers() -> None:
    assert of(flat) == pytest.approx(of(flat), nan_ok=True)


def test_means_and_intervals_are_over_images() -> None:
    names = [f"{name}.{quantity}" for name, quantities in QUANTITIES.items() for quantity in quantities]
    found = [Measured({name: value for name in names}, {"curve": [value, math.nan]}) for value in (1.0, 2.0, 6.0)]
    record = summary(found)
    error = record["properties"]["identity"]["error"]
    assert error["mean"] == 3 and error["n"] == 3 and 1 <= error["low"] < 3 < error["high"] <= 6
    assert record["curves"]["curve"][0]["mean"] == 3 and record["curves"]["curve"][1]["mean"] is None

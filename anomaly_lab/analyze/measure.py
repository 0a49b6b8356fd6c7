"""All six properties of F at one normal image, and their means over images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anomaly_lab.analyze import (
    conservation,
    contraction,
    corruptions,
    idempotence,
    identity,
    orthogonality,
    projection,
    spectrum,
)
from anomaly_lab.analyze.bootstrap import interval
from anomaly_lab.analyze.jacobian import Jacobian, signs
from anomaly_lab.analyze.ratios import ratio

PASSES = 8  # of F in the iterates
PROBES = 4  # random vectors for the Jacobian of each image
STEPS = 32  # of Lanczos: it tells singular values apart down to 5 % of the largest
EDGES = [1.0, 2, 4, 8, 16, 32, 64, 128, 256]  # pixels: rings around the mask
SHARE = 0.95  # of the energy lies within the reach of a corruption, and within the receptive field

# property → its quantities in the record; the first is its defect, 0 for an orthogonal projection that removes all corruption
QUANTITIES: dict[str, tuple[str, ...]] = {
    "identity": ("error",),
    "idempotence": ("second", "second_clean", "rate", "contrast", "drift"),
    "projection": ("inside", "outside", "kept"),
    "conservation": ("leak", "reach", "field"),
    "orthogonality": (
        *("asymmetry", "idempotence", "cosine", "trace", "squares", "participation"),
        *("near_0", "between", "near_1", "beyond", "largest"),
    ),
    "contraction": ("corruption", "normal", "changed", "noise", "selectivity"),
}


class Measured(NamedTuple):
    """Of one image: `values`, "property.quantity" → number, and `curves`, name → numbers. NaN for what it does not have."""

    values: dict[str, float]
    curves: dict[str, list[float]]


def measured(F: Callable[[Tensor], Tensor], differentiable: Callable[[Tensor], Tensor], X: Tensor, seed: int) -> Measured:
    """Measure F at X (1, 3, h, w) in [0, 1]. `differentiable` computes the same as F, for derivatives. `seed`: of all draws."""
    values: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    with torch.no_grad():
        Y = F(X)
        values["identity.error"] = float(identity.error(Y, X))
        pairs = {cell: corruptions.corrupted(X, cell, seed) for cell in corruptions.cells()}
        outputs = {cell: F(X_hat) for cell, (X_hat, _) in pairs.items()}
        base = [corruptions.base(kind) for kind in corruptions.KINDS]
        _passes(F, X, pairs[corruptions.base(corruptions.TEXTURE)][0], values, curves)
        for cell, (X_hat, M) in pairs.items():
            before = float((X_hat - X).square().sum() / M.sum() / X.shape[1]) ** 0.5  # root mean square inside M
            found = projection.transfer(outputs[cell], Y, X_hat, X, M)
            leak = conservation.leak(outputs[cell], Y, X_hat, X, M)
            curves[f"transfer {cell.name}"] = [before, *map(float, (*found, leak))]
        means = torch.tensor([curves[f"transfer {cell.name}"][1:] for cell in base]).nanmean(0).tolist()
        values |= dict(
            zip(("projection.inside", "projection.outside", "projection.kept", "conservation.leak"), means, strict=True)
        )
        _around(X, Y, [(*pairs[cell], outputs[cell]) for cell in base], values, curves)
        cosines = [float(orthogonality.cosine(outputs[cell], Y, pairs[cell][0], X)) for cell in base]
    _derivatives(differentiable, X, [pairs[cell][0] - X for cell in base], seed, values, curves)
    values["orthogonality.cosine"] = float(torch.tensor(cosines).nanmean())
    return Measured(values, curves)


def _passes(
    F: Callable[[Tensor], Tensor], X: Tensor, X_hat: Tensor, values: dict[str, float], curves: dict[str, list[float]]
) -> None:
    clean, found = idempotence.iterates(F, X, X, PASSES), idempotence.iterates(F, X_hat, X, PASSES)
    values["idempotence.second"], values["idempotence.second_clean"] = float(found.second), float(clean.second)
    values["idempotence.rate"], values["idempotence.contrast"] = float(found.rate), float(found.contrast)
    values["idempotence.drift"] = float(ratio(clean.distances[:, -1], clean.distances[:, 1]))
    for name, course in (("clean", clean), ("corrupted", found)):
        curves[f"steps {name}"] = (course.steps[0] / course.steps[0, 0]).tolist()
        curves[f"distances {name}"] = (course.distances[0] / found.distances[0, 0]).tolist()


def _around(
    X: Tensor,
    Y: Tensor,
    corrupted: list[tuple[Tensor, Tensor, Tensor]],
    values: dict[str, float],
    curves: dict[str, list[float]],
) -> None:
    """Conservation, as means over the kinds of corruption; rings in units of the corruption's root mean square inside M."""
    reaches, rings, floors = [], [], []
    for X_hat, M, Y_hat in corrupted:
        distance, outside = conservation.distance_to(M[0, 0]), 1 - M
        size = ((X_hat - X).square().sum() / M.sum() / X.shape[1]).sqrt()
        reaches.append(conservation.radius((outside * (Y_hat - Y))[0], distance, SHARE))
        rings.append(conservation.by_distance((Y_hat - Y)[0], distance, EDGES) / size)
        floors.append(conservation.by_distance((Y - X)[0], distance, EDGES) / size)
    values["conservation.reach"] = float(torch.tensor(reaches).nanmean())
    curves["rings"], curves["floor"] = (torch.stack(each).nanmean(0).tolist() for each in (rings, floors))


def _derivatives(
    F: Callable[[Tensor], Tensor],
    X: Tensor,
    corrupted: list[Tensor],
    seed: int,
    values: dict[str, float],
    curves: dict[str, list[float]],
) -> None:
    """Orthogonality and contraction, and the receptive field: all that needs the Jacobian at X."""
    rng, J = torch.Generator().manual_seed(seed), Jacobian(F, X)
    found = orthogonality.symmetry(J, F, PROBES, rng)
    values |= {f"orthogonality.{name}": value for name, value in found._asdict().items()}
    density = spectrum.lanczos(lambda v: J.transposed(J.times(v)), signs(X, rng), STEPS)
    values |= {f"orthogonality.{name}": value for name, value in spectrum.shares(density, STEPS).items()}
    levels = torch.tensor(spectrum.LEVELS, dtype=density.values.dtype)
    curves["spectrum"] = [float(density.weights[density.values.clamp(min=0).sqrt() > level].sum()) for level in levels]
    corruption, _ = contraction.gains(J, corrupted)
    normal, changed = contraction.gains(J, contraction.shifts(X))
    values["contraction.corruption"], values["contraction.normal"] = float(corruption), float(normal)
    values["contraction.changed"], values["contraction.noise"] = float(changed), (found.squares / X.numel()) ** 0.5
    values["contraction.selectivity"] = float(normal / corruption)
    middle = torch.zeros_like(X)
    row, column = X.shape[-2] // 2, X.shape[-1] // 2
    middle[..., row, column] = 1
    pixel = middle[0, 0] > 0
    pulled = J.transposed(middle)[0]
    values["conservation.field"] = conservation.radius(pulled, conservation.distance_to(pixel), SHARE)


def summary(found: Sequence[Measured]) -> dict[str, Any]:
    """Means over images with their intervals: "properties", property → quantity → record, and "curves", name → records."""
    properties = {
        name: {quantity: _record([each.values[f"{name}.{quantity}"] for each in found]) for quantity in quantities}
        for name, quantities in QUANTITIES.items()
    }
    names = found[0].curves
    curves = {name: [_record(column) for column in zip(*(each.curves[name] for each in found), strict=True)] for name in names}
    return {"properties": properties, "curves": curves}


def _record(values: Sequence[float]) -> Mapping[str, Any]:
    return interval(values)._asdict()

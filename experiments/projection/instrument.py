"""Is the instrument right? Measure maps whose properties are known, beside their true values; writes instrument.md.

    python experiments/projection/instrument.py      # under two minutes on one core

Linear maps of 64 values: the truth is linear algebra on the matrix. Curved manifolds: the truth is the tangent space and the
full Jacobian. Estimates use the functions of anomaly_lab/analyze/ alone.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # scripts, not a package
import known  # noqa: E402

from anomaly_lab.analyze import conservation, idempotence, identity, orthogonality, projection, spectrum  # noqa: E402
from anomaly_lab.analyze.jacobian import Jacobian, signs  # noqa: E402
from anomaly_lab.analyze.measure import STEPS  # noqa: E402
from anomaly_lab.show.markdown import pipe_table  # noqa: E402

N, K, IMAGES, PAIRS = 64, 8, 50, 20_000
PROBES = 100  # of a map of rank 4, an estimate with m probes is off by about √(2 / 4m) of itself
COLUMNS = ("identity", "second pass", "inside", "outside", "leak", "cosine", "asymmetry", "JJ − J", "tr J", "‖J‖²", "largest σ")


def matrices() -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, matrix, basis of the manifold)."""
    U = known.subspace(N, 4, 0)
    P = known.orthogonal(U)
    seen = (torch.arange(N) < N // 2).double()
    yield "orthogonal projector", P, U
    yield "oblique projector (sees half of the pixels)", known.oblique(U, seen), U
    yield "half the orthogonal projector", P / 2, U
    yield "identity", torch.eye(N, dtype=torch.float64), U
    for name, d, wrapping, noise in (
        ("blocks, not wrapping", 4, False, 1),
        ("blocks, wrapping", 4, True, 1),
        ("blocks, wrapping, noise of 4", 4, True, 4),
        ("blocks, wrapping, 16 dimensions", 16, True, 1),
    ):
        U = known.subspace(N, d, 0)
        pairs = known.blocks(U, K, PAIRS, wrapping, noise, torch.Generator().manual_seed(0))
        yield f"trained on (1): {name}", known.trained(*pairs, passes=40), U


def measured(F: known.Map, X: Tensor, X_hat: Tensor, M: Tensor, probes: int) -> list[float]:
    """The columns, as the instrument measures them: means over images, derivatives at the first one."""
    Y, Y_hat = F(X), F(X_hat)
    transfer = projection.transfer(Y_hat, Y, X_hat, X, M)
    rng, J = torch.Generator().manual_seed(0), Jacobian(F, X[:1])
    found = orthogonality.symmetry(J, F, probes, rng)
    density = spectrum.lanczos(lambda v: J.transposed(J.times(v)), signs(X[:1], rng), STEPS)
    means = (
        identity.error(Y, X),
        idempotence.iterates(F, X_hat, X, 3).second,
        transfer.inside,
        transfer.outside,
        conservation.leak(Y_hat, Y, X_hat, X, M),
        orthogonality.cosine(Y_hat, Y, X_hat, X),
    )
    jacobian = (found.asymmetry, found.idempotence, found.trace, found.squares, spectrum.shares(density, STEPS)["largest"])
    return [*(float(each.nanmean()) for each in means), *jacobian]


def dense(A: Tensor) -> list[float]:
    """The last five columns, from the full Jacobian (n, n) by linear algebra."""
    norm = torch.linalg.norm(A)
    values = (torch.linalg.norm(A - A.t()) / norm, torch.linalg.norm(A @ A - A) / norm, A.trace(), norm**2)
    return [*map(float, values), float(torch.linalg.matrix_norm(A, 2))]


def row(name: str, found: list[float], truth: list[float]) -> list[Any]:
    cells = [f"{value:.2f}" for value in found[: -len(truth)]]
    return [name, *cells, *(f"{a:.2f} ({b:.2f})" for a, b in zip(found[-len(truth) :], truth, strict=True))]


def main() -> None:
    rows, rng = [], torch.Generator().manual_seed(1)
    for name, matrix, U in matrices():
        pairs = known.blocks(U, K, IMAGES, True, 1, rng)
        X, X_hat, M = (each[:, None, None, :] for each in pairs)
        rows.append(row(name, measured(known.linear(matrix), X, X_hat, M, PROBES), dense(matrix)))
        print(rows[-1], flush=True)
    left = torch.ones(16, 16)
    left[:, :8] = 0.05
    curved = {
        "bump, three parameters: nearest point": known.Bumps(),
        "bump, two parameters: nearest point": known.Bumps(width=2.2),
        "bump: nearest point in a skew norm": known.Bumps(weights=left),
    }
    for name, F in curved.items():
        X = torch.stack([F.image(torch.tensor([x, 8.1, 2.2], dtype=torch.float64)) for x in (7.3, 8.4, 8.0)])[:, None]
        X_hat, M = X.clone(), torch.zeros_like(X)
        M[..., 5:8, 6:9] = 1
        X_hat[M > 0] = torch.rand(int(M.sum()), generator=rng, dtype=torch.float64)
        full = torch.func.jacrev(F)(X[:1]).reshape(256, 256)
        rows.append(row(name, measured(F, X, X_hat, M, 20), dense(full)))
        print(rows[-1], flush=True)
    (HERE / "instrument.md").write_text(pipe_table(["map", *COLUMNS], rows) + "\n")


if __name__ == "__main__":
    main()

"""The cells of the transfer curve: what they vary, what they leave alone."""

import pytest
import torch

from anomaly_lab.analyze.corruptions import KINDS, OPACITIES, SIZES, Cell, base, cells, corrupted

X = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_each_cell_differs_from_its_base_in_one_entry_at_most() -> None:
    found = list(cells())
    assert len(set(found)) == len(found) and found[: len(KINDS)] == [base(kind) for kind in KINDS]
    for cell in found:
        assert sum(a != b for a, b in zip(cell, base(cell.kind), strict=True)) <= 1
    for kind, (strengths, _) in KINDS.items():
        own = [cell for cell in found if cell.kind == kind]
        assert {cell.size for cell in own} == {*SIZES} and {cell.opacity for cell in own} == {*OPACITIES}
        assert {cell.strength for cell in own} == {*strengths}


@pytest.mark.parametrize("cell", [base(kind) for kind in KINDS])
def test_a_corruption_stays_in_its_mask_and_fades_with_its_opacity(cell: Cell) -> None:
    X_hat, M = corrupted(X, cell, 3)
    assert M.shape == (1, 1, 64, 64) and 100 < M.sum() <= 16 * 16, "an ellipse in a quarter of the side"
    assert torch.equal(torch.where(M > 0, X, X_hat), X) and (X_hat != X).any()
    faint, same = corrupted(X, cell._replace(opacity=0.25), 3)
    assert torch.equal(M, same), "the same place and shape"
    torch.testing.assert_close(faint - X, 0.25 * (X_hat - X), atol=1e-6, rtol=0)
    assert not torch.equal(corrupted(X, cell, 4)[1], M), "another seed, another place"
    assert torch.equal(corrupted(X, cell, 3)[0], X_hat), "the same seed, the same corruption"


@pytest.mark.parametrize("kind", [kind for kind, (strengths, _) in KINDS.items() if len(strengths) > 1])
def test_a_stronger_corruption_changes_more(kind: str) -> None:
    smooth = torch.nn.functional.interpolate(X[..., :16, :16], (64, 64), mode="bilinear")
    changes = [
        float((corrupted(smooth, base(kind)._replace(strength=strength), 3)[0] - smooth).norm())
        for strength in sorted(KINDS[kind][0])
    ]
    assert changes == sorted(changes) and changes[0] < changes[-1]

"""What detectors on features share."""

import pytest
import torch

from anomaly_lab.scoring.learnt import Learnt, drawn


class Means(Learnt):
    LEARNT = ("means",)


def test_a_learnt_buffer_is_stored_in_any_shape() -> None:
    module, other = Means(), Means()
    module.means = torch.rand(3, 2)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.means, module.means) and not Means().means.numel()


def test_each_image_gives_as_many_vectors() -> None:
    maps = [torch.full((1, 2, 4, 4), float(i)) for i in range(3)]
    seen: list[tuple[int, int]] = []
    found = drawn(maps, 3, 7, 0, lambda done, total: seen.append((done, total)))
    assert found.shape == (9, 2) and found[:, 0].tolist() == [0.0] * 3 + [1.0] * 3 + [2.0] * 3
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(ValueError, match="no normal image"):
        drawn([], 0, 7, 0, None)

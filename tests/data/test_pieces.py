"""Pieces of a large image: those of the whole preparation."""

import numpy as np
import torch

from anomaly_lab.data.pieces import Pieces
from anomaly_lab.data.preprocessing import Preprocessing


def test_pieces_are_what_a_whole_preparation_gives() -> None:
    stored = np.random.default_rng(0).integers(0, 256, (90, 70, 1), np.uint8)
    for contrast in ("none", "category", "image"):
        preprocessing = Preprocessing(contrast=contrast, mean=0.4, std=0.2)
        pieces = Pieces(stored, preprocessing)
        assert pieces.shape == (3, 90, 70)
        expected = torch.from_numpy(preprocessing(stored)).permute(2, 0, 1)
        assert torch.equal(pieces[..., 20:50, 10:33], expected[:, 20:50, 10:33])

"""A Gaussian density of normal feature vectors, as a detector: CutPaste's, and that of many others.

The distance of a vector x is √((x − μ)ᵀ Σ⁻¹ (x − μ)), Mahalanobis's: up to a constant, the root of −2 times the log density.
μ and Σ are those of the vectors of normal training images.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from anomaly_lab.scoring.coreset import Progress
from anomaly_lab.scoring.learnt import Learnt, drawn
from anomaly_lab.scoring.memory_bank import whitening


class Gaussian(Learnt):
    """After `fit` on features of normal training images: features (B, C, h', w') → distances (B, h', w').

    - `size`: how many vectors are used at most. - `ridge`: share of the mean variance that is added to Σ's diagonal.
    - `seed`: of the choice of the vectors.

    ValueError for arguments outside their range.
    """

    evidence = "density"  # the name of its distances in scoring.evidence
    LEARNT = ("mean", "whitening")
    mean: Tensor
    whitening: Tensor

    def __init__(self, size: int, ridge: float, seed: int) -> None:
        super().__init__()
        if size < 2 or not ridge > 0:
            raise ValueError(f"scoring.detector: size is {size} and ridge {ridge}: they must be at least 2 and above 0")
        self.size, self.ridge, self.seed = size, ridge, seed

    @torch.inference_mode(False)  # a validation runs in inference mode, and its tensors can't be changed later
    @torch.no_grad()
    def fit(self, features: Iterable[Tensor], images: int, progress: Progress | None = None) -> None:
        """Take μ and Σ from maps (1, C, h', w'), whose number is `images`. ValueError without maps."""
        vectors = drawn(features, images, self.size, self.seed, progress)
        self.mean, self.whitening = vectors.mean(0), whitening(vectors, self.ridge)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h', w') → distances (B, h', w'), and factors on the image scores (B,), which are 1."""
        x = (features.movedim(1, -1) - self.mean) @ self.whitening
        return x.norm(dim=-1), features.new_ones(len(features))

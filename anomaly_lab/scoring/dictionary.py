"""A dictionary of normal features, as a detector: CNNFD.

Napoletano, Piccoli, Schettini, "Anomaly detection in nanofibrous materials by CNN-based self-similarity", Sensors 2018.
Features of normal patches, reduced by PCA to the directions that keep most of the variance, are clustered by k-means. The
abnormality of a patch is its mean Euclidean distance to the m nearest centres:

    d(x) = 1/m Σ_{j ∈ m nearest} ‖P(x − μ) − c_j‖

Simplification: the paper normalises by L1 and learns a threshold from the training distances; here vectors have unit length,
and the threshold is the lab's.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from anomaly_lab.scoring.coreset import Progress, k_means
from anomaly_lab.scoring.learnt import Learnt, drawn


class Dictionary(Learnt):
    """After `fit` on features of normal training images: features (B, C, h', w') → distances (B, h', w').

    - `words`: number of centres. - `variance`: share of the variance that PCA keeps, in (0, 1].
    - `neighbours`: m, the number of nearest centres. - `size`: vectors to learn from, at most. - `seed`: of the random draws.

    ValueError for arguments outside their range.
    """

    evidence = "dictionary"  # the name of its distances in scoring.evidence
    LEARNT = ("mean", "directions", "centres")
    mean: Tensor
    directions: Tensor
    centres: Tensor

    def __init__(self, words: int, variance: float, neighbours: int, size: int, seed: int) -> None:
        super().__init__()
        if words < 1 or neighbours < 1 or not 0 < variance <= 1:
            raise ValueError(
                f"scoring.detector: words, neighbours and variance are {words}, {neighbours} and {variance}: they must be "
                "at least 1, at least 1 and in (0, 1]"
            )
        self.words, self.variance, self.neighbours, self.size, self.seed = words, variance, neighbours, size, seed

    @torch.inference_mode(False)  # a validation runs in inference mode, and its tensors can't be changed later
    @torch.no_grad()
    def fit(self, features: Iterable[Tensor], images: int, progress: Progress | None = None) -> None:
        """Learn PCA and centres from maps (1, C, h', w'), whose number is `images`. ValueError without maps."""
        vectors = functional.normalize(drawn(features, images, self.size, self.seed, progress), dim=1)
        self.mean, self.directions = principal(vectors, self.variance)
        reduced = (vectors - self.mean) @ self.directions
        self.centres = k_means(reduced, self.words, torch.Generator().manual_seed(self.seed))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h', w') → distances (B, h', w'), and factors on the image scores (B,), which are 1."""
        x = (functional.normalize(features, dim=1).movedim(1, -1) - self.mean) @ self.directions
        distances = torch.cdist(x.flatten(0, 2), self.centres)
        nearest = distances.topk(min(self.neighbours, len(self.centres)), largest=False).values
        return nearest.mean(1).view(x.shape[:3]), features.new_ones(len(features))


def principal(vectors: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The mean (C,) of vectors (n, C), and the fewest orthonormal directions (C, d) that keep this share of the variance."""
    mean = vectors.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov(vectors.T.cpu().double(), correction=0))
    variances, directions = variances.flip(0).clamp_min(0), directions.flip(1)
    kept = variances.cumsum(0) / variances.sum().clamp_min(1e-30)
    count = int((kept < share - 1e-9).sum()) + 1
    return mean, directions[:, :count].float().to(vectors.device)

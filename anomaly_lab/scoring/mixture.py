"""Mixtures of Gaussians of normal texture vectors, one for each level of a pyramid, as a detector: TI.

Böttger and Ulrich 2016, see `networks.baselines.texture_vectors`. The density of a level is p(x) = Σ_k π_k N(x; μ_k, Σ_k),
fitted by expectation maximisation from k-means. A level's score is −log p(x), in units of its spread over normal vectors, from
the most likely of them on; the distance is the mean of the levels' scores.

Simplification: the paper detects on each level by a threshold of its own and combines the regions.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from anomaly_lab.scoring.coreset import Progress, k_means, nearest
from anomaly_lab.scoring.learnt import Learnt, drawn

ITERATIONS = 15  # of expectation maximisation; later ones hardly change the density


class Mixture(Learnt):
    """After `fit` on features of normal training images: features (B, levels · D, h', w') → distances (B, h', w') ≥ 0.

    - `levels`: equal parts of each vector, with a mixture of their own. - `components`: Gaussians of a mixture.
    - `ridge`: share of the mean variance that is added to each Σ_k's diagonal. - `size`: vectors to learn from, at most.
    - `seed`: of the random draws. ValueError for arguments outside their range.
    """

    evidence = "texture"  # the name of its distances in scoring.evidence
    LEARNT = ("weights", "means", "covariances", "units")
    weights: Tensor
    means: Tensor
    covariances: Tensor
    units: Tensor

    def __init__(self, levels: int, components: int, ridge: float, size: int, seed: int) -> None:
        super().__init__()
        if levels < 1 or components < 1 or not ridge > 0:
            raise ValueError(
                f"scoring.detector: levels, components and ridge are {levels}, {components} and {ridge}: they must be at "
                "least 1, at least 1 and above 0"
            )
        self.levels, self.components, self.ridge, self.size, self.seed = levels, components, ridge, size, seed

    @torch.inference_mode(False)  # a validation runs in inference mode, and its tensors can't be changed later
    @torch.no_grad()
    def fit(self, features: Iterable[Tensor], images: int, progress: Progress | None = None) -> None:
        """Fit the mixtures to maps (1, levels · D, h', w'), whose number is `images`. ValueError without maps."""
        vectors, fits, units = drawn(features, images, self.size, self.seed, progress), [], []
        for level, x in enumerate(vectors.chunk(self.levels, 1)):
            fits.append(fitted(x, self.components, self.ridge, torch.Generator().manual_seed(self.seed + level)))
            cost = -log_density(x, *fits[-1])
            units.append(torch.stack([cost.min(), cost.std().clamp_min(1e-6)]))
        self.weights, self.means, self.covariances = (torch.stack(part) for part in zip(*fits, strict=True))
        self.units = torch.stack(units)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, levels · D, h', w') → distances (B, h', w'), and factors on the image scores (B,), which are 1."""
        scores = []
        for level, part in enumerate(features.chunk(self.levels, 1)):
            x = part.movedim(1, -1)
            density = log_density(x.flatten(0, 2), self.weights[level], self.means[level], self.covariances[level])
            least, spread = self.units[level]
            scores.append(((-density - least) / spread).clamp_min(0).view(x.shape[:3]))
        return torch.stack(scores).mean(0), features.new_ones(len(features))


def log_parts(x: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """log π_k + log N(x; μ_k, Σ_k) of x (n, D), (n, K)."""
    roots = torch.linalg.cholesky(covariances)
    parts = []
    for weight, mean, root in zip(weights, means, roots, strict=True):
        standard = torch.linalg.solve_triangular(root, (x - mean).T, upper=False)
        scale = root.diagonal().log().sum() + 0.5 * x.shape[1] * math.log(2 * math.pi)
        parts.append(weight.log() - 0.5 * standard.square().sum(0) - scale)
    return torch.stack(parts, 1)


def log_density(x: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """log p(x) of x (n, D), (n,)."""
    return log_parts(x, weights, means, covariances).logsumexp(1)


def fitted(x: Tensor, components: int, ridge: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (K,), means (K, D) and covariances (K, D, D) of a mixture for x (n, D), by expectation maximisation."""
    centres = k_means(x, components, generator)
    share = torch.nn.functional.one_hot(nearest(x, centres)[1], len(centres)).to(x.dtype)
    added = ridge * x.var(0, correction=0).mean().clamp_min(1e-12) * torch.eye(x.shape[1], device=x.device)
    found = maximised(x, share, added)
    for _ in range(ITERATIONS):
        found = maximised(x, log_parts(x, *found).softmax(1), added)
    return found


def maximised(x: Tensor, share: Tensor, added: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The maximisation step: the mixture of x (n, D) whose components own these shares (n, K); `added` to the covariances."""
    counts = share.sum(0).clamp_min(1e-6)
    means = share.T @ x / counts[:, None]
    covariances = [
        (s[:, None] * (x - mean)).T @ (x - mean) / n + added for s, mean, n in zip(share.T, means, counts, strict=True)
    ]
    return counts / counts.sum(), means, torch.stack(covariances)

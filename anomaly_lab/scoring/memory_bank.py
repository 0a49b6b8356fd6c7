"""A memory bank (Roth et al., PatchCore, 2022): the distance to the nearest of many feature vectors of normal images.

The search is exact, by matrix products. experiments/patch_ae/README.md measures what faiss would gain.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.coreset import Progress, greedy_coreset, k_means, nearest, random_subset

REDUCTIONS = ("random", "coreset", "k_means")
CANDIDATES = 5  # a coreset or k-means chooses among this many times the bank's size of random vectors


class MemoryBank(nn.Module):
    """After `fit` on features of normal training images: features (B, C, h', w') → distances (B, h', w').

    - `size`: number of vectors in the bank.
    - `reduction`: how they are chosen: random, coreset or k_means.
    - `whiten`: 0 for plain distances, else Mahalanobis distances; this fraction of the mean variance is added to the
      covariance's diagonal.
    - `reweight`: number of neighbours in the weight of the image score (PatchCore's equation 7), 0 for no weight.
    - `seed`: of the random draws.

    ValueError for arguments outside their range.
    """

    evidence = "neighbours"  # the name of its distances in scoring.evidence
    vectors: Tensor
    whitening: Tensor | None

    def __init__(self, size: int, reduction: str, whiten: float, reweight: int, seed: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"scoring.detector.size is {size}: it must be at least 1")
        if reduction not in REDUCTIONS:
            raise ValueError(f"scoring.detector.reduction is {reduction}: it must be one of {', '.join(REDUCTIONS)}")
        if reweight < 0 or reweight == 1:
            raise ValueError(f"scoring.detector.reweight is {reweight}: it must be 0 (no weight) or at least 2 neighbours")
        if whiten < 0:
            raise ValueError(f"scoring.detector.whiten is {whiten}: it must be 0 (plain distances) or more")
        self.size, self.reduction, self.whiten, self.reweight, self.seed = size, reduction, whiten, reweight, seed
        self.register_buffer("vectors", torch.empty(0, 0))
        self.register_buffer("whitening", torch.empty(0, 0) if whiten else None)

    @torch.inference_mode(False)  # a validation runs in inference mode, and its tensors can't be changed later
    @torch.no_grad()
    def fit(self, features: Iterable[Tensor], images: int, progress: Progress | None = None) -> None:
        """Choose vectors from maps (1, C, h', w'), equally many from each. `images`: number of maps. ValueError without maps.

        `progress(done, total)` is called after each map, then during the choice.
        """
        generator = torch.Generator().manual_seed(self.seed)
        wanted = self.size if self.reduction == "random" else CANDIDATES * self.size
        share = -(-wanted // max(1, images))
        drawn = []
        for done, found in enumerate(features, 1):
            drawn.append(random_subset(found[0].flatten(1).T, share, generator))
            if progress is not None:
                progress(done, images)
        if not drawn:
            raise ValueError("there is no normal image to remember")
        vectors = random_subset(torch.cat(drawn).float(), wanted, generator)
        with torch.autocast(vectors.device.type, enabled=False):  # bf16 would round small distances
            self.vectors = self._chosen(vectors, generator, progress).contiguous()

    def _chosen(self, vectors: Tensor, generator: torch.Generator, progress: Progress | None) -> Tensor:
        """The chosen vectors, whitened if `whiten` is not 0."""
        if self.whiten:
            self.whitening = whitening(vectors, self.whiten)
            vectors = vectors @ self.whitening
        if self.reduction == "random":
            return vectors
        choose = greedy_coreset if self.reduction == "coreset" else k_means
        return choose(vectors, self.size, generator, progress)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h', w') → distances (B, h', w') and weights of the image scores (B,), which are 1 without `reweight`."""
        B, _, rows, columns = features.shape
        x = features.movedim(1, -1).flatten(0, 2)
        if self.whitening is not None:
            x = x @ self.whitening
        distance, index = nearest(x, self.vectors)
        weights = torch.ones(B, device=x.device)
        if self.reweight:
            image, place = torch.arange(B, device=x.device), distance.view(B, -1).argmax(1)
            weights = self._weights(x.view(B, rows * columns, -1)[image, place], index.view(B, -1)[image, place])
        return distance.view(B, rows, columns), weights

    def _weights(self, x: Tensor, index: Tensor) -> Tensor:
        """PatchCore's equation 7 for x (B, C): 1 − exp‖x − m*‖ / Σ exp‖x − m‖, where m* is the vector at `index` (B,), the
        nearest to x, and the sum runs over the `reweight` vectors nearest to m*."""
        nearest = self.vectors[index]
        count = min(self.reweight, len(self.vectors))
        around = (self.vectors - nearest[:, None]).norm(dim=2).topk(count, largest=False).indices
        distances = (self.vectors[around] - x[:, None]).norm(dim=2)
        return 1 - ((x - nearest).norm(dim=1) - distances.logsumexp(1)).exp()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("vectors", "whitening"):
            stored, own = state_dict.get(prefix + name), getattr(self, name)
            if stored is not None and own is not None:  # the number of vectors differs
                setattr(self, name, own.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def whitening(vectors: Tensor, share: float) -> Tensor:
    """A matrix W (C, C) from vectors (n, C): distances of x @ W are Mahalanobis distances of x with the vectors' covariance.

    The fraction `share` of the mean variance is added to the covariance's diagonal.
    """
    covariance = torch.cov(vectors.T.cpu().double(), correction=0)  # on the CPU, since not every device has doubles
    variances, directions = torch.linalg.eigh(covariance)
    variances = variances.clamp_min(0) + share * variances.mean().clamp_min(1e-12)
    return (directions / variances.sqrt()).float().to(vectors.device)

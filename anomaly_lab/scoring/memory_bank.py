"""Distance to the nearest of many feature vectors of normal images: a detector that is not trained, only shown the normal.

What Roth et al. (PatchCore, 2022) call a memory bank. Exact search by matrix products; what faiss would gain is measured in
experiments/patch_ae/README.md.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.coreset import Progress, greedy_coreset, k_means, nearest, random_subset

REDUCTIONS = ("random", "coreset", "k_means")
CANDIDATES = 5  # times the bank's size: so many vectors, drawn at random, a coreset or k-means chooses from


class MemoryBank(nn.Module):
    """`fit` on features of normal training images, then features (B, C, h', w') → distances (B, h', w').

    - `size`: vectors to keep. - `reduction`: which: random, coreset or k_means. - `seed`: of the draw.
    - `whiten`: 0 for plain distances, else Mahalanobis distances by the normal vectors' covariance, to whose diagonal this
      share of the mean variance is added: a direction counts the more, the less normal vectors vary along it.
    - `reweight`: of how many neighbours the image score's weight is made (PatchCore's equation 7), 0 for no weight.
    """

    error = "neighbours"  # what its distances are called in scoring.error
    vectors: Tensor
    whitening: Tensor | None

    def __init__(
        self, size: int = 8000, reduction: str = "random", whiten: float = 0.0, reweight: int = 0, seed: int = 0
    ) -> None:
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

    @torch.inference_mode(False)  # what a validation makes in inference mode could not be sent among processes afterwards
    @torch.no_grad()
    def fit(self, features: Iterable[Tensor], images: int, progress: Progress | None = None) -> None:
        """Keep vectors of `images` maps (1, C, h', w'), an equal share of each. Raises ValueError without any map.

        `progress(done, total)` follows each map, then the choice among the vectors.
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
        with torch.autocast(vectors.device.type, enabled=False):  # bf16 would blur the distances between near vectors
            self.vectors = self._chosen(vectors, generator, progress).contiguous()

    def _chosen(self, vectors: Tensor, generator: torch.Generator, progress: Progress | None) -> Tensor:
        """The vectors to keep among those drawn, whitened where `whiten` says so."""
        if self.whiten:
            self.whitening = whitening(vectors, self.whiten)
            vectors = vectors @ self.whitening
        if self.reduction == "random":
            return vectors
        choose = greedy_coreset if self.reduction == "coreset" else k_means
        return choose(vectors, self.size, generator, progress)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h', w') → distances (B, h', w') and the weights of the image scores (B,), 1 without re-weighting."""
        B, _, rows, columns = features.shape
        x = features.movedim(1, -1).flatten(0, 2)
        if self.whitening is not None:
            x = x @ self.whitening
        distance, index = nearest(x, self.vectors)
        weights = torch.ones(B, device=x.device)
        if self.reweight:
            for b, (d, i) in enumerate(zip(distance.view(B, -1), index.view(B, -1), strict=True)):
                place = int(d.argmax())
                weights[b] = self._weight(x.view(B, rows * columns, -1)[b, place], int(i[place]))
        return distance.view(B, rows, columns), weights

    def _weight(self, x: Tensor, index: int) -> Tensor:
        """1 − softmax of the distances from `x` to the bank's vectors around its nearest, at that nearest: low where `x` lies
        no farther from many normal vectors than from one."""
        count = min(self.reweight, len(self.vectors))
        around = (self.vectors - self.vectors[index]).norm(dim=1).topk(count, largest=False).indices
        distances = (self.vectors[around] - x).norm(dim=1)
        own = (x - self.vectors[index]).norm()
        return 1 - (own - distances.logsumexp(0)).exp()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("vectors", "whitening"):
            stored, own = state_dict.get(prefix + name), getattr(self, name)
            if stored is not None and own is not None:  # however many there are
                setattr(self, name, own.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def whitening(vectors: Tensor, share: float) -> Tensor:
    """(n, C) → (C, C) by which vectors are multiplied so that distances are those by their covariance, with `share` of the mean
    variance added to its diagonal."""
    variances, directions = torch.linalg.eigh(torch.cov(vectors.T.cpu().double(), correction=0))  # not every device has it
    variances = variances.clamp_min(0) + share * variances.mean().clamp_min(1e-12)
    return (directions / variances.sqrt()).float().to(vectors.device)

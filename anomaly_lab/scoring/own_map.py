"""scoring.scorer=own: the network makes the heatmap itself, where F(X) alone does not show what it knows."""

from torch import Tensor, nn

from anomaly_lab.scoring.coreset import Progress
from anomaly_lab.scoring.forward import Forward, NormalImages
from anomaly_lab.scoring.heatmap import smooth
from anomaly_lab.scoring.scorers import Look


class OwnMap(nn.Module):
    """The heatmap is the map of the network's method `examine`: X (B, 3, h, w) in [0, 1] → F(X) or None, the map (B, h, w).

    `evidence`: the map's name, which must be the network's attribute `evidence`. `sigma`: of the smoothing, in pixels at the
    working scale. ValueError for `weights`: there is one map.
    """

    def __init__(self, evidence: str, sigma: float, weights: None = None) -> None:
        super().__init__()
        if weights is not None:
            raise ValueError(f"scoring.weights is {weights}: the network makes one map, leave the weights out")
        self.evidence, self.sigma = evidence, sigma

    def learn(self, F: Forward, normal: NormalImages, brief: bool = False, progress: Progress | None = None) -> list["OwnMap"]:
        """It learns nothing. Returns this scorer for each held-out image; if `brief`, the list is empty."""
        return [] if brief else [self] * len(normal.held_out)

    def forward(self, F: Forward, X: Tensor) -> Look:
        """X (B, 3, h, w) in [0, 1] → F(X) and the heatmap."""
        output, found = F.examine(X)
        return Look(output, smooth(found, self.sigma))

"""scoring.evidence=features, filters: the distance of features from those of normal training images, place by place.

It needs no reconstruction, and sees what a squared error does not: that a structure is of another kind. The network of features
is not trained. So any run can be scored with it, also one that was trained without it.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.scoring.forward import Forward, NormalImages, few
from anomaly_lab.scoring.heatmap import enlarged, smooth

LEARN = 200  # training images for the bank, which holds a few dozen vectors of each
LEAST = 1e-6  # of a distance, whose logarithm is taken
BRIEF = 16  # during training; more would only cost time


class Features(nn.Module):
    """Distance of each place's feature vector from the nearest of a bank of normal ones, (B, h, w) ≥ 0.

    - `network`: maps X (B, 3, h, w) in [0, 1] to vectors, one for each `stride` pixels, with `encode`, `features` and `begin`.
      If it has `natural_light`, it sees the stored brightness in place of X.
    - `detector`: maps vectors to distances; see `MemoryBank`. Each scale has its own copy.
    - `scales`: it sees the image smaller by each of these factors. The map is the geometric mean of the scales' distances,
      where scale s has the weight 1 / s: what is larger is seen more coarsely. ValueError without a scale, or for one below 1.
    """

    light: Tensor

    def __init__(self, network: Any, detector: Any, scales: Sequence[int]) -> None:
        super().__init__()
        if not scales or any(not isinstance(s, int) or s < 1 for s in scales):
            raise ValueError(f"scoring.evidence: scales are {scales}: they must be one or several whole numbers from 1 on")
        self.network, self.scales = network, list(scales)
        self.detectors = nn.ModuleList(copy.deepcopy(detector) for _ in scales)
        self.register_buffer("light", torch.tensor([0.0, 1.0]))  # stored value = light[0] + light[1] · prepared value

    @property
    def called(self) -> str:
        """Its name among several maps: its network's."""
        return type(self.network).__name__

    @property
    def reach(self) -> float:
        """Pixels that a feature looks around."""
        return float(getattr(self.network, "reach", math.inf)) * max(self.scales)

    def begin(self, light: Sequence[float]) -> None:
        """Load the network's weights. `light` undoes the stretch of the contrast, if the weights come from images without it.

        UserError if the weights are missing.
        """
        self.network.begin([])
        if getattr(self.network, "natural_light", False):
            self.light.copy_(torch.tensor(light))

    def learn(self, F: Forward, normal: NormalImages, brief: bool) -> list["Features"]:
        """Fill the banks from training images; with few of them from held-out images, too (`forward.few`).

        Returns for each held-out image a map whose banks do not know it. If `brief`, during training, banks are filled once,
        since the features do not change. Without training images they stay.
        """
        self.network.eval()
        _, count = normal.training_images(BRIEF if brief else LEARN)
        if brief:
            if not all(len(detector.vectors) for detector, _ in self._banks()):
                self._fill(lambda: normal.training_images(BRIEF)[0], count)
            return []
        others, remembered = [self] * len(normal.held_out), few(normal)
        if remembered is None:
            self._fill(lambda: normal.training_images(LEARN)[0], count)
            return others
        for part, known in remembered.others:
            other = Features(self.network, self.detectors[0], self.scales)
            other.light = self.light
            other._fill(known.__iter__, len(known))
            for place in part:
                others[place] = other
        self._fill(remembered.known.__iter__, len(remembered.known))
        return others

    def _fill(self, images: Callable[[], Iterable[Tensor]], count: int) -> None:
        """Fill the banks from `count` images X (3, h, w); none changes nothing."""
        for detector, scale in self._banks():
            if count:
                detector.fit((self._features(X[None].to(self.light.device), scale) for X in images()), count)

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> Tensor:
        """X (B, 3, h, w) in [0, 1] → distances (B, h, w), each scale's smoothed with a Gaussian of `sigma` pixels."""
        size, logs = X.shape[-2:], []
        for detector, scale in self._banks():
            distance, _ = detector(self._features(X, scale))
            logs.append(smooth(enlarged(distance, size, self.network.stride * scale), sigma).clamp_min(LEAST).log() / scale)
        return (torch.stack(logs).sum(0) / sum(1 / scale for scale in self.scales)).exp()

    def _banks(self) -> Iterator[tuple[Any, int]]:
        """Each scale's detector, and the scale."""
        return zip(self.detectors, self.scales, strict=True)

    @torch.no_grad()
    def _features(self, X: Tensor, scale: int) -> Tensor:
        """X (B, 3, h, w), smaller by the factor `scale` → vectors (B, C, h', w')."""
        stored = (self.light[0] + self.light[1] * X).clamp(0, 1)
        if scale > 1:
            stored = functional.avg_pool2d(stored, scale, ceil_mode=True)
        return self.network.features(self.network.encode(stored.contiguous(memory_format=torch.channels_last)))  # type: ignore[no-any-return]

"""scoring.evidence=head: a segmenter that learns beside F to mark defects painted into the training crops.

Section 4.4 of the paper warns that direct segmentation learns the corruption's look. Many kinds of defects, of all sizes and
opacities, blended without edges, make that hard (`corruption.painting`), and the head is only one of several maps.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.corruption.painting import painted
from anomaly_lab.networks.segmenter import Segmenter
from anomaly_lab.scoring.heatmap import smooth

HIGHEST = 20.0  # largest logit: e^20 is certain


class Head(nn.Module):
    """Odds of a defect at each pixel, from X alone. It learns by gradient: `loss` is added to the objective of F.

    - `width`: filters of the segmenter's first level.
    - `scale`: it sees images smaller by this factor, which is faster and shows it more of the surroundings.
    - `clean`: share of the crops that stay normal.
    - `gain`, `offset`: standard deviations of a change of light, log-normal and in [0, 1]: the light of test images differs.
    """

    reach = 240  # pixels: half of the receptive field of the segmenter at half resolution

    def __init__(self, width: int, scale: int, clean: float, gain: float, offset: float) -> None:
        super().__init__()
        self.network = Segmenter(width)
        self.scale, self.clean, self.gain, self.offset = scale, clean, gain, offset

    def loss(self, X: Tensor) -> Tensor:
        """The binary cross-entropy on X (B, 3, h, w) in [0, 1], after defects were painted into it.

        Each crop counts twice, with defects of its own. Patches come from the other crops of the batch. All draws follow from
        torch's generator.
        """
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        small = self._smaller(X).permute(0, 2, 3, 1).float().cpu().numpy()
        crops = [np.ascontiguousarray(crop) for crop in small]
        pairs = [self._example(i, crops, rng) for i in (*range(len(crops)), *range(len(crops)))]
        Y, label = (torch.from_numpy(np.stack(part)).to(X.device) for part in zip(*pairs, strict=True))
        Y = Y.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return functional.binary_cross_entropy_with_logits(self.network(Y).float(), label)

    def _example(self, i: int, crops: list[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A crop with or without defects, in another light, and its label."""
        X = crops[i]
        others = [crop for j, crop in enumerate(crops) if j != i] or [X]
        if rng.random() < self.clean:
            Y, label = X, np.zeros(X.shape[:2], np.float32)
        else:
            Y, label = painted(X, others, rng)
        return Y * np.float32(np.exp(rng.normal(0, self.gain))) + np.float32(rng.normal(0, self.offset)), label

    def _smaller(self, X: Tensor) -> Tensor:
        return functional.avg_pool2d(X, self.scale, ceil_mode=True)

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> Tensor:
        """X (B, 3, h, w) in [0, 1] → odds (B, h, w) > 0; their logarithm is smoothed."""
        logits = smooth(self.network(self._smaller(X)), sigma / self.scale)
        full = functional.interpolate(logits[:, None], scale_factor=self.scale, mode="bilinear")[:, 0]
        return full[..., : X.shape[-2], : X.shape[-1]].clamp_max(HIGHEST).exp()

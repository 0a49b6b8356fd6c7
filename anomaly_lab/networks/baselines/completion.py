"""Completion: predict a hole from its surroundings, everywhere in the image.

Haselmann, Gruber, Tabatabai, "Anomaly detection using deep learning based image completion", ICMLA 2018. A network sees a
window of the image whose central square is cut out, and predicts that square. Windows slide by the side of the hole, so that
the predicted squares make up F(X). The loss is the squared error inside the hole; so is the map.

Simplifications: sides and layers are ours (only the paper's idea is known to us); holes do not overlap; beyond the image's
border nothing is known, as in the hole.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.networks.sdc_autoencoder import conv_block


class Completion(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the same, where each square of `hole` pixels is predicted from the `window` around it.

    `width`: filters of the first level. `drawn`: windows of a crop in a training step. ValueError for sides that are no
    multiples of 8, or a window that is not wider than the hole by an even number of multiples of 8.
    """

    def __init__(self, hole: int, window: int, width: int, drawn: int) -> None:
        super().__init__()
        if hole < 8 or hole % 8 or window <= hole or (window - hole) % 16:
            raise ValueError(f"model.hole and window are {hole} and {window}: multiples of 8 that differ by one of 16")
        self.hole, self.window, self.drawn = hole, window, drawn
        w = width
        self.encoder = nn.Sequential(
            conv_block(4, w),
            nn.MaxPool2d(2),
            conv_block(w, 2 * w),
            nn.MaxPool2d(2),
            conv_block(2 * w, 4 * w),
            conv_block(4 * w, 4 * w),
            nn.MaxPool2d(2),
            conv_block(4 * w, 8 * w),
            conv_block(8 * w, 8 * w),
        )
        cells = window // 8
        self.mixed = nn.Conv2d(8 * w, 8 * w, cells, groups=8 * w)  # each filter sees the whole window
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(8 * w, 8 * w, hole // 8),
            nn.ReLU(),
            *_up(8 * w, 4 * w),
            *_up(4 * w, 2 * w),
            *_up(2 * w, w),
            nn.Conv2d(w, 3, 3, padding=1),
        )

    @property
    def margin(self) -> int:
        """Pixels of the window on each side of the hole."""
        return (self.window - self.hole) // 2

    def windows(self, X: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """All windows of X (B, 3, H, W), and how many (rows, columns): (B·n, 4, window, window), row by row for each image.

        The fourth channel is 1 inside the image. Beyond it all is 0.
        """
        down, right = (-side % self.hole for side in X.shape[-2:])
        X = torch.cat([X, torch.ones_like(X[:, :1])], 1)
        X = functional.pad(X, (self.margin, right + self.margin, self.margin, down + self.margin))
        tiles = X.unfold(2, self.window, self.hole).unfold(3, self.window, self.hole)  # (B, 4, rows, columns, w, w)
        rows, columns = tiles.shape[2:4]
        return tiles.permute(0, 2, 3, 1, 4, 5).flatten(0, 2), (rows, columns)

    def predicted(self, windows: Tensor) -> Tensor:
        """Windows (n, 4, window, window) → their holes (n, 3, hole, hole) in [0, 1]. What is in the hole is not looked at."""
        visible = windows[:, 3:].clone()
        visible[..., self.margin : self.margin + self.hole, self.margin : self.margin + self.hole] = 0
        features = self.encoder(torch.cat([windows[:, :3] * visible, visible], 1))
        return torch.sigmoid(self.decoder(self.mixed(features)).float())

    def inside(self, windows: Tensor) -> Tensor:
        """The holes' own content, (n, 4, hole, hole)."""
        return windows[..., self.margin : self.margin + self.hole, self.margin : self.margin + self.hole]

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """The mean squared error inside the holes of `drawn` windows a crop, where the image is. No corruption is used."""
        windows, _ = self.windows(X)
        chosen = windows[torch.randperm(len(windows))[: self.drawn * len(X)].to(X.device)]
        target, known = self.inside(chosen).split([3, 1], 1)
        return ((self.predicted(chosen) - target).square() * known).sum() / (3 * known.sum()).clamp_min(1)

    def forward(self, X: Tensor) -> Tensor:
        windows, (rows, columns) = self.windows(X)
        holes = self.predicted(windows).view(len(X), rows, columns, 3, self.hole, self.hole)
        whole = holes.permute(0, 3, 1, 4, 2, 5).reshape(len(X), 3, rows * self.hole, columns * self.hole)
        return whole[..., : X.shape[-2], : X.shape[-1]]


def _up(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), conv_block(c_in, c_out)]

"""TI's texture vectors: few random measurements of small patches, on each level of an image pyramid.

Böttger and Ulrich, "Real-time texture error detection on textured surfaces with compressed sensing", Pattern Recognition and
Image Analysis 2016: by compressed sensing a few random projections hold what a textured patch is made of; a mixture of
Gaussians for each level learns the normal ones (`scoring.mixture`).

Simplifications: patches lie on a grid of `stride` pixels (the paper: all); measurements are of the mean and the colour too,
without normalisation.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class TextureVectors(nn.Module):
    """X (B, 3, H, W) in [0, 1] → (B, levels · measurements, ⌈H/stride⌉, ⌈W/stride⌉): the levels' vectors, one after the other.

    - `patch`: side of a patch in pixels of its level, odd. - `measurements`: of each patch, orthonormal random directions.
    - `levels`: each has half the side of the one before. - `stride`: in pixels, a multiple of 2^(levels − 1).
    - `seed`: of the directions, which the checkpoint holds.

    ValueError for arguments that don't fit.
    """

    reconstructs = False

    def __init__(self, patch: int, measurements: int, levels: int, stride: int, seed: int) -> None:
        super().__init__()
        values = 3 * patch**2
        if patch % 2 == 0 or not 1 <= measurements <= values or levels < 1 or stride % 2 ** (levels - 1):
            raise ValueError(
                f"model: patch {patch} must be odd, measurements {measurements} in [1, {values}], and stride {stride} a "
                f"multiple of 2^(levels - 1) with levels {levels}"
            )
        self.patch, self.levels, self.stride = patch, levels, stride
        random = torch.randn(values, measurements, generator=torch.Generator().manual_seed(seed))
        directions = torch.linalg.qr(random).Q.T.reshape(measurements, 3, patch, patch)
        self.directions = nn.Parameter(directions.contiguous(), requires_grad=False)

    def encode(self, X: Tensor) -> Tensor:
        """X (B, 3, H, W) → vectors, float32."""
        with torch.autocast(X.device.type, enabled=False):
            X = X.float()
            size = [-(-side // self.stride) for side in X.shape[-2:]]
            vectors = []
            for level in range(self.levels):
                step = self.stride // 2**level
                extended = functional.pad(X, (self.patch // 2,) * 4, mode="replicate")
                found = functional.conv2d(extended, self.directions)[..., step // 2 :: step, step // 2 :: step]
                missing = [max(0, side - own) for side, own in zip(size, found.shape[-2:], strict=True)]
                found = functional.pad(found, (0, missing[1], 0, missing[0]), mode="replicate")
                vectors.append(found[..., : size[0], : size[1]])
                X = functional.avg_pool2d(X, 2, ceil_mode=True)
            return torch.cat(vectors, 1)

    def features(self, vectors: Tensor) -> Tensor:
        """The vectors as they are."""
        return vectors

    def forward(self, X: Tensor) -> Tensor:
        return self.encode(X)

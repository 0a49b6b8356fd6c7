"""Networks of patch features: an encoder alone for the nearest-neighbour detector, and with a decoder Patch AE.

Patch AE is a reconstruction from the abstract of Cui, Liu, Lian, "Patch-wise Auto-Encoder for Visual Anomaly Detection" (2023):
"Each patch of image is reconstructed by corresponding spatially distributed feature vector of the learned feature
representation". Encoder, decoder layers and loss are our choices (experiments/patch_ae/README.md).
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_lab.networks import STRIDE, pretrained
from anomaly_lab.networks.efficientnet_lite import Encoder

KERNELS = {"patch_wise": 1, "convolutional": 3}  # side of the decoder's kernels


class PatchFeatures(nn.Module):
    """One feature vector for each patch of 8 × 8 pixels, from an encoder that is not trained.

    - `encoder`, `encoder_file`: the initial weights (lite0, random or file) and the file, see `pretrained.load`.
    - `neighbourhood`: `features` averages squares of this many vectors a side; 1 averages nothing.

    ValueError for an unknown `encoder`, or a `neighbourhood` that is even or below 1.
    """

    reconstructs = False  # there is no F(X)
    natural_light = True  # the weights come from photographs whose contrast nobody stretched
    stride = STRIDE  # pixels for which a vector stands
    reach = 220  # pixels that a vector looks around: half of the receptive field of the encoder, and its neighbours

    def __init__(self, encoder: str, encoder_file: str | None, neighbourhood: int) -> None:
        super().__init__()
        if encoder not in pretrained.SOURCES:
            raise ValueError(f"model.encoder is {encoder}: it must be one of {', '.join(pretrained.SOURCES)}")
        if neighbourhood < 1 or neighbourhood % 2 == 0:
            raise ValueError(f"model.neighbourhood is {neighbourhood}: it must be odd, so that one vector is in the middle")
        self.source = (encoder, encoder_file)
        self.encoder = Encoder().requires_grad_(False)
        self.neighbourhood = neighbourhood

    @torch.no_grad()
    def begin(self, images: Iterable[Tensor]) -> None:
        """Load the encoder's initial weights; `images` is not read. UserError if the weights are missing or do not fit."""
        pretrained.load(self.encoder, *self.source)

    def encode(self, X: Tensor) -> Tensor:
        """X (B, 3, H, W) in [0, 1] → one vector per patch, (B, C, ⌈H/8⌉, ⌈W/8⌉)."""
        # on a CPU the backward pass of depthwise convolutions is twice as fast in float32 as in bf16
        slow = self.training and X.device.type == "cpu"
        with torch.autocast(X.device.type, enabled=torch.is_autocast_enabled(X.device.type) and not slow):
            return self.encoder(X)

    def features(self, vectors: Tensor) -> Tensor:
        """Vectors → the features that are compared with those of normal images, the same shape, float32.

        A feature is the mean of a vector and its neighbours; outside the image there are zeros. The zeros shorten the features
        at the border, and so their distances. Without them, the border would have the highest score of many normal images,
        because there the encoder sees its own padding, whose effect varies from image to image.
        """
        return F.avg_pool2d(vectors.float(), self.neighbourhood, stride=1, padding=self.neighbourhood // 2)


class PatchDecoder(nn.Module):
    """Vectors (B, C, h', w') → image (B, 3, 8 h', 8 w') in [0, 1], by three convolutions and a pixel shuffle.

    With `kernel` = 1, patch (i, j) depends on vector (i, j) only; with 3, an ablation, the neighbouring vectors help. Channels
    are standardised with constants that `begin` takes from normal images: the part that all vectors share is larger than their
    differences, and the weights would first have to learn to subtract it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, kernel, padding=kernel // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 3 * STRIDE**2, kernel, padding=kernel // 2),
        )

    @torch.no_grad()
    def begin(self, vectors: Tensor, colors: Tensor) -> None:
        """Standardise by the vectors (n, C) of normal images, and start with the mean of their colours (m, 3) everywhere."""
        self.mean.copy_(vectors.mean(0).view(-1, 1, 1))
        self.std.copy_(vectors.std(0, correction=0).clamp_min(1e-6).view(-1, 1, 1))
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        # without this start, a fine weave was still grey after 200 steps
        last.bias.copy_(colors.mean(0).clamp(0.01, 0.99).logit().repeat_interleave(STRIDE**2))

    def forward(self, vectors: Tensor) -> Tensor:
        return F.pixel_shuffle(self.layers((vectors - self.mean) / self.std), STRIDE).sigmoid()


class PatchAutoencoder(PatchFeatures):
    """F: (B, 3, H, W) in [0, 1] → the same shape and range. One feature vector reconstructs each patch of 8 × 8 pixels.

    `decoder` is patch_wise or convolutional, see `PatchDecoder`, with `hidden` filters. `encoder_rate` is a factor on the
    encoder's learning rate; a `frozen` encoder is not trained. ValueError as for `PatchFeatures`, and for an unknown `decoder`.
    """

    reconstructs = True

    def __init__(
        self,
        encoder: str,
        encoder_file: str | None,
        neighbourhood: int,
        frozen: bool,
        decoder: str,
        hidden: int,
        encoder_rate: float,
    ) -> None:
        super().__init__(encoder, encoder_file, neighbourhood)
        if decoder not in KERNELS:
            raise ValueError(f"model.decoder is {decoder}: it must be one of {', '.join(KERNELS)}")
        self.encoder.requires_grad_(not frozen)
        self.decoder = PatchDecoder(self.encoder.channels, hidden, KERNELS[decoder])
        self.encoder_rate = encoder_rate

    @torch.no_grad()
    def begin(self, images: Iterable[Tensor]) -> None:
        """Load the encoder's weights, then start the decoder from normal images (3, h, w). A checkpoint needs no `begin`."""
        super().begin(images)
        found = [(self.encoder(X[None])[0].flatten(1).T, X.mean((1, 2))) for X in images]
        self.decoder.begin(torch.cat([vectors for vectors, _ in found]), torch.stack([color for _, color in found]))

    def learning_rate(self, name: str) -> float:
        """The factor on the learning rate of the parameter `name`."""
        return self.encoder_rate if name.startswith("encoder.") else 1.0

    def decode(self, vectors: Tensor, size: torch.Size) -> Tensor:
        """Vectors (B, C, h', w') → image (B, 3, H, W) in [0, 1], float32; `size` is (…, H, W)."""
        with torch.autocast(vectors.device.type, enabled=False):  # bf16 rounds grey levels
            return self.decoder(vectors.float())[..., : size[-2], : size[-1]]

    def forward(self, X: Tensor) -> Tensor:
        return self.decode(self.encode(X), X.shape)

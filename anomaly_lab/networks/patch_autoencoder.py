"""The second system's network, and with no decoder that of the nearest-neighbour detector.

A reconstruction from the idea in the abstract of Cui, Liu, Lian, "Patch-wise Auto-Encoder for Visual Anomaly Detection" (2023):
"Each patch of image is reconstructed by corresponding spatially distributed feature vector of the learned feature
representation". Encoder, layers, decoder and loss are our choices, listed in experiments/patch_ae/README.md.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_lab.networks import pretrained
from anomaly_lab.networks.encoder import STRIDE, Encoder

KERNELS = {"patch_wise": 1, "convolutional": 3}
DECODERS = ("none", *KERNELS)


class PatchDecoder(nn.Module):
    """Vectors (B, C, h', w') → image (B, 3, 8 h', 8 w') in [0, 1]: three convolutions and a pixel shuffle.

    With kernels of 1 the patch (i, j) depends on the vector (i, j) alone. Kernels of 3, for an ablation, let the vectors
    around help. Each channel is standardised by constants that `begin` takes from normal images: what all patches share is
    larger than what tells them apart, and the weights would have to undo that first.
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
        """Start from the vectors (n, C) of normal images, standardised, and from the mean of their colours (n, 3) for every
        pixel. From a grey start and otherwise normalised vectors, a fine weave was still grey after 200 steps."""
        self.mean.copy_(vectors.mean(0).view(-1, 1, 1))
        self.std.copy_(vectors.std(0, correction=0).clamp_min(1e-6).view(-1, 1, 1))
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        last.bias.copy_(colors.mean(0).clamp(0.01, 0.99).logit().repeat_interleave(STRIDE**2))

    def forward(self, vectors: Tensor) -> Tensor:
        return F.pixel_shuffle(self.layers((vectors - self.mean) / self.std), STRIDE).sigmoid()


class PatchAutoencoder(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the same, each patch of 8×8 pixels from one feature vector.

    - `encoder`: whose weights it begins with, see `pretrained.load`: lite0, random or file (`encoder_file`).
    - `frozen`: the encoder is not trained.
    - `decoder`: patch_wise, convolutional, or none: then there is nothing to train. - `hidden`: its filters.
    - `encoder_rate`: factor on the learning rate of the encoder.
    - `neighbourhood`: side of the square of vectors that are averaged for the comparison with normal ones, 1 for none.
    """

    def __init__(
        self,
        encoder: str = "lite0",
        encoder_file: str | None = None,
        frozen: bool = False,
        decoder: str = "patch_wise",
        hidden: int = 256,
        encoder_rate: float = 1.0,
        neighbourhood: int = 3,
    ) -> None:
        super().__init__()
        for name, value, known in (("encoder", encoder, pretrained.SOURCES), ("decoder", decoder, DECODERS)):
            if value not in known:
                raise ValueError(f"model.{name} is {value}: it must be one of {', '.join(known)}")
        if neighbourhood < 1 or neighbourhood % 2 == 0:
            raise ValueError(f"model.neighbourhood is {neighbourhood}: it must be odd, so that a vector has a middle")
        self.source = (encoder, encoder_file)
        self.encoder = Encoder()
        self.encoder.requires_grad_(decoder != "none" and not frozen)
        self.decoder = None if decoder == "none" else PatchDecoder(self.encoder.channels, hidden, KERNELS[decoder])
        self.reconstructs = self.decoder is not None
        self.encoder_rate, self.neighbourhood = encoder_rate, neighbourhood

    @torch.no_grad()
    def begin(self, images: Iterable[Tensor]) -> None:
        """Put the first weights in: the encoder's, and what the decoder takes from normal training images (3, h, w). Not needed
        where a checkpoint's follow. UserError where the encoder's can't be had."""
        pretrained.load(self.encoder, *self.source)
        if self.decoder is not None:
            found = [(self.encoder(X[None])[0].flatten(1).T, X.mean((1, 2))) for X in images]
            self.decoder.begin(torch.cat([vectors for vectors, _ in found]), torch.stack([color for _, color in found]))

    def learning_rate(self, name: str) -> float:
        """The factor on the learning rate of the parameter `name`."""
        return self.encoder_rate if name.startswith("encoder.") else 1.0

    def encode(self, X: Tensor) -> Tensor:
        """(B, 3, H, W) → one vector a patch, (B, C, ⌈H/8⌉, ⌈W/8⌉)."""
        # depthwise convolutions go backwards twice as fast in float32 as in bf16 on processors
        slow = self.training and X.device.type == "cpu"
        with torch.autocast(X.device.type, enabled=torch.is_autocast_enabled(X.device.type) and not slow):
            return self.encoder(X)

    def features(self, vectors: Tensor) -> Tensor:
        """What is compared with normal images: each vector averaged with those around it, zeros beyond the border, float32.

        The zeros make vectors at the border shorter, and so their distances: what the encoder makes of the padding there
        differs from image to image, and would else be the highest score of many normal ones.
        """
        side = self.neighbourhood
        return F.avg_pool2d(vectors.float(), side, stride=1, padding=side // 2)

    def decode(self, vectors: Tensor, size: torch.Size) -> Tensor:
        """The image of `size` (…, H, W) from its vectors."""
        assert self.decoder is not None
        with torch.autocast(vectors.device.type, enabled=False):  # bf16 rounds grey levels
            return self.decoder(vectors.float())[..., : size[-2], : size[-1]]

    def forward(self, X: Tensor) -> Tensor:
        return self.decode(self.encode(X), X.shape)

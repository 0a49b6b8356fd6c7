"""From images to heatmaps, one scorer for each way there is: by the error of a reconstruction, or by features of the network.

A scorer learns what is normal from the data module's normal images, before each validation from a few of them, and after the
training. What it is given as `module` is the AnomalyModule: F when called, with its network, device and precision.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.build import build
from anomaly_lab.scoring.heatmap import enlarged, plain_heatmap, smooth
from anomaly_lab.scoring.normal_error import ResidualModel, observed


def in_other_light(X: Tensor, contrast: float, brightness: float) -> Tensor:
    """Values in [0, 1], lighter by `brightness`, then stretched about the middle by `contrast`, and cut off at 0 and 1."""
    return (0.5 + contrast * (X - 0.5 + brightness)).clamp(0, 1)


VALIDATION_FIT = 4  # images that the normal error is learnt from for a validation, where more would only cost time
LIGHTS = 2  # copies of each image in other light that the normal error is learnt from as well
CONTRAST, BRIGHTNESS = 0.3, 0.14  # they have e^±0.3 times the contrast, and are lighter or darker by up to so much of the range
VALIDATION_BANK = 32  # training images that a detector is shown for a validation, likewise
Pair = tuple[Tensor, Tensor]  # X and F(X), (3, h, w)
Seen = tuple[Tensor | None, Tensor, Tensor | None]  # F(X), the smoothed heatmap (B, h, w), factors on the image scores (B,)


def make(options: dict[str, Any], reconstructs: bool) -> "ErrorScorer | FeatureScorer":
    """The scorer that a module's `scoring` asks for. ValueError where the network has nothing that it could go by."""
    if options.get("detector"):
        return FeatureScorer(build(options["detector"]), options["error"], options["sigma"])
    if not reconstructs:
        raise ValueError(f"scoring.error is {options['error']}: a network that reconstructs nothing has no such error")
    return ErrorScorer(options["error"], options["sigma"])


class ErrorScorer(nn.Module):
    """By the error of F(X): squared or absolute, or (mahalanobis) how far it is from that of held-out normal images."""

    def __init__(self, error: str, sigma: float) -> None:
        super().__init__()
        self.error, self.sigma = error, sigma
        self.residuals = ResidualModel() if error == "mahalanobis" else None

    def before_validation(self, module: Any, data: Any) -> None:
        """Without other light, which the images of a validation don't come in."""
        if self.residuals is not None:
            self.residuals.fit([observed(*pair) for pair in module.reconstructed(data.clean_images(VALIDATION_FIT))])

    def normal_pairs(self, module: Any, images: Iterable[Tensor]) -> Iterator[list[Pair]]:
        """For each clean image (3, h, w), (X, F(X)) of itself and of its copies in other light: test images come in light and
        from batches of material that held-out ones don't show, and error grows with contrast."""
        random = torch.Generator().manual_seed(0)
        for X in images:
            draws = (2 * torch.rand(LIGHTS, 2, generator=random) - 1).tolist()
            copies = [in_other_light(X, math.exp(CONTRAST * c), BRIGHTNESS * b) for c, b in draws]
            yield module.reconstructed([X, *copies])

    def after_training(self, module: Any, data: Any) -> None:
        """Nothing: what error is normal is learnt with the threshold, from the same images, see `evaluation.calibrate`."""

    def look(self, module: Any, X: Tensor) -> Seen:
        """(B, 3, h, w) → F(X), the heatmap, and no factors: the heatmap alone decides."""
        output = module.reconstruct(X)
        return output, self.heatmap(X, output), None

    def heatmap(self, X: Tensor, output: Tensor) -> Tensor:
        """(B, 3, h, w) and its reconstruction → (B, h, w)."""
        if self.residuals is None:
            return plain_heatmap(X, output, self.error, self.sigma)
        with torch.autocast(X.device.type, enabled=False):
            return self.residuals(X, output, self.sigma)


class FeatureScorer(nn.Module):
    """By what a detector makes of the network's features, one vector a patch; the detector is shown all training images.

    - Of the network it asks `encode`, images → vectors (B, C, h', w'); `features`, vectors → what is compared; and where there
      is an F(X) `decode`, vectors and size → F(X).
    - Of the detector: `error`, the name of its distances, as in scoring.error (ValueError for another one); `fit`, on features
      of so many images one by one; and when called features → distances (B, h', w') and factors on the image scores (B,).
    """

    residuals = None  # no error is scored, so there is no normal one to learn

    def __init__(self, detector: Any, error: str, sigma: float) -> None:
        super().__init__()
        if error != detector.error:
            raise ValueError(f"scoring.error is {error}: the model's detector gives {detector.error}")
        self.detector, self.sigma = detector, sigma

    def before_validation(self, module: Any, data: Any) -> None:
        self._show(module, *data.training_images(VALIDATION_BANK))

    def after_training(self, module: Any, data: Any) -> None:
        self._show(module, *data.training_images())

    def _show(self, module: Any, images: Iterable[Tensor], count: int) -> None:
        network, detector = module.network, self.detector
        with module.as_in_testing():
            seen = (X[None].to(module.device).contiguous(memory_format=torch.channels_last) for X in images)
            detector.fit((network.features(network.encode(X)) for X in seen), count)

    def look(self, module: Any, X: Tensor) -> Seen:
        """(B, 3, h, w) → F(X), None where the network gives back no image, the heatmap, and the factors."""
        network = module.network
        vectors = network.encode(X.contiguous(memory_format=torch.channels_last))
        with torch.autocast(X.device.type, enabled=False):
            distance, weights = self.detector(network.features(vectors))
            heatmap = smooth(enlarged(distance, X.shape[-2:]), self.sigma)
        return network.decode(vectors, X.shape).float() if module.reconstructs else None, heatmap, weights

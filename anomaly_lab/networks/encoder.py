"""A feature encoder: one vector for each patch of the image, from a classifier's maps of strides 8 and 16."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_lab.errors import UserError
from anomaly_lab.networks.efficientnet_lite import EfficientNetLite0

STRIDE = 8  # pixels of a patch's side
STRIDES = (STRIDE, 2 * STRIDE)


class Encoder(nn.Module):
    """(B, 3, H, W) in [0, 1] → (B, C, ⌈H/8⌉, ⌈W/8⌉): the map of stride 16, enlarged, beside that of stride 8.

    `architecture`: lite0, or a name of timm's where timm is installed. UserError for one that can't be had.
    """

    def __init__(self, architecture: str = "lite0") -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone: nn.Module = EfficientNetLite0() if architecture == "lite0" else timm_backbone(architecture)
        self.channels = int(sum(self.backbone.channels))  # type: ignore[arg-type, union-attr]

    def forward(self, X: Tensor) -> Tensor:
        fine, coarse = self.backbone(X)
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear")
        return torch.cat([fine, coarse[..., : fine.shape[-2], : fine.shape[-1]]], 1)


class TimmBackbone(nn.Module):
    """A network of timm's: its maps of strides 8 and 16."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.channels = tuple(network.feature_info.channels())  # type: ignore[operator, union-attr]
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)  # ImageNet's
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        fine, coarse = self.network((X - self.mean) / self.std)
        return fine, coarse


def timm_backbone(name: str, file: str | None = None) -> TimmBackbone:
    """timm's network `name`, with the weights in `file` where one is given. UserError where it can't be had."""
    try:
        import timm
    except ImportError as error:
        raise UserError(
            f"model.architecture is {name}: only lite0 is built in, other names are timm's, which can't be imported ({error}): "
            "pip install timm torchvision"
        ) from error
    weights: dict[str, Any] = {} if file is None else {"pretrained": True, "pretrained_cfg_overlay": {"file": file}}
    try:
        found = timm.create_model(name, features_only=True).feature_info.reduction()
        missing = [stride for stride in STRIDES if stride not in found]
        if missing:
            raise UserError(f"model.architecture is {name}: it has no map of stride {missing[0]}, only of {found}")
        places = [found.index(stride) for stride in STRIDES]
        return TimmBackbone(timm.create_model(name, features_only=True, out_indices=places, **weights))
    except (RuntimeError, AttributeError) as error:
        raise UserError(f"model.architecture is {name}: {' '.join(str(error).split())}") from error

"""A trained network for inference only: each normalisation is merged into the convolution before it and costs no time."""

import copy
import itertools
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def folded(network: nn.Module) -> nn.Module:
    """A copy of `network` in evaluation mode that computes the same up to rounding.

    γ/σ of the running statistics multiplies the weights; β − γμ/σ becomes the bias. This happens wherever a normalisation
    follows a convolution in an `nn.Sequential`. A module with a method `fold()` merges its own normalisation in place.
    """
    result = copy.deepcopy(network).eval()
    for module in list(result.modules()):
        if callable(fold := getattr(module, "fold", None)):
            fold()
        elif isinstance(module, nn.Sequential):
            for i, (conv, norm) in enumerate(itertools.pairwise(list(module))):
                if isinstance(conv, CONVOLUTIONS) and isinstance(norm, nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
                    module[i + 1] = nn.Identity()
    return result.requires_grad_(False)


class ForInference:
    """A network's copy from its method `folded()`, made anew when weights have changed; without the method, the network itself.

    Under bf16 autocast the copy stores bf16 weights, except modules with `keeps_float32`: autocast need not round at each call.
    """

    def __init__(self) -> None:
        self._made_from: tuple = ()
        self._copy: nn.Module | None = None

    def __call__(self, network: nn.Module, device: str) -> nn.Module:
        """The copy of `network` for a device of this type ("cpu", "cuda"), under the autocast in force."""
        make_copy: Any = getattr(network, "folded", None)
        if make_copy is None:
            return network
        bf16 = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16
        tensors = [*network.parameters(), *network.buffers()]
        now = (id(network), bf16, *((id(t), t.device, 0 if t.is_inference() else t._version) for t in tensors))
        if self._copy is None or now != self._made_from:
            made: nn.Module = make_copy()
            for module in made.modules():
                if bf16 and isinstance(module, CONVOLUTIONS) and not getattr(module, "keeps_float32", False):
                    module.to(torch.bfloat16)
            self._copy, self._made_from = made, now
        return self._copy

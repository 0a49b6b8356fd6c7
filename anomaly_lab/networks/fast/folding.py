"""A trained network for inference only: each normalisation folded into the convolution before it, which costs nothing then."""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from anomaly_lab.networks.sdc_autoencoder import SDC, SDCAutoencoder


def folded(network: nn.Module) -> nn.Module:
    """A copy of `network` in evaluation mode that computes the same up to rounding.

    γ/σ of the running statistics goes into the weights, β − γμ/σ becomes the bias. In sequences where a normalisation follows
    a convolution, and in SDC layers, whose one normalisation serves five convolutions side by side.
    """
    result = copy.deepcopy(network).eval()
    for module in list(result.modules()):
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                conv, norm = module[i], module[i + 1]
                if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
                    module[i + 1] = nn.Identity()
        elif isinstance(module, SDC):
            sdc: Any = module
            norms = sdc.norm.state_dict()
            first = 0
            for i, branch in enumerate(sdc.branches):
                part = slice(first, first + branch.out_channels)
                first = part.stop
                own = nn.BatchNorm2d(branch.out_channels, eps=sdc.norm.eps).eval()
                own.load_state_dict({name: v[part] if v.ndim else v for name, v in norms.items()})
                sdc.branches[i] = fuse_conv_bn_eval(branch, own.to(branch.weight))
            sdc.norm = nn.Identity()
    return result.requires_grad_(False)


class ForInference:
    """Gives the folded copy of an SDC autoencoder, made anew when its weights have changed; other networks as they are.

    Under bf16 autocast the copy's weights are rounded for good, but for those of the module called `last`, which autocast would
    do at each call.
    """

    def __init__(self) -> None:
        self._made_from: tuple = ()
        self._copy: nn.Module | None = None

    def __call__(self, network: nn.Module, device: str) -> nn.Module:
        """The copy of `network` for use on this type of device, under the autocast that is in force."""
        if not isinstance(network, SDCAutoencoder):
            return network
        bf16 = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16
        tensors = [*network.parameters(), *network.buffers()]
        now = (id(network), bf16, *((id(t), t.device, 0 if t.is_inference() else t._version) for t in tensors))
        if self._copy is None or now != self._made_from:
            self._copy, self._made_from = folded(network), now
            for name, module in self._copy.named_modules():
                if bf16 and isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and name != "last":
                    module.to(torch.bfloat16)
        return self._copy

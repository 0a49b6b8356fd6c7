"""Like InTra: a transformer inpaints each patch from the patches around it.

Pirnay and Chai, "Inpainting transformer for anomaly detection", ICIAP 2022. The image is a grid of patches of K × K pixels. To
inpaint one, the transformer sees a window of L × L patches around it, in which a learnt token stands in its place. The loss
adds 1 − SSIM and GMS to the squared error of the patch; the map is MSGMS of X and F(X), the image of all inpainted patches.

Simplifications: a narrower and shorter transformer without long skip connections; positions are those in the window (the
paper's are those in the image: crops of a texture have none); a patch is read from its own token.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.networks import similarity


class Block(nn.Module):
    """Self-attention and a perceptron, each added to its normalised input: (n, tokens, width) → the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norms[0](x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.mixed(attended)
        return x + self.perceptron(self.norms[1](x))


class InTra(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the same, each patch inpainted from its window.

    - `patch`: K in pixels. - `window`: L in patches. - `width`, `depth`, `heads`: of the transformer.
    - `drawn`: patches of a crop that are inpainted in a training step. - `lam_gms`, `lam_ssim`: weights of the two terms.

    ValueError for a window of less than 2, or a width that is no multiple of the heads.
    """

    def __init__(
        self, patch: int, window: int, width: int, depth: int, heads: int, drawn: int, lam_gms: float, lam_ssim: float
    ) -> None:
        super().__init__()
        if window < 2 or width % heads:
            raise ValueError(f"model: window is {window}, at least 2; width {width} must be a multiple of heads {heads}")
        self.patch, self.window, self.drawn, self.lam_gms, self.lam_ssim = patch, window, drawn, lam_gms, lam_ssim
        self.embed = nn.Linear(3 * patch**2, width)
        self.place = nn.Parameter(0.02 * torch.randn(window, window, width))
        self.unknown = nn.Parameter(0.02 * torch.randn(width))  # stands for the patch to inpaint
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3 * patch**2))

    def grid(self, X: Tensor) -> Tensor:
        """X (B, 3, H, W) → its patches (B, rows, columns, 3, K, K); the last ones are completed by repetition."""
        K = self.patch
        down, right = (-side % K for side in X.shape[-2:])
        X = functional.pad(X, (0, right, 0, down), mode="replicate")
        return X.unfold(2, K, K).unfold(3, K, K).permute(0, 2, 3, 1, 4, 5)

    def inpainted(self, patches: Tensor, places: Tensor) -> Tensor:
        """The patches at `places` (n, 3): image, row, column, from the others of their windows: (n, 3, K, K) in [0, 1]."""
        rows, columns = patches.shape[1:3]
        high, wide = min(self.window, rows), min(self.window, columns)
        image, row, column = places.T
        top = (row - high // 2).clamp(0, rows - high)
        left = (column - wide // 2).clamp(0, columns - wide)
        y = top[:, None, None] + torch.arange(high, device=top.device)[:, None]
        x = left[:, None, None] + torch.arange(wide, device=top.device)
        tokens = self.embed(patches.flatten(3))[image[:, None, None], y, x].flatten(1, 2)  # (n, high · wide, width)
        own = (row - top) * wide + column - left
        each = torch.arange(len(own), device=own.device)
        hidden = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=own.device)
        hidden[each, own] = True
        tokens = torch.where(hidden[..., None], self.unknown, tokens) + self.place[:high, :wide].flatten(0, 1)
        found = self.last(self.blocks(tokens)[each, own]).float()
        return torch.sigmoid(found).view(-1, 3, self.patch, self.patch)

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """Squared error, GMS and 1 − SSIM of `drawn` random patches of each crop. No corruption is used."""
        patches = self.grid(X)
        B, rows, columns = patches.shape[:3]
        places = torch.stack([torch.randint(n, (B, self.drawn), device=X.device) for n in (rows, columns)], -1)
        image = torch.arange(B, device=X.device)[:, None].expand(-1, self.drawn)
        places = torch.cat([image[..., None], places], -1).flatten(0, 1)
        output, target = self.inpainted(patches, places), patches[places[:, 0], places[:, 1], places[:, 2]]
        unlike = self.lam_gms * (1 - similarity.gms(output, target).mean())
        unlike = unlike + self.lam_ssim * (1 - similarity.ssim(output, target).mean())
        return (output - target).square().mean() + unlike

    def forward(self, X: Tensor) -> Tensor:
        patches = self.grid(X)
        B, rows, columns = patches.shape[:3]
        axes = [torch.arange(n, device=X.device) for n in (B, rows, columns)]
        output = self.inpainted(patches, torch.cartesian_prod(*axes)).view(B, rows, columns, 3, self.patch, self.patch)
        whole = output.permute(0, 3, 1, 4, 2, 5).reshape(B, 3, rows * self.patch, columns * self.patch)
        return whole[..., : X.shape[-2], : X.shape[-1]]

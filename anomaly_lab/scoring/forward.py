"""What scorers work with: the trained network F in testing, and the normal images from which a scorer learns."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.scoring.tiles import blended, reconstruct

AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}  # precision → autocast type
FOLDS = 4  # parts of the held-out images for cross-fitting: with nine images, what judges one comes from at least six
FEW = 16  # training images; with fewer, each held-out image shows much that the others don't


def folds(images: Iterable[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Cross-fitting: (images of one part, all the others), for each of at most `FOLDS` parts."""
    places = list(images)
    count = min(FOLDS, len(places))
    for fold in range(count):
        yield places[fold::count], [place for i, place in enumerate(places) if i % count != fold]


class Few(NamedTuple):
    """What may be remembered where few images are trained on: `known`, training and held-out images X (3, h, w).

    `others`: for each part of the held-out images, their indices, and the images without them.
    """

    known: list[Tensor]
    others: list[tuple[list[int], list[Tensor]]]


def few(normal: "NormalImages") -> Few | None:
    """None for no training images, or for `FEW` or more."""
    training, count = normal.training_images()
    if not 0 < count < FEW:
        return None
    own, held_out = list(training), dict(normal.held_out_images(FEW))
    others = [(part, [*own, *(held_out[place] for place in rest)]) for part, rest in folds(held_out)]
    return Few([*own, *held_out.values()], others)


class Forward:
    """F in testing: without gradients, in the run's precision, on whole images or in tiles of the training size.

    - `network`: in evaluation mode. It maps (B, 3, h, w) in [0, 1] to the same. A network of features has the methods `encode`
      and `features` and, if it reconstructs, `decode`. A network with a map of its own has the method `examine`.
    - `folded`: makes the network's copy for inference.
    - `tile`: side of the tiles in pixels, 0 for whole images.
    - `precision`: a key of `AUTOCAST`.
    """

    def __init__(self, network: Any, folded: ForInference, tile: int, precision: str) -> None:
        self.network, self.folded, self.tile, self.precision = network, folded, tile, precision
        self._tiled: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor] = lambda network, X: reconstruct(network, X, tile)

    def within(self, X: Any, window: tuple[slice, slice]) -> "Forward":
        """F for one window, rows and columns, of a large image X (3, H, W), a tensor or `Pieces`. It takes the piece and gives
        that of F of the whole image, for which it reads the surroundings from X."""
        found = copy.copy(self)
        if self.tile:
            found._tiled = lambda network, part: blended(
                network, lambda rows, columns: X[..., rows, columns][None].to(part.device), X.shape[-2:], self.tile, window
            )
        return found

    def __call__(self, X: Tensor) -> Tensor:
        """X (B, 3, h, w) in [0, 1] → F(X), the same shape and range, float32."""
        with self._context(X):
            network = self.folded(self.network, X.device.type)
            return self._tiled(lambda tiles: network(_last(tiles)), X).float()

    def differentiable(self, X: Tensor) -> Tensor:
        """F(X) as `__call__` computes it in 32-bit, with gradients, for `torch.func.jvp` and `vjp`."""
        network = self.folded(self.network, X.device.type)
        return reconstruct(lambda tiles: network(_last(tiles)), X, self.tile)

    def examine(self, X: Tensor) -> tuple[Tensor | None, Tensor]:
        """X (B, 3, h, w) in [0, 1] → F(X), None if the network does not reconstruct, and its own map (B, h, w); float32."""

        def both(tiles: Tensor) -> Tensor:
            output, found = self.network.examine(_last(tiles))
            return found[:, None].float() if output is None else torch.cat([output.float(), found[:, None].float()], 1)

        with self._context(X):
            channels = reconstruct(both, X, self.tile)
        return (channels[:, :-1] if channels.shape[1] > 1 else None), channels[:, -1]

    def encode(self, X: Tensor) -> Tensor:
        """X (B, 3, h, w) in [0, 1] → one vector per patch, (B, C, h', w')."""
        with self._context(X):
            return self.network.encode(_last(X))  # type: ignore[no-any-return]

    def features(self, X: Tensor) -> Tensor:
        """X (B, 3, h, w) in [0, 1] → vectors for the comparison with normal ones, (B, C, h', w') float32."""
        return self.compared(self.encode(X))

    def compared(self, vectors: Tensor) -> Tensor:
        """Vectors of `encode` → vectors of `features`."""
        with torch.no_grad():
            return self.network.features(vectors)  # type: ignore[no-any-return]

    def decode(self, vectors: Tensor, size: torch.Size) -> Tensor | None:
        """Vectors of `encode` → F(X) of this size, float32; None if the network does not reconstruct."""
        if not getattr(self.network, "reconstructs", True):
            return None
        with self._context(vectors):
            return self.network.decode(vectors, size).float()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _context(self, x: Tensor) -> Iterator[None]:
        kind = AUTOCAST[self.precision]
        with torch.no_grad(), torch.autocast(x.device.type, dtype=kind, enabled=kind is not None):
            yield


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class NormalImages(Protocol):
    """The normal images of a category, from which a scorer learns: X (3, h, w) in [0, 1] at the working scale."""

    @property
    def held_out(self) -> Sequence[Any]:
        """The held-out images, which calibrate the threshold."""

    def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
        """At most `count` held-out images, evenly spread: (index in `held_out`, X)."""

    def training_images(self, count: int | None = None) -> tuple[Iterator[Tensor], int]:
        """At most `count` training images, evenly spread, and their number. None for all images."""

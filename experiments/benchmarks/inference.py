"""Detection's forward pass as a test runs it (folded, channels_last, bf16) against plain float32 eager."""

import copy

import torch
from measure import Row, interleaved, median, ratio
from networks import CHANNELS_LAST, plain, precision
from torch import Tensor, nn

from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder
from anomaly_lab.scoring.tiles import reconstruct

CASES = [  # width, batch, side, tile
    (0.25, 1, 256, 0), (0.25, 1, 512, 0), (0.25, 8, 256, 0), (0.25, 1, 512, 128), (1.0, 1, 256, 0), (1.0, 1, 512, 0),
]  # fmt: skip


def rows(short: bool) -> list[Row]:
    found = []
    for width, batch, side, tile in [(1 / 16, 1, 32, 0), (1 / 16, 2, 40, 32)] if short else CASES:
        slow = plain(width).eval()
        ours = SDCAutoencoder(width, checkpointing=False, standardize=True).eval()
        ours.load_state_dict(slow.state_dict())
        ours, made = copy.deepcopy(ours).to(memory_format=CHANNELS_LAST), ForInference()  # type: ignore[call-overload]
        X = torch.rand(batch, 3, side, side)

        def run(network: nn.Module, made: ForInference | None, X: Tensor = X, tile: int = tile) -> None:
            with torch.inference_mode(), precision(made is not None):
                if made is None:
                    reconstruct(network, X, tile)
                else:
                    reconstruct(lambda x: made(network, "cpu")(x.contiguous(memory_format=CHANNELS_LAST)), X, tile)

        functions = {
            "plain": lambda run=run, network=slow: run(network, None),
            "ours": lambda run=run, network=ours, made=made: run(network, made),
        }
        times = interleaved(functions, 1 if short else 3 if width == 1 else 7)
        tiles = f" in tiles of {tile}²" if tile else ""
        what = f"inference, width {width:g}, {batch} × {side}²{tiles}, against plain float32 eager"
        how = f"{1000 * median(times, 'ours') / batch:.0f} ms an image"
        found.append(Row(what, ratio(times, "plain", "ours"), "×", None if short else 3.0, how=how))
    return found

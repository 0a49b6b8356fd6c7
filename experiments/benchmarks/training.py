"""Training steps against plain float32 eager, their rate against the machine's bf16 products, and where a step's time goes."""

import time
from collections import Counter
from typing import Any

import torch
from measure import Row, interleaved, median, ratio
from networks import GFLOP, stepper
from torch.utils._python_dispatch import TorchDispatchMode

WIDTHS = {"sdc_quarter": 0.25, "sdc_half": 0.5, "sdc": 1.0}
SHAPES = ((512, 512, 512), (1024, 1024, 1024), (4096, 256, 2304), (8192, 512, 512))  # of products; the best one counts


def best_product(dtype: torch.dtype, shapes: tuple = SHAPES) -> float:
    """GFLOP/s of the fastest matrix product: the least time of several, of several shapes."""
    rates = []
    for m, n, k in shapes:
        a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
        rates.append(2e-9 * m * n * k / min(interleaved({"": lambda a=a, b=b: a @ b}, 6)[""]))
    return max(rates)


def rows(short: bool) -> list[Row]:
    shapes = ((64, 64, 64),) if short else SHAPES
    batch, side, rounds = (2, 32, 1) if short else (8, 128, 5)
    found = []
    for name, width in ({"tiny": 1 / 16} if short else WIDTHS).items():
        steps = {"plain": stepper(width, batch, side, False), "ours": stepper(width, batch, side, True)}
        peak = best_product(torch.bfloat16, shapes)
        times = interleaved(steps, rounds)
        peak = max(peak, best_product(torch.bfloat16, shapes))  # before and after: the machine's speed changes
        seconds = median(times, "ours")
        rate = 3 * batch * side**2 * GFLOP * width**2 / seconds
        how = f"batch {batch} of {side}²: {1000 * seconds:.0f} ms, {batch / seconds:.0f} crops/s"
        goal = None if name in ("sdc_quarter", "tiny") else 3.0
        found.append(
            Row(f"training step, {name}, against plain float32 eager", ratio(times, "plain", "ours"), "×", goal, how=how)
        )
        how = f"{rate:.0f} of {peak:.0f} GFLOP/s"
        goal = None if name in ("sdc_quarter", "tiny") else 0.75
        found.append(Row(f"rate of a training step, {name}, against the best bf16 product", rate / peak, "", goal, how=how))
    best = best_product(torch.bfloat16, shapes) / best_product(torch.float32, shapes)
    return [*found, Row("best bf16 product against the best float32 product", best, "×", how="what bf16 alone can give")]


class _ByKind(TorchDispatchMode):
    """Adds up the seconds of operations by what they are for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.perf_counter()
        result = function(*args, **(kwargs or {}))
        self.seconds[_kind(function.__name__, args)] += time.perf_counter() - start
        return result


def _kind(name: str, args: Any) -> str:
    if name.startswith("convolution"):
        backward = name.startswith("convolution_backward")
        weight, transposed = (args[2], args[7]) if backward else (args[1], args[6])
        kind = "transposed 3×3" if transposed else "dilated 5×5" if weight.shape[-1] == 5 else "plain 3×3"
        kind = "first layer, 3 channels" if weight.shape[1] == 3 else kind
        return f"{kind}, {'backward' if backward else 'forward'}"
    if name.startswith(("mm", "addmm")):
        return "last layer, 1×1" if 3 in (*args[-1].shape, *args[-2].shape) else "dilated 5×5, weight gradients of wide kernels"
    for start, kind in (
        ("native_batch_norm", "normalisation"),
        ("threshold", "ReLU"),
        ("relu", "ReLU"),
        ("max_pool", "pooling"),
    ):
        if name.startswith(start):
            return kind
    return "optimiser" if "adamw" in name else "loss, casts, copies and the rest"


def profile(short: bool) -> list[tuple[str, float]]:
    """(kind of work, seconds a step) at half width, most first."""
    step = stepper(1 / 16, 2, 32, True) if short else stepper(0.5, 8, 128, True)
    rounds = 1 if short else 5
    for _ in range(rounds):
        step()
    with _ByKind() as by_kind:
        for _ in range(rounds):
            step()
    return [(kind, seconds / rounds) for kind, seconds in by_kind.seconds.most_common()]

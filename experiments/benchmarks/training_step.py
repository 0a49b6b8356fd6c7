"""How long a training step takes, against plain fp32 eager of the same network, in one run: make bench

Batch 8 of 128² crops, forward, objective (1), backward and AdamW. The settings take turns, `ROUNDS` times, and medians are
compared: on a shared machine single times mean little. Writes training_step.md beside this file.
"""

import contextlib
import platform
import statistics
import time
from datetime import date
from pathlib import Path

import torch
from rich.progress import track

from anomaly_lab.assembly import best_precision
from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder
from anomaly_lab.objectives import restore
from anomaly_lab.run_directory import environment

ROUNDS, BATCH, SIDE = 7, 8, 128
WIDTHS = {"sdc_quarter": 0.25, "sdc_half": 0.5, "sdc": 1.0}
GFLOP_FORWARD = 49.7 / 4  # of the network at width 1 on 128², 2 × multiply-adds; a step costs three forwards


def stepper(width: float, fast: bool):
    """A function that does one training step and returns its seconds. `fast`: bf16 autocast and channels_last."""
    layout = torch.channels_last if fast else torch.contiguous_format
    network = SDCAutoencoder(width).to(memory_format=layout)
    optimizer = torch.optim.AdamW(network.parameters())
    X = torch.rand(BATCH, 3, SIDE, SIDE).contiguous(memory_format=layout)
    M = torch.zeros(BATCH, 1, SIDE, SIDE)
    M[..., :32, :32] = 1

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16) if fast else contextlib.nullcontext():
            output = network(X)
        loss = restore(output.float(), X, X, M)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return time.perf_counter() - start

    step()  # the first one allocates
    return step


def main() -> None:
    rows = []
    for name, width in WIDTHS.items():
        plain, fast = stepper(width, fast=False), stepper(width, fast=True)
        pairs = [(plain(), fast()) for _ in track(range(ROUNDS), name, transient=True)]
        seconds = statistics.median(f for _, f in pairs)
        ratio = statistics.median(p / f for p, f in pairs)
        rate = 3 * BATCH * GFLOP_FORWARD * width**2 / seconds
        rows.append(f"| {name} | {seconds * 1000:.0f} ms | {BATCH / seconds:.0f} | {rate:.0f} | {ratio:.1f} × |")
    machine = environment()
    text = f"""# Training step

`make bench`, {date.today()}: {machine["processor"]}, {machine["threads"]} threads, torch {machine["packages"]["torch"]},
Python {platform.python_version()}; default precision on this machine: {best_precision()}. Batch {BATCH} of {SIDE}², medians of
{ROUNDS} interleaved rounds. Ratio: plain fp32 eager over bf16 autocast with channels_last, round by round.

| model | step | crops a second | GFLOP/s | against fp32 |
|---|---|---|---|---|
""" + "\n".join(rows)
    Path(__file__).with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""Time and memory of the pixel metrics over a whole test set at full resolution.

    python experiments/benchmarks/metrics_at_scale.py --images 120 --side 1024

Writes smoothed random heatmaps, with brighter discs in most of them, to a temporary file, and streams them from there one by
one through the metrics, as a test does: in total and for each of five kinds of defect. Prints the seconds on one thread, the
peak of memory beyond what the process held before, and the bound on how far from exact the figures can be; with --write also
to metrics_at_scale.md. Memory is measured in a process that has drawn the heatmaps before, seconds by the clock and by the
processor's own count, which other programs on the machine disturb less.
"""

import argparse
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from anomaly_lab.files import write_text
from anomaly_lab.metrics.pooled import PixelMetrics, pooled
from anomaly_lab.progress import bar
from anomaly_lab.runs.environment import environment


def draw(rng: np.random.Generator, side: int, defective: bool) -> tuple[np.ndarray, np.ndarray]:
    """(heatmap, truth): squared noise smoothed by 4 pixels, somewhat higher inside of three discs."""
    truth = np.zeros((side, side), np.uint8)
    if defective:
        for _ in range(3):
            x, y = (int(v) for v in rng.integers(side // 8, side - side // 8, 2))
            cv2.circle(truth, (x, y), int(rng.integers(side // 60, side // 12)), 1, -1)
    noise = (rng.normal(0, 0.05, (side, side)) + 0.04 * truth).astype(np.float32)
    return cv2.GaussianBlur(noise**2, (0, 0), 4), truth.astype(bool)


KINDS = 6  # the first is normal


def peak_mib() -> float:
    """The process's highest resident memory so far."""
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--side", type=int, default=1024, help="pixels")
    parser.add_argument("--write", action="store_true", help="write metrics_at_scale.md beside this script")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    side, rng = options.side, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        heatmaps, truths = Path(folder) / "heatmaps", Path(folder) / "truths"
        with heatmaps.open("wb") as one, truths.open("wb") as other, bar("Drawing heatmaps") as update:
            for i in range(options.images):
                heatmap, truth = draw(rng, side, i % KINDS > 0)
                one.write(heatmap.tobytes())
                other.write(truth.tobytes())
                update(i + 1, options.images)
        metrics = [PixelMetrics() for _ in range(KINDS)]
        before, start, started = peak_mib(), time.perf_counter(), time.process_time()
        with heatmaps.open("rb") as one, truths.open("rb") as other:
            for i in range(options.images):
                heatmap = np.frombuffer(bytearray(one.read(4 * side * side)), np.float32).reshape(side, side)
                truth = np.frombuffer(bytearray(other.read(side * side)), bool).reshape(side, side)
                metrics[i % KINDS].update(torch.from_numpy(heatmap), torch.from_numpy(truth), torch.from_numpy(heatmap > 0.003))
        metric = pooled(PixelMetrics, metrics)
        found = metric.compute()
        bound = found.pop("pixel_bound")
        for kind in range(1, KINDS):
            pooled(PixelMetrics, (metrics[0], metrics[kind])).compute()
        seconds, busy, memory = time.perf_counter() - start, time.process_time() - started, peak_mib() - before
    rows = {
        "heatmaps": f"{options.images} of {side} × {side} pixels, {options.images * side * side * 4 / 2**20:.0f} MiB",
        "seconds": f"{seconds:.1f} by the clock, {busy:.1f} of one thread's work",
        "memory beyond": f"{memory:.0f} MiB",
        **{name: f"{value:.5f}" for name, value in found.items() if value is not None},
        "bound on the error": f"{bound:.1e} (bits dropped: {int(metric.shift)})",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    print(table)
    if options.write:
        machine = environment()
        note = f"{machine['processor']}, Python {machine['python']}, numpy {np.__version__}, {platform.system()}"
        text = f"# Pixel metrics at scale\n\n`python {' '.join(sys.argv)}` on {note}:\n\n| | |\n|---|---|\n{table}\n"
        write_text(Path(__file__).with_suffix(".md"), text)


if __name__ == "__main__":
    main()

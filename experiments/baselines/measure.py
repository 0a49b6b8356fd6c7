"""Print a finished run's parameters and milliseconds an image as JSON: python experiments/baselines/measure.py RUN

The time is that of `scored.score` on one thread, with reading, preparing, heatmap and score: the median of up to 8 test images,
after one that is not counted.
"""

import json
import sys
import time
from statistics import median

import torch

from anomaly_lab.runs.trained import load
from anomaly_lab.scored import score

IMAGES = 8


def main() -> None:
    torch.set_num_threads(1)
    trained = load(sys.argv[1])
    parameters = sum(p.numel() for p in trained.module.parameters())
    buffers = sum(b.numel() for name, b in trained.module.scorer.named_buffers())
    seconds, last = [], None
    samples = list(trained.data().test)[: IMAGES + 1]
    for _ in score(trained.module, samples):
        now = time.perf_counter()
        if last is not None:
            seconds.append(now - last)
        last = now
    found = 1000 * median(seconds) if seconds else None
    print(json.dumps({"parameters": parameters, "learnt_values": buffers, "ms_per_image": found}))


if __name__ == "__main__":
    main()

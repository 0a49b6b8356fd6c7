"""What training does to the vectors of normal images: how many dimensions they fill, and how near the bank is to new ones.

    python experiments/patch_ae/vectors.py RUN...      # run directories of study.py; a table, one row a run

From held-out normal images alone. dimensions: (Σ λ)² / Σ λ² of the bank's covariance, λ its eigenvalues. distance: the median
one from held-out vectors to the bank, over √(2 Σ λ), that between two vectors of the bank drawn at random (root mean square).
"""

import itertools
import sys
from pathlib import Path

import torch

from anomaly_lab.runs.trained import load
from anomaly_lab.scoring.coreset import nearest

IMAGES = 4  # held-out ones


def main() -> None:
    torch.set_num_threads(1)
    print("| run | dimensions | distance |\n|---|---|---|")
    for run in map(Path, sys.argv[1:]):
        dimensions, distance = measured(run)
        print(f"| {run.name} | {dimensions:.1f} | {distance:.3f} |", flush=True)


@torch.inference_mode()
def measured(run: Path) -> tuple[float, float]:
    """(dimensions, distance) of a finished run."""
    assert (run / "metrics.json").is_file(), f"{run} has not finished"
    trained = load(run)
    module, data = trained.module, trained.data()
    bank = module.scorer.detector.vectors
    images = itertools.islice(data.held_out_images(len(data.held_out)), IMAGES)
    found = [module.F.features(X[None])[0].flatten(1).T for _, X in images]
    spectrum = torch.linalg.eigvalsh(torch.cov(bank.T.double()))
    distance = nearest(torch.cat(found), bank)[0].median() / (2 * spectrum.sum()).sqrt()
    return float(spectrum.sum() ** 2 / spectrum.square().sum()), float(distance)


if __name__ == "__main__":
    main()

"""Corruption: samples a second on one core, against albumentations' ElasticTransform of the whole image."""

import itertools

import albumentations as A
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from measure import Row, interleaved, median, ratio
from omegaconf import OmegaConf

from anomaly_lab.build import build
from anomaly_lab.runs.command_line import CONF

TARGETS = {256: 3.0, 512: 5.0}


def rows(short: bool) -> list[Row]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["+category=carpet", "corruption=elastic"])
    ours, found = build(OmegaConf.to_container(config.corruption)), []
    for side in (32,) if short else TARGETS:
        X, zeros = np.random.default_rng(0).random((side, side, 3), dtype=np.float32), np.zeros((side, side, 1), np.float32)
        theirs = A.ElasticTransform(alpha=50, sigma=8, p=1)
        seeds = itertools.count()

        def corrupt(
            transform: A.DualTransform, X: np.ndarray = X, M: np.ndarray = zeros, seeds: itertools.count = seeds
        ) -> None:
            transform.set_random_seed(next(seeds))
            transform(image=X, mask=M)

        functions = {"ours": lambda c=corrupt, t=ours: c(t), "theirs": lambda c=corrupt, t=theirs: c(t)}
        times = interleaved(functions, 3 if short else 100)
        how = f"{1 / median(times, 'ours'):.0f} against {1 / median(times, 'theirs'):.0f} samples/s on one core"
        value = ratio(times, "theirs", "ours")
        found.append(Row(f"corruption of {side}² against ElasticTransform of it all", value, "×", TARGETS.get(side), how=how))
    torch.set_num_threads(threads)
    return found

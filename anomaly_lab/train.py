"""Train, calibrate and test on one category.

    python -m anomaly_lab.train +category=carpet objective=amplify
    python -m anomaly_lab.train +category=custom category.name=FOLDER data=folder data.root=DIR
    python -m anomaly_lab.train -m +category=carpet,grid objective.lam=0.3,0.5,0.9
    python -m anomaly_lab.train resume=runs/DIRECTORY
    python -m anomaly_lab.train --config-dir runs/DIRECTORY --config-name config     # the same run again, from its config.yaml

The same multirun started again skips the jobs that have finished, continues those that were cut off, and runs the others.

This module imports Hydra but not torch, so that --help and --cfg answer at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import hydra
from omegaconf import DictConfig

from anomaly_lab.runs.command_line import CONF
from anomaly_lab.runs.job import FINISHED, SKIPPED, Ending, command, ended, importing


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def job(config: DictConfig) -> Ending:
    """One run. The ending's value is the validation proxy."""

    def work() -> Ending:
        with importing():
            from anomaly_lab.pipeline.train import run

        proxy, new = run(config)
        return Ending(FINISHED if new else SKIPPED, value=proxy)

    return ended(work, noted=True)


def main() -> None:
    """The command line."""
    command(job)


if __name__ == "__main__":
    # imported by name: launchers run the job in other processes, which can't find it in this process's __main__
    from anomaly_lab import train

    train.main()

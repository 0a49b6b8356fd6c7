"""Score a trained run again, without training. The run's files stay as they are.

    python -m anomaly_lab.evaluate run=runs/DIRECTORY
    python -m anomaly_lab.evaluate run=runs/DIRECTORY scoring.sigma=2 scoring.pooling=mean_top
    python -m anomaly_lab.evaluate run=runs/DIRECTORY calibration=conformal calibration.alpha=0.1
    python -m anomaly_lab.evaluate run=runs/DIRECTORY data.root=DIR test.save_heatmaps=true
    python -m anomaly_lab.evaluate -m run=runs/DIRECTORY scoring.sigma=2,4,8

The threshold is the run's own, unless the scoring, category.min_area or calibration= is given: then it is calibrated again, on
held-out normal images.

This module imports Hydra but not torch, so that --help answers at once.
"""

from anomaly_lab.signals import at_once

at_once(__name__)

import hydra
from omegaconf import DictConfig

from anomaly_lab.runs.command_line import CONF
from anomaly_lab.runs.job import FINISHED, Ending, command, ended, importing


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="evaluate")
def job(config: DictConfig) -> Ending:
    """One evaluation."""

    def work() -> Ending:
        with importing():
            from anomaly_lab.pipeline.evaluate import evaluate

        evaluate(config)
        return Ending(FINISHED)

    return ended(work, noted=False)  # the directory may hold another run, which stays as it is


def main() -> None:
    """The command line."""
    command(job)


if __name__ == "__main__":
    # imported by name: launchers run the job in other processes, which can't find it in this process's __main__
    from anomaly_lab import evaluate

    evaluate.main()

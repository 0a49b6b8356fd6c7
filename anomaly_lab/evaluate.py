"""Score a trained run again, without training and without touching its files.

    python -m anomaly_lab.evaluate run=runs/DIRECTORY
    python -m anomaly_lab.evaluate run=runs/DIRECTORY scoring.sigma=2 scoring.pooling=mean_top
    python -m anomaly_lab.evaluate run=runs/DIRECTORY calibration=conformal calibration.alpha=0.1
    python -m anomaly_lab.evaluate run=runs/DIRECTORY data.root=DIR test.save_heatmaps=true
    python -m anomaly_lab.evaluate -m run=runs/DIRECTORY scoring.sigma=2,4,8

The threshold stays the run's own, unless the scoring, category.min_area or calibration= is given: then it is calibrated anew on
the held-out normal images of the data at hand. Only Hydra is imported here, so that --help answers at once.
"""

import errno
import sys

import hydra
from omegaconf import DictConfig

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import command_line
from anomaly_lab.runs.command_line import CONF

failed: list[str] = []  # messages of the jobs that failed in this process


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="evaluate")
def job(config: DictConfig) -> None:
    """One evaluation. One that fails does not end a multirun."""
    try:
        from anomaly_lab.pipeline.evaluate import evaluate

        evaluate(config)
        return
    except UserError as error:
        failed.append(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        failed.append(f"{error.filename or 'a file'} could not be written ({error.strerror}): choose another directory, out=")
    print(f"error: {failed[-1]}", file=sys.stderr)


def main() -> None:
    """The command line, with the paths in it quoted as for a training."""
    sys.argv[1:] = [command_line.quoted(argument) for argument in sys.argv[1:]]
    failed.clear()
    with ending_in_a_sentence():
        command_line.require_rule(sys.argv[1:])
    with ending_in_a_sentence("stopped; start it again"):
        job()
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Train, calibrate and test on one category.

    python -m anomaly_lab.train +category=carpet objective=amplify
    python -m anomaly_lab.train +category=custom category.name=FOLDER data=mvtec data.root=DIR
    python -m anomaly_lab.train -m +category=carpet,grid objective.lam=0.3,0.5,0.9
    python -m anomaly_lab.train resume=runs/DIRECTORY
    python -m anomaly_lab.train --config-dir runs/DIRECTORY --config-name config     # the same once more, from its config.yaml

The same multirun started again skips the jobs that have finished, goes on with those that were cut off, and runs the rest.

Only Hydra is imported here, so that --help and --cfg answer at once.
"""

import contextlib
import errno
import logging
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anomaly_lab.errors import InUse, Refused, UserError, ending_in_a_sentence
from anomaly_lab.files import write_text
from anomaly_lab.runs import command_line, lock, sweep
from anomaly_lab.runs import directory as runs_directory
from anomaly_lab.runs.command_line import CONF

log = logging.getLogger(__name__)

failed: list[str] = []  # messages of the jobs that failed in this process


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def job(config: DictConfig) -> float | None:
    """One run; returns the validation proxy, which a sweeper may maximise. A job that fails does not end a multirun."""
    try:
        from anomaly_lab.pipeline.train import run

        proxy, new = run(config)
        sweep.ending.how = sweep.FINISHED if new else sweep.SKIPPED
        return proxy
    except InUse as error:
        if runs_directory.in_multirun():
            sweep.ending.how = sweep.ELSEWHERE
            print(error)
            return None
        fail(str(error), noted=False)
    except UserError as error:
        fail(str(error), noted=not isinstance(error, Refused))
    except KeyboardInterrupt:  # outside of the training, where there is nothing to go on from
        print("error: stopped", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            name = error.filename or "a file"
            fail(f"{name} could not be written ({error.strerror}): free some space or choose another folder")
        else:
            fail(f"{type(error).__name__}: {error}")
            if not runs_directory.in_multirun():
                raise
            log.info("", exc_info=True)  # into train.log, where it can be looked up
    print(f"error: {failed[-1]}", file=sys.stderr)
    return None


def fail(reason: str, noted: bool = True) -> None:
    """Leave the reason for `main` and, where it is to be `noted`, in the job's directory, for the report, unless that is
    another process's."""
    reason = " ".join(reason.split())
    failed.append(reason)
    sweep.ending.how, sweep.ending.why = sweep.FAILED, reason
    directory = Path(HydraConfig.get().runtime.output_dir)
    if noted and not lock.in_use(directory):
        with contextlib.suppress(OSError):  # a full disk may be what it is about
            write_text(directory / runs_directory.FAILURE, f"{reason}\n")


def main() -> None:
    """The command line. Paths in it are quoted: the names of run directories hold = and , which Hydra would take apart."""
    sys.argv[1:] = command_line.placed([command_line.quoted(argument) for argument in sys.argv[1:]])
    failed.clear()
    try:
        with ending_in_a_sentence("stopped; the same command goes on where it was"):
            command_line.require_launcher(sys.argv[1:])
            command_line.require_multirun(sys.argv[1:])
            command_line.require_rule(sys.argv[1:])
            job()
    finally:
        well = sweep.conclude()
    if failed or not well:
        raise SystemExit(1)


if __name__ == "__main__":
    # by its name: launchers hand the job to other processes, which must find it in the package and not in their __main__
    from anomaly_lab.train import main as command

    command()

"""Train, calibrate and test on one category.

    python -m anomaly_lab.train +category=carpet objective=amplify
    python -m anomaly_lab.train +category=custom category.name=FOLDER data=mvtec data.root=DIR
    python -m anomaly_lab.train -m +category=carpet,grid objective.lam=0.3,0.5,0.9
    python -m anomaly_lab.train resume=runs/DIRECTORY

Only Hydra is imported here, so that --help and --cfg answer at once.
"""

import contextlib
import errno
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anomaly_lab import run_directory
from anomaly_lab.atomic import write_text
from anomaly_lab.errors import UserError

# in a checkout beside the package, in an installed wheel inside it
CONF = next(p for p in (Path(__file__).parent / "conf", Path(__file__).parent.parent / "conf") if p.is_dir())


failed: list[str] = []  # messages of the jobs that failed in this process


def note_failure(sentence: str) -> None:
    """Leave the sentence that the job ended with in its directory, where a report finds it."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    if run_directory.in_use(directory):  # what failed is the attempt to use another process's run
        return
    with contextlib.suppress(OSError):  # a full disk may be what it is about
        write_text(directory / run_directory.FAILURE, f"{sentence}\n")


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def job(config: DictConfig) -> float | None:
    """One run; returns the validation proxy, which a sweeper may maximise. A job that fails does not end a multirun."""
    try:
        from anomaly_lab.pipeline import run

        return run(config)
    except UserError as error:
        failed.append(str(error))
    except KeyboardInterrupt:  # outside of the training, where there is nothing to go on from
        print("error: stopped", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            note_failure(f"{type(error).__name__}: {error}")
            raise
        name = error.filename or "a file"
        failed.append(f"{name} could not be written ({error.strerror}): free some space or choose another folder")
    note_failure(failed[-1])
    print(f"error: {failed[-1]}", file=sys.stderr)
    return None


def main() -> None:
    """The command line. Paths in it are quoted: the names of run directories hold = and , which Hydra would take apart."""
    sys.argv[1:] = [run_directory.quoted(argument) for argument in sys.argv[1:]]
    failed.clear()
    job()
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

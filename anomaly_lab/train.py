"""Train, calibrate and test on one category.

    python -m anomaly_lab.train +category=carpet objective=amplify
    python -m anomaly_lab.train +category=custom category.name=FOLDER data=mvtec data.root=DIR
    python -m anomaly_lab.train -m +category=carpet,grid objective.lam=0.3,0.5,0.9
    python -m anomaly_lab.train resume=runs/DIRECTORY

Only Hydra is imported here, so that --help and --cfg answer at once.
"""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from anomaly_lab import run_directory  # noqa: F401  registers the resolver that names run directories
from anomaly_lab.errors import UserError

# in a checkout beside the package, in an installed wheel inside it
CONF = next(p for p in (Path(__file__).parent / "conf", Path(__file__).parent.parent / "conf") if p.is_dir())


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(config: DictConfig) -> float | None:
    """One run; returns the validation proxy, which a sweeper may maximise."""
    try:
        from anomaly_lab.pipeline import run

        return run(config)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()

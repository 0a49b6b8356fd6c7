"""Train and test every method on real and embedded images, and write results/ and the tables.

    make baselines ROOT=DIR                                     # 90 minutes on two cores; call it again to go on
    python experiments/baselines/study.py DIR --seconds 120 --seeds 0 1 2 --within 90 --jobs 2
    python experiments/baselines/study.py DIR --methods ae_l2 riad --sets grid_mini --seeds 0

DIR holds the six development sets in MVTec AD's layout; a set that is not there is left out. Each training has the same time on
one thread, --seconds, and --jobs of them run side by side. What has finished is not repeated and what was cut off is resumed,
so the study can be stopped at any time; --within stops it by itself: no run begins after so many minutes, less what a run
takes. Runs go seed by seed, so that the tables are complete for seed 0 first. All figures on the six sets are development
figures.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # scripts, not a package
import records  # noqa: E402
from methods import EMBEDDED, METHODS, SETS, overrides  # noqa: E402
from tables import write_tables  # noqa: E402

REST = 60  # seconds of a run besides the training: start, calibration, test, figures

Job = tuple[int, str, str]  # seed, set, method


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the folder that holds the development sets")
    options.add_argument("--runs", type=Path, default=Path("runs/baselines"), help="where the run directories go")
    options.add_argument("--out", type=Path, default=HERE, help="where results/ and the tables go")
    options.add_argument("--seconds", type=int, default=120, help="of training, for which the schedule is made")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--sets", nargs="+", choices=(*SETS, *EMBEDDED), default=[*SETS, *EMBEDDED])
    options.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options.add_argument("--jobs", type=int, default=2, help="trainings side by side, on one thread each")
    options.add_argument("--within", type=float, default=90, help="minutes after which no further run begins; 0: no limit")
    options.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further overrides; give --out with them")
    given = options.parse_args()
    found = [name for name in given.sets if name in EMBEDDED or (given.root / name).is_dir()]
    for name in sorted(set(given.sets) - set(found)):
        print(f"{name} is not in {given.root}: left out")
    jobs = list(product(given.seeds, found, given.methods))
    left = carry_out(given, jobs)
    write_tables(given.out)
    failed = [
        f"{method}, {name}, seed {seed}" for seed, name, method in jobs if not target(given, (seed, name, method)).is_file()
    ]
    if left:
        print(f"{left} of {len(jobs)} runs are left: call the same command again")
    elif failed:
        raise SystemExit(f"error: these have no result: {'; '.join(failed)}")


def carry_out(given: argparse.Namespace, jobs: Sequence[Job]) -> int:
    """Run the jobs that have no result yet, `given.jobs` at a time. Returns how many did not begin before the time was over."""
    end = time.monotonic() + 60 * given.within - given.seconds - REST if given.within else float("inf")
    left, lock = [0], threading.Lock()

    def one(job: Job) -> None:
        if target(given, job).is_file():
            return
        if time.monotonic() > end:
            with lock:
                left[0] += 1
            return
        print(place(given, job), flush=True)
        run(given, job)

    if given.jobs == 1:
        for job in jobs:
            one(job)
    else:
        with ThreadPoolExecutor(given.jobs) as pool:
            list(pool.map(one, jobs))
    return left[0]


def place(given: argparse.Namespace, job: Job) -> str:
    seed, name, method = job
    return f"{given.seconds}s/{name}/{method}/seed{seed}"


def target(given: argparse.Namespace, job: Job) -> Path:
    """The file of the job's result."""
    return Path(given.out / "results" / f"{place(given, job).replace('/', '_')}.json")


def run(given: argparse.Namespace, job: Job) -> None:
    """Train or resume, measure, and keep the result."""
    seed, name, method = job
    directory = (given.runs / place(given, job)).resolve()
    if not (directory / "metrics.json").is_file():
        data = [f"+category={name}"] if name in EMBEDDED else ["+category=custom", f"category.name={name}", "data=folder"]
        root = [] if name in EMBEDDED else [f"data.root={given.root.resolve()}"]
        new = [*data, *root, f"seed={seed}", *overrides(method, name), f"hydra.run.dir={directory}"]
        new += [
            f"trainer.max_time=00:00:{given.seconds // 60:02d}:{given.seconds % 60:02d}",
            "trainer.max_epochs=-1",
            *given.set,
        ]
        python("-m", "anomaly_lab.train", *([f"resume={directory}"] if (directory / "config.yaml").is_file() else new))
    if not (directory / "metrics.json").is_file():
        return
    measured = json.loads(python(str(HERE / "measure.py"), str(directory)) or "{}")
    setting = {"method": method, "set": name, "seconds": given.seconds, "overrides": overrides(method, name) + given.set}
    records.keep(directory, target(given, job), setting | measured)


def python(*arguments: str) -> str:
    """Run Python on one thread; what it prints. Its errors are shown."""
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, *arguments], env=os.environ | one, stdout=subprocess.PIPE, text=True, check=False)
    return ended.stdout if ended.returncode == 0 else ""


if __name__ == "__main__":
    main()

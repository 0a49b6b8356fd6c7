"""Do two states of the code give the same results, bit for bit? A refactoring has to.

    python experiments/reproducibility/reproduce.py b381398                # that commit against the code at hand
    python experiments/reproducibility/reproduce.py b381398 --real DIR     # also on the real category hazelnut_toy in DIR
    python experiments/reproducibility/reproduce.py --store FILE           # only run the code at hand, and store its results

Short runs of every command: train (three models), resume, sweep, evaluate, search, report. Compared: metrics.json without its
times, every CSV file, heatmaps, truth, pictures, the tensors of the checkpoints, the report's tables. Prints each difference;
exit status 1 if there is one. Results are stored below .reproducibility/, so a commit is run once on a machine.
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".reproducibility"
TIMES = ("train_seconds",)
TINY = ["debug=default", "trainer.precision=32-true", "trainer.max_time=null", "test.save_heatmaps=true"]
FEATURES = ["model.encoder=random", "scoring.detector.size=200"]
# name → (command, arguments). {real} and {runs} are folders; a run's arguments may name runs that stand before it
TRAININGS: dict[str, list[str]] = {
    "amplify": ["+category=carpet", "objective=amplify", *TINY],
    "bf16": ["+category=wood", "objective=restore", *TINY, "trainer.precision=bf16-mixed", "data.train_size=32"],
    "plain": ["+category=bottle", "objective=amplify_mask", "scoring.evidence=squared", "scoring.pooling=mean_top", *TINY],
    "patch_ae": ["+category=carpet", "model=patch_ae", *TINY, "model=patch_ae", *FEATURES],
    "knn": ["+category=grid", "model=knn", *TINY, "model=knn", *FEATURES, "scoring.detector.whiten=0.01"],
}
REAL = ["+category=custom", "category.name=hazelnut_toy", "data=mvtec", "data.root={real}", *TINY, "image_size=128"]
ON_REAL: dict[str, list[str]] = {
    "real": [*REAL, "objective=restore"],
    "real_knn": [*REAL, "model=knn", *FEATURES, "scoring.detector.reduction=k_means"],
}
EVALUATIONS: dict[str, list[str]] = {
    "sigma": ["run={runs}/amplify", "scoring.sigma=2", "scoring.pooling=mean_top", "test.save_heatmaps=true"],
    "error": ["run={runs}/bf16", "scoring.evidence=absolute", "category.min_area=9"],
    "rule": ["run={runs}/knn", "calibration=conformal", "calibration.alpha=0.3"],
}
SWEEP = ["-m", "+category=tile", "objective=l2,ssim", "corruption=cutout", "validation_corruption.contents.0.opacity=[0.5,1.0]"]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", help="what the code at hand is compared with")
    parser.add_argument("--real", type=Path, help="folder that holds the category hazelnut_toy")
    parser.add_argument("--store", type=Path, help="write the results of the code at hand to this file")
    parser.add_argument("--gone", nargs="*", default=[], help="values that are left out on purpose, such as metrics.selection")
    options = parser.parse_args()
    if not options.commit and not options.store:
        parser.error("give a commit to compare with, or --store FILE")
    with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
        here = results(ROOT, Path(folder) / "here", options.real)
    if options.store:
        options.store.write_text(json.dumps(here, indent=1) + "\n", encoding="utf-8")
    if options.commit:
        found = differences(stored(options.commit, options.real), here, options.gone)
        print("\n".join(found) or f"the same, bit for bit: {len(here)} runs, {sum(map(len, here.values()))} values")
        raise SystemExit(bool(found))


def stored(commit: str, real: Path | None) -> dict[str, Any]:
    """The results of a commit on this machine: from the store or, the first time, from a checkout of their own."""
    full = subprocess.run(["git", "rev-parse", commit], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    kept = STORE / f"{full[:12]}_{platform.node()}{'_real' if real else ''}.json"
    if not kept.is_file():
        with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
            tree = Path(folder) / "tree"
            subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, full], cwd=ROOT, check=True)
            try:
                found = results(tree, Path(folder) / "there", real)
            finally:
                subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
        STORE.mkdir(exist_ok=True)
        kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def results(tree: Path, folder: Path, real: Path | None) -> dict[str, dict[str, Any]]:
    """Every run of the code in `tree`, made below `folder`: name → what came out."""
    runs = folder / "runs"
    runs.mkdir(parents=True)
    trainings = TRAININGS | (ON_REAL if real else {})
    places = {"runs": str(runs), "real": str(real.resolve()) if real else ""}

    def call(command: str, arguments: list[str]) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree), "ANOMALY_LAB_CACHE": str(folder / "cache")}
        line = [sys.executable, "-m", f"anomaly_lab.{command}", *(a.format(**places) for a in arguments)]
        ended = subprocess.run(line, cwd=tree, env=environment, capture_output=True, text=True)
        if ended.returncode:
            raise SystemExit(f"{' '.join(line)} in {tree} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")

    def training(name: str) -> None:
        call("train", [*trainings[name], f"hydra.run.dir={runs}/{name}"])

    def evaluation(name: str) -> None:
        call("evaluate", [*EVALUATIONS[name], f"out={runs}/evaluate_{name}"])

    with ThreadPoolExecutor(2) as pool:  # processes do the work
        list(pool.map(training, trainings))
        more = [pool.submit(call, "train", [*SWEEP, *TINY, f"hydra.sweep.dir={runs}/sweep"])]
        more.append(pool.submit(call, "search", ["+category=carpet", *TINY, "trials=2", f"study={runs}/search"]))
        list(pool.map(evaluation, EVALUATIONS))
        for done in more:
            done.result()
    call("report", [f"runs={runs}", f"out={folder}/report"])
    found = {}
    for path in sorted(runs.rglob("metrics.json")):
        name = path.parent.relative_to(runs).as_posix()
        found[_without_digest(name)] = of_run(path.parent)
    found["report"] = {
        path.name: of_table(path)
        for path in sorted((folder / "report/tables").glob("*.csv"))
        if path.stem != "settings"  # it lists configurations, whose keys may change
    }
    shutil.rmtree(folder)
    return found


def _without_digest(name: str) -> str:
    """A sweep's job ends in a digest of its configuration, which may get new keys."""
    return name.rpartition("_")[0] if name.startswith("sweep/") else name


def of_run(run: Path) -> dict[str, Any]:
    """What came out of a run: the values of metrics.json, digests of its files, digests of the tensors of best.ckpt."""
    import torch

    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    found = {
        f"metrics.{name}": value for name, value in metrics.items() if name not in TIMES and not str(value).startswith("/")
    }
    for path in sorted(run.rglob("*")):
        if path.suffix in (".csv", ".npy", ".png") and "superseded" not in path.parts:
            found[path.relative_to(run).as_posix()] = _digest(path.read_bytes())
    state = torch.load(run / "checkpoints/best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    tensors = sorted(_digest(value.contiguous().numpy().tobytes()) for value in state.values())  # their names may change
    return found | {"tensors": _digest("".join(tensors).encode())}


def of_table(path: Path) -> str:
    """A digest of the numbers in a table of the report, its column of minutes left out. Words may change."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{k: v for k, v in row.items() if "minutes" not in k} for row in csv.DictReader(file)]
    return _digest(repr([[value for value in row.values() if _is_number(value)] for row in rows]).encode())


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def differences(before: dict[str, Any], now: dict[str, Any], gone: Collection[str] = ()) -> list[str]:
    """One line for each value of `before` that is another one now, or is missing and not in `gone`. New values pass."""
    found = []
    for run, values in before.items():
        if run not in now:
            found.append(f"{run} is gone")
            continue
        for name, value in values.items():
            if name in gone:
                continue
            if name not in now[run]:
                found.append(f"{run}: {name} is gone")
            elif now[run][name] != value:
                found.append(f"{run}: {name} is {now[run][name]}, was {value}")
    return found


if __name__ == "__main__":
    main()

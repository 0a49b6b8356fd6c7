"""Patch AE and the untrained detector on six sets of real photographs, with ablations: one run a setting, category and seed.

    python experiments/patch_ae/study.py ROOT                                         # the untrained detector, Patch AE, seed 0
    python experiments/patch_ae/study.py ROOT --settings clean convolutional --seconds 150
    python experiments/patch_ae/study.py ROOT --seeds 0 1 2 --seconds 600

ROOT holds the categories below in MVTec AD's layout. Runs that have finished are not repeated and runs that were cut off are
resumed, so the study can be stopped at any time; results/ keeps each run's metrics, and table.md is made from them as they
come. Settings are chosen by the proxy (synthetic corruptions of held-out normal images); test figures choose nothing.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # scripts, not a package
import records  # noqa: E402

# the sizes at which the untrained detector was measured before
CATEGORIES: dict[str, list[str]] = {
    "grid_mini": ["image_size=512"],
    "aitex_fabric_01": ["image_size=256"],
    "aitex_fabric_03": ["image_size=256"],
    "hazelnut_toy": ["image_size=256"],
    "magnetic_tile": ["image_size=256"],
    "screw_512": ["image_size=512"],
}
SETTINGS: dict[str, list[str]] = {
    "knn": ["model=knn"],
    "knn_contrast": ["model=knn", "data.contrast=category"],
    "knn_coreset": ["model=knn", "scoring.detector.reduction=coreset"],
    "knn_k_means": ["model=knn", "scoring.detector.reduction=k_means"],
    "knn_whiten": ["model=knn", "scoring.detector.whiten=0.01"],
    "knn_reweight": ["model=knn", "scoring.detector.reweight=9"],
    "knn_random": ["model=knn", "model.encoder=random"],
    "patch_ae": ["model=patch_ae"],
    "clean": ["model=patch_ae", "corruption=none"],
    "convolutional": ["model=patch_ae", "model.decoder=convolutional"],
    "encoder_rate_1": ["model=patch_ae", "model.encoder_rate=1"],
    "encoder_rate_.01": ["model=patch_ae", "model.encoder_rate=0.01"],
    "held": ["model=patch_ae_held"],
    "held_1": ["model=patch_ae_held", "model.hold=1"],
}
SHOWN = ("relative_error", "proxy_ap", "image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr_tnr_mean")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the folder that holds the categories")
    options.add_argument("--runs", type=Path, default=Path("runs/patch_ae"), help="where the run directories go")
    options.add_argument("--out", type=Path, default=HERE, help="where results/ and table.md go")
    options.add_argument("--seconds", type=int, default=600, help="of training, for which the schedule is made")
    options.add_argument("--steps", type=int, help="of training, instead of seconds: for a machine that others use too")
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--categories", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    options.add_argument("--settings", nargs="+", choices=SETTINGS, default=["knn", "patch_ae"])
    given = options.parse_args()
    failed = []
    for seed in given.seeds:
        for setting in given.settings:
            for category in given.categories:
                if not (given.root / category).is_dir():
                    print(f"{category} is not in {given.root}: left out")
                elif not train(given, setting, category, seed):
                    failed.append(f"{setting}, {category}, seed {seed}")
                write_table(given.out)
    if failed:
        raise SystemExit(f"error: these runs failed: {'; '.join(failed)}")


def train(given: argparse.Namespace, setting: str, category: str, seed: int) -> bool:
    """One run, resumed where there is a part of it; its metrics into results/. Whether it has finished."""
    untrained = "model=knn" in SETTINGS[setting]
    length = f"{given.steps}steps" if given.steps else f"{given.seconds}s"
    name = f"{setting}_{category}_seed{seed}" if untrained else f"{setting}_{length}_{category}_seed{seed}"
    run, target = (given.runs / name).resolve(), given.out / "results" / f"{name}.json"
    if target.is_file():
        return True
    if not (run / "metrics.json").is_file():
        hours, minutes = given.seconds // 3600, given.seconds // 60 % 60
        limit = f"00:{hours:02d}:{minutes:02d}:{given.seconds % 60:02d}"
        course = [f"trainer.max_time={limit}", "trainer.max_epochs=-1"]
        if given.steps:  # one epoch: validated at its end
            course = ["trainer.max_time=null", f"data.steps_per_epoch={given.steps}", "trainer.max_epochs=1"]
        new = [
            "+category=custom",
            f"category.name={category}",
            "data=mvtec",
            f"data.root={given.root.resolve()}",
            f"seed={seed}",
            *course,
            f"hydra.run.dir={run}",
            *CATEGORIES[category],
            *SETTINGS[setting],
        ]
        arguments = [f"resume={run}"] if (run / "config.yaml").is_file() else new
        print(name, flush=True)
        subprocess.run([sys.executable, "-m", "anomaly_lab.train", *arguments], check=False)
    kept = {"setting": setting, "length": "–" if untrained else length, "set": [*CATEGORIES[category], *SETTINGS[setting]]}
    return records.keep(run, target, kept)


def write_table(out: Path) -> None:
    """table.md: mean ± standard deviation over the seeds, how many they are, and the flat grey beside them."""
    rows: list[list[Any]] = []
    for (category, setting, length), found in records.grouped(out, "category", "setting", "length"):
        steps = round(mean(r["steps"] for r in found))
        cells = [category, setting, length, found[0]["image_size"], f"{steps:,}", len(found)]
        rows.append(cells + records.measured(found, SHOWN))
    records.write_table(out, ["category", "setting", "trained for", "px", "steps", "seeds", *SHOWN], rows)


if __name__ == "__main__":
    main()

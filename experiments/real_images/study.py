"""Train and test on six sets of real photographs, one run a setting, length, category and seed, and write table.md.

    make real ROOT=DIR                              # seeds 0, 1, 2, ten minutes of training each: three and a half hours
    make real ROOT=DIR ARGS='--minutes 2 5 20 --seeds 0'
    make real ROOT=DIR ARGS='--minutes 5 --seeds 0 --settings cutout swap --categories grid_mini hazelnut_toy'

DIR holds the categories below in MVTec AD's layout. Runs that have finished are not repeated and runs that were cut off are
resumed, so the study can be stopped at any time. A category that is not in DIR is left out, with a word about it.
"""

import argparse
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # scripts, not a package
import records  # noqa: E402

CATEGORIES = ("grid_mini", "aitex_fabric_01", "aitex_fabric_03", "magnetic_tile", "screw_512", "hazelnut_toy")
ELASTIC = "{{_target_:anomaly_lab.corruption.contents.Elastic,amplitude:[2.0,{}],smoothness:[4.0,16.0]}}"
SWAP = "{_target_:anomaly_lab.corruption.contents.Swap}"
SETTINGS: dict[str, list[str]] = {
    "restore": ["objective=restore"],
    "restore_0.5": ["objective=restore", "objective.lam=0.5"],
    "restore_0.98": ["objective=restore", "objective.lam=0.98"],
    "amplify": ["objective=amplify"],
    "amplify_0.9": ["objective=amplify", "objective.lam=0.9"],
    "amplify_0.999": ["objective=amplify", "objective.lam=0.999"],
    "amplify_squared": ["objective=amplify", "objective.norm=squared"],
    "amplify_mask": ["objective=amplify_mask"],
    "segment": ["objective=segment"],
    "cutout": ["objective=restore", "corruption=cutout"],
    "swap": ["objective=restore", "corruption=swap"],
    "no_brightness": ["objective=restore", "corruption.brightness_share=0"],
    "no_progressive": ["objective=restore", "callbacks.progressive_size=null"],
    "small_patches": ["objective=restore", "corruption.size=[0.03,0.3]", "corruption.count=[1,6]"],
    "brighter": ["objective=restore", "corruption.brightness=[0.05,0.5]"],
    "farther": ["objective=restore", f"corruption.contents=[{ELASTIC.format(16)}]"],
    "elastic_swap": ["objective=restore", f"corruption.contents=[{ELASTIC.format(8)},{SWAP}]"],
    "variety": [
        "objective=restore",
        f"corruption.contents=[{ELASTIC.format(8)},{SWAP},{{_target_:anomaly_lab.corruption.contents.Cutout,fill:0.5}}]",
        "corruption.size=[0.03,0.5]",
        "corruption.count=[1,6]",
        "corruption.shapes=[blob,ellipse,rectangle,stroke]",
        "corruption.brightness=[0.05,0.5]",
    ],
    "eighth": ["objective=restore", "model.width=0.125"],
    "half": ["objective=restore", "model=sdc_half"],
    "crops_128": ["objective=restore", "data.train_size=128", "batch_size=8"],  # half the default's pixels a step
    "crops_192": ["objective=restore", "data.train_size=192", "batch_size=4"],  # .6 of them
}
CHOOSING = ("relative_error", "proxy_ap")  # of held-out normal images; the others, of test images, choose nothing
SHOWN = (*CHOOSING, "image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr_tnr_mean", "image_f1", "pixel_f1")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the folder that holds the categories")
    options.add_argument("--runs", type=Path, default=Path("runs/real_images"), help="where the run directories go")
    options.add_argument("--out", type=Path, default=HERE, help="where results/ and table.md go")
    options.add_argument("--minutes", type=int, nargs="+", default=[10], help="of training, for which the schedule is made")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--categories", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    options.add_argument("--settings", nargs="+", choices=SETTINGS, default=["restore"])
    options.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further overrides; give --out with them")
    given = options.parse_args()
    failed = []
    for seed, setting, minutes, category in product(given.seeds, given.settings, given.minutes, given.categories):
        if not (given.root / category).is_dir():
            print(f"{category} is not in {given.root}: left out")
        elif not train(given, setting, minutes, category, seed):
            failed.append(f"{setting}, {minutes} minutes, {category}, seed {seed}")
        write_table(given.out)
    if failed:
        raise SystemExit(f"error: these runs failed: {'; '.join(failed)}")


def train(given: argparse.Namespace, setting: str, minutes: int, category: str, seed: int) -> bool:
    """One run, resumed where there is a part of it; its metrics into results/. Whether it has finished."""
    place = Path(f"{minutes}min") / setting / category / f"seed{seed}"
    run, overrides = (given.runs / place).resolve(), [*SETTINGS[setting], *given.set]
    if not (run / "metrics.json").is_file():
        new = [
            "+category=custom",
            f"category.name={category}",
            "data=mvtec",
            f"data.root={given.root.resolve()}",
            f"seed={seed}",
            f"trainer.max_time=00:{minutes // 60:02d}:{minutes % 60:02d}:00",
            "trainer.max_epochs=-1",
            f"hydra.run.dir={run}",
            *overrides,
        ]
        arguments = [f"resume={run}"] if (run / "config.yaml").is_file() else new
        print(f"{place}", flush=True)
        subprocess.run([sys.executable, "-m", "anomaly_lab.train", *arguments], check=False)
    target = given.out / "results" / f"{str(place).replace('/', '_')}.json"
    return records.keep(run, target, {"setting": setting, "minutes": minutes, "set": overrides})


def write_table(out: Path) -> None:
    """table.md: mean ± standard deviation over the seeds, how many they are, and the flat grey beside them."""
    rows: list[list[Any]] = []
    names = ("minutes", "setting", "lam", "train_size", "category")
    for (minutes, setting, lam, crop, category), found in records.grouped(out, *names):
        steps = round(mean(r["steps"] for r in found))
        threads = "/".join(sorted({str(r["environment"]["threads"]) for r in found}))
        cells = [
            minutes,
            setting,
            "–" if lam is None else lam,
            category,
            found[0]["image_size"],
            crop,
            f"{steps:,}",
            threads,
            len(found),
        ]
        rows.append(cells + records.measured(found, SHOWN))
    records.write_table(out, ["minutes", "setting", "λ", "category", "px", "crops", "steps", "threads", "seeds", *SHOWN], rows)


if __name__ == "__main__":
    main()

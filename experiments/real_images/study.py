"""Train and test on six sets of real photographs, one run a category and seed, and write table.md from what is there.

    make real ROOT=DIR                              # seeds 0, 1, 2, ten minutes each: three hours on two cores
    make real ROOT=DIR ARGS='--minutes 20 --seeds 0 --categories grid_mini screw_512'

DIR holds the categories below in MVTec AD's layout. Runs that have finished are not repeated and runs that were cut off are
resumed, so the study can be stopped at any time. A category that is not in DIR is left out, with a word about it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

HERE = Path(__file__).parent
OBJECT = "category.augmentation=[horizontal_flip,vertical_flip,rotate90]"  # as conf/category/screw.yaml
CATEGORIES: dict[str, list[str]] = {
    "grid_mini": [],
    "aitex_fabric_01": [],
    "aitex_fabric_03": [],
    "magnetic_tile": [],
    "screw_512": ["category.kind=object", OBJECT],
    "hazelnut_toy": ["category.kind=object", OBJECT],
}
SHOWN = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr_tnr_mean", "image_f1", "pixel_f1")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the folder that holds the categories")
    options.add_argument("--runs", type=Path, default=Path("runs/real_images"), help="where the run directories go")
    options.add_argument("--out", type=Path, default=HERE, help="where results/ and table.md go")
    options.add_argument("--minutes", type=int, default=10, help="of training, for which the schedule is made")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--categories", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    options.add_argument("--name", default="restore", help="of the setting, in the results")
    options.add_argument("--set", nargs="*", default=["objective=restore"], metavar="KEY=VALUE", help="its overrides")
    given = options.parse_args()
    failed = []
    for seed in given.seeds:
        for category in given.categories:
            if not (given.root / category).is_dir():
                print(f"{category} is not in {given.root}: left out")
            elif not train(given, category, seed):
                failed.append(f"{category}, seed {seed}")
            write_table(given.out)
    if failed:
        raise SystemExit(f"error: these runs failed: {'; '.join(failed)}")


def train(given: argparse.Namespace, category: str, seed: int) -> bool:
    """One run, resumed where there is a part of it; its metrics into results/. Whether it has finished."""
    place = Path(f"{given.minutes}min") / given.name / category / f"seed{seed}"
    run = (given.runs / place).resolve()
    if not (run / "metrics.json").is_file():
        minutes = f"{given.minutes // 60:02d}:{given.minutes % 60:02d}"
        new = [
            "+category=custom",
            f"category.name={category}",
            "data=mvtec",
            f"data.root={given.root.resolve()}",
            f"seed={seed}",
            f"trainer.max_time=00:{minutes}:00",
            "trainer.max_epochs=-1",
            f"hydra.run.dir={run}",
            *CATEGORIES[category],
            *given.set,
        ]
        arguments = [f"resume={run}"] if (run / "config.yaml").is_file() else new
        print(f"{place}", flush=True)
        subprocess.run([sys.executable, "-m", "anomaly_lab.train", *arguments], check=False)
    if not (run / "metrics.json").is_file():
        return False
    environment = json.loads((run / "environment.json").read_text())
    protocol = {name: environment[name] for name in ("date", "git", "processor", "cores", "threads", "packages")}
    record = {
        "setting": given.name,
        "minutes": given.minutes,
        "set": given.set,
        **json.loads((run / "metrics.json").read_text()),
        "environment": protocol,
    }
    target = given.out / "results" / f"{str(place).replace('/', '_')}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(record, indent=1) + "\n")
    return True


def write_table(out: Path) -> None:
    """table.md: mean ± standard deviation over the seeds, how many they are, and the flat grey beside them."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for path in sorted((out / "results").glob("*.json")):
        record = json.loads(path.read_text())
        groups.setdefault((record["minutes"], record["setting"], record["category"]), []).append(record)
    titles = ["minutes", "setting", "category", "px", "steps", "threads", "seeds", *SHOWN, "flat grey: image / pixel AUROC"]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for (minutes, setting, category), records in sorted(groups.items()):
        first = records[0]
        steps = round(mean(r["steps"] for r in records))
        threads = "/".join(sorted({str(r["environment"]["threads"]) for r in records}))
        cells = [minutes, setting, category, first["image_size"], f"{steps:,}", threads, len(records)]
        cells += [spread([r[name] for r in records]) for name in SHOWN]
        cells.append(" / ".join(spread([r[f"flat_{name}"] for r in records]) for name in ("image_auroc", "pixel_auroc")))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    (out / "table.md").write_text("\n".join(lines) + "\n")


def spread(values: list[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "–"
    return f"{mean(known):.3f}" + (f" ± {stdev(known):.3f}" if len(known) > 1 else "")


if __name__ == "__main__":
    main()

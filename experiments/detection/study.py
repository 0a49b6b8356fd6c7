"""Train the defaults on real photographs, score each run in several ways, and write results/ and the tables.

    python experiments/detection/study.py DIR                           # ten minutes, three seeds, six categories: six hours
    python experiments/detection/study.py DIR --minutes 1 2 5 --seeds 0

DIR holds the categories of experiments/real_images in MVTec AD's layout. What has finished is not repeated and trainings that
were cut off are resumed, so the study can be stopped at any time. All figures on these sets are development figures: their test
images have chosen defaults.
"""

import argparse
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from omegaconf import OmegaConf

HERE = Path(__file__).parent
DEFAULT = HERE.parents[1] / "conf/scoring/default.yaml"
sys.path.insert(0, str(HERE.parent))  # scripts, not a package
import records  # noqa: E402

from anomaly_lab.show.markdown import pipe_table  # noqa: E402

CATEGORIES = ("grid_mini", "aitex_fabric_01", "aitex_fabric_03", "magnetic_tile", "screw_512", "hazelnut_toy")
# how each run is scored: by itself, with ImageNet features, by them alone, by the plain error, as before this study
SCORINGS: dict[str, list[str]] = {
    "default": ["scoring=default"],
    "fused": ["scoring=fused"],
    "features": ["scoring.evidence=features"],
    "paper": ["scoring=paper"],
    "before": ["scoring.evidence=mahalanobis", "calibration=area"],
}
SHOWN = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro", "aupro_05", "aupimo", "tpr", "tnr", "tpr_tnr_mean")
RULED = ("tpr", "image_f1", "image_f1_max", "pixel_fpr", "pixel_tpr")
MEANS = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr_tnr_mean")
TRIVIAL = ("trivial_image_auroc", "trivial_pixel_auroc", "trivial_pixel_ap", "trivial_aupro")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the folder that holds the categories")
    options.add_argument("--runs", type=Path, default=Path("runs/detection"), help="where the run directories go")
    options.add_argument("--out", type=Path, default=HERE, help="where results/ and the tables go")
    options.add_argument("--minutes", type=int, nargs="+", default=[10], help="of training, for which the schedule is made")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--categories", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    options.add_argument("--scorings", nargs="+", choices=SCORINGS, default=list(SCORINGS))
    given = options.parse_args()
    failed = []
    for seed, minutes, category in product(given.seeds, given.minutes, given.categories):
        place = Path(f"{minutes}min") / category / f"seed{seed}"
        if not (given.root / category).is_dir():
            print(f"{category} is not in {given.root}: left out")
            continue
        print(place, flush=True)
        run = (given.runs / place).resolve()
        trained(given.root, run, minutes, category, seed)
        for name in given.scorings:
            scored = run if name == "default" and scored_by_default(run) else evaluated(run, name)
            target = given.out / "results" / f"{str(place).replace('/', '_')}_{name}.json"
            if not records.keep(scored, target, {"scoring": name, "minutes": minutes}):
                failed.append(f"{place}, {name}")
        write_tables(given.out)
    if failed:
        raise SystemExit(f"error: these have no result: {'; '.join(failed)}")


def trained(root: Path, run: Path, minutes: int, category: str, seed: int) -> None:
    """Train the defaults, or resume the training, unless it has finished."""
    if (run / "metrics.json").is_file():
        return
    new = ["+category=custom", f"category.name={category}", "data=mvtec", f"data.root={root.resolve()}", f"seed={seed}"]
    new += [f"trainer.max_time=00:00:{minutes:02d}:00", "trainer.max_epochs=-1", f"hydra.run.dir={run}"]
    command("train", *([f"resume={run}"] if (run / "config.yaml").is_file() else new))


def scored_by_default(run: Path) -> bool:
    """Whether the training's own scoring is today's default; after a change of the default it is not."""
    if not (run / "config.yaml").is_file():
        return False
    own = OmegaConf.load(run / "config.yaml").scoring
    return bool(own.evidence == OmegaConf.load(DEFAULT).scoring.evidence)


def evaluated(run: Path, name: str) -> Path:
    """The run scored in another way, in a directory beside it."""
    out = run.parent / f"{run.name}_{name}"
    if not (out / "metrics.json").is_file() and (run / "metrics.json").is_file():
        command("evaluate", f"run={run}", f"out={out}", *SCORINGS[name])
    return out


def command(name: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"anomaly_lab.{name}", *arguments], check=False)


def write_tables(out: Path) -> None:
    """table.md: each scoring's mean over the categories, by minutes. sets.md: each category. thresholds.md: false alarms."""
    by_set, rates, by_scoring = [], [], []
    means: dict[tuple[int, str], list[dict[str, float]]] = {}
    counts: dict[tuple[int, str], set[int]] = {}
    for (minutes, scoring, category), found in records.grouped(out, "minutes", "scoring", "category"):
        spread = {name: records.spread([r[name] for r in found]) for name in (*SHOWN, *TRIVIAL, *RULED, "false_alarm_rate")}
        head = [minutes, scoring, category, len(found)]
        steps = f"{mean(r['steps'] for r in found):,.0f}"
        by_set.append([*head, steps, *(spread[name] for name in SHOWN), " / ".join(spread[name] for name in TRIVIAL)])
        kept = records.spread([None if r["tnr"] is None else 1 - r["tnr"] for r in found])
        rates.append([*head, found[0]["n_validation"], spread["false_alarm_rate"], kept, *(spread[name] for name in RULED)])
        means.setdefault((minutes, scoring), []).append({name: mean(r[name] for r in found) for name in MEANS})
        counts.setdefault((minutes, scoring), set()).add(len(found))
    for (minutes, scoring), sets in sorted(means.items()):
        seeds = "/".join(map(str, sorted(counts[minutes, scoring])))
        by_scoring.append([minutes, scoring, len(sets), seeds, *(f"{mean(s[name] for s in sets):.3f}" for name in MEANS)])
    head = ["minutes", "scoring", "category", "seeds"]
    write(out / "table.md", ["minutes", "scoring", "sets", "seeds", *MEANS], by_scoring)
    write(out / "sets.md", [*head, "steps", *SHOWN, "trivial: " + " / ".join(MEANS[:4])], by_set)
    write(out / "thresholds.md", [*head, "held-out images", "false alarms promised", "kept", *RULED], rates)


def write(path: Path, titles: list[str], rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pipe_table(titles, rows) + "\n")


if __name__ == "__main__":
    main()

"""Does direct segmentation overfit the corruption? What `segment` and `restore` find over the length of the training.

    python experiments/baselines/over_time.py DIR --sets grid_mini hazelnut_toy --steps 50 100 200 400 800 --seeds 0 1 2

Section 4.4 of the paper: a network trained to segment the corruptions "begins to overfit on used distortion patterns already
after a few training epochs". For each length, a training of its own, with a whole schedule, is scored by pixel AP and AUROC on

- its own corruption (elastic) of held-out normal images, with draws that the training did not see,
- another corruption (the validation's: textures and blur) of the same images,
- the real defects of the test images.

If the paper is right, the first rises, and the third falls or stays low. Writes over_time.md and over_time.svg; what has
finished is not repeated. Several calls with other --sets can run side by side.
"""

import argparse
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # scripts, not a package
import numpy as np  # noqa: E402
import records  # noqa: E402
import torch  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from methods import METHODS, SETS  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402

from anomaly_lab.build import build  # noqa: E402
from anomaly_lab.data.pairs import corrupted_pair  # noqa: E402
from anomaly_lab.metrics.pooled import PixelMetrics  # noqa: E402
from anomaly_lab.runs.trained import load  # noqa: E402
from anomaly_lab.scored import look  # noqa: E402
from anomaly_lab.show import figures  # noqa: E402,F401  # no window
from anomaly_lab.show.markdown import pipe_table  # noqa: E402

COPIES = 3  # corrupted crops of each held-out image
OBJECTIVES = ("segment", "restore")
CURVES = {  # of the plot: metric → what it is scored on, colour
    "own_ap": ("its own corruption", "#0072B2"),
    "other_ap": ("another corruption", "#009E73"),
    "pixel_ap": ("real defects", "#D55E00"),
}
SHOWN = ("own_ap", "other_ap", "pixel_ap", "own_auroc", "other_auroc", "pixel_auroc", "image_auroc")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the folder that holds the sets")
    options.add_argument("--runs", type=Path, default=Path("runs/baselines_over_time"), help="where the run directories go")
    options.add_argument("--out", type=Path, default=HERE / "over_time", help="where results/ and over_time.md go")
    options.add_argument("--steps", type=int, nargs="+", default=[50, 100, 200, 400, 800])
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--sets", nargs="+", choices=SETS, default=["grid_mini", "hazelnut_toy", "aitex_fabric_03"])
    options.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further overrides")
    given = options.parse_args()
    for seed, name, steps, objective in product(given.seeds, given.sets, given.steps, OBJECTIVES):
        place = f"{objective}_{name}_{steps}steps_seed{seed}"
        target, run = given.out / "results" / f"{place}.json", (given.runs / place).resolve()
        if target.is_file():
            continue
        print(place, flush=True)
        if not (run / "metrics.json").is_file():
            new = ["+category=custom", f"category.name={name}", "data=folder", f"data.root={given.root.resolve()}"]
            new += [f"seed={seed}", *METHODS[objective], "trainer.max_epochs=1", f"data.steps_per_epoch={steps}"]
            new += ["trainer.max_time=null", f"hydra.run.dir={run}", *given.set]
            arguments = [f"resume={run}"] if (run / "config.yaml").is_file() else new
            train(arguments)
        if (run / "metrics.json").is_file():
            records.keep(run, target, {"objective_name": objective, "set": name, "length": steps, **corruptions(run)})
        write_table(given.out)


def train(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "anomaly_lab.train", *arguments], check=False)


def corruptions(run: Path) -> dict[str, Any]:
    """Pixel AP and AUROC of the run's own corruption and of the validation's, on crops of held-out normal images.

    The crops are as large as in training: the size of a corruption is a share of its image.
    """
    trained = load(run)
    images, side, found = trained.data().validation, trained.module.hparams["scoring"]["train_size"], {}
    for name, key in (("own", "corruption"), ("other", "validation_corruption")):
        corrupt, pixels = build(OmegaConf.to_container(trained.config[key])), PixelMetrics()  # type: ignore[arg-type]
        for i in range(len(images) * COPIES):
            rng = np.random.default_rng([9, i])  # no training draws from 9 alone
            X = cropped(images.whole(i // COPIES).permute(1, 2, 0).numpy(), side, rng)
            pair = corrupted_pair(X, corrupt, rng)
            heatmap = torch.from_numpy(look(trained.module, pair["X_hat"], X.shape[:2]).heatmap)
            truth = pair["M"][0] > 0
            pixels.update(heatmap, truth, torch.zeros_like(truth))
        values = pixels.compute()
        found |= {f"{name}_ap": values["pixel_ap"], f"{name}_auroc": values["pixel_auroc"]}
    return found


def cropped(X: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of X (h, w, 3), or as much of it as there is."""
    top, left = (int(rng.integers(0, max(0, length - side) + 1)) for length in X.shape[:2])
    return X[top : top + side, left : left + side].copy()


def write_table(out: Path) -> None:
    """over_time.md, mean ± standard deviation over the seeds, and its curves."""
    found = records.grouped(out, "set", "objective_name", "length")
    rows = [[*key, len(rs), *(records.spread([r[m] for r in rs]) for m in SHOWN)] for key, rs in found]
    if rows:
        (out / "over_time.md").write_text(pipe_table(["set", "objective", "steps", "seeds", *SHOWN], rows) + "\n")
        draw(found, out / "over_time.svg")


def draw(found: list[tuple[tuple[Any, ...], list[dict[str, Any]]]], path: Path) -> None:
    """Pixel AP over the steps, a column a set and a row an objective. Bars: least and greatest of the seeds."""
    names = sorted({key[0] for key, _ in found})
    figure, grid = plt.subplots(
        len(OBJECTIVES),
        len(names),
        figsize=(3.4 * len(names) + 0.6, 5.6),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for (row, objective), (column, name) in product(enumerate(OBJECTIVES), enumerate(names)):
        axis, mine = grid[row, column], {key[2]: rs for key, rs in found if key[:2] == (name, objective)}
        for metric, (label, color) in CURVES.items():
            values = {steps: [r[metric] for r in rs if r[metric] is not None] for steps, rs in mine.items()}
            points = [(steps, mean(seeds), min(seeds), max(seeds)) for steps, seeds in values.items() if seeds]
            if points:
                steps, means, low, high = zip(*points, strict=True)
                axis.plot(steps, means, "o-", color=color, markersize=3, label=label)
                axis.vlines(steps, low, high, color=color, linewidth=1)
        trivial = [r["trivial_pixel_ap"] for rs in mine.values() for r in rs if r.get("trivial_pixel_ap") is not None]
        if trivial:
            axis.axhline(max(trivial), color="black", linestyle=":", linewidth=1, label="best trivial map, real defects")
        axis.set(title=f"{objective}, {name}", xscale="log", ylim=(0, 1), xlabel="steps", ylabel="pixel AP")
        lengths = sorted({key[2] for key, _ in found})
        axis.set_xticks(lengths, [str(steps) for steps in lengths])
        axis.minorticks_off()
        axis.label_outer()
        axis.grid(alpha=0.3)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=2)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()

"""Does a prediction notice that the light has changed, and does it keep quiet while nothing has? It writes drift.md.

    python experiments/drift/drift.py DIR/magnetic_tile              # ten minutes: three of them train

Magnetic tiles were photographed under six exposures. A model learns from normal tiles under exposures 1 to 4. Then streams of
other normal tiles come in: under exposures 1 to 4, and under 5 and 6. No tile is both in the training and in a stream.
"""

import argparse
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from anomaly_lab.calibration.drift import RATE, WINDOW, Drift
from anomaly_lab.show.markdown import pipe_table

HERE = Path(__file__).parent
KNOWN, NEW = "1234", "56"  # exposures
DRAWS = 1000  # windows drawn from the stream without drift, each without repetition, for the share that warns
MODELS = {"knn": ["model=knn"], "default": ["trainer.max_epochs=-1"]}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("root", type=Path, help="the category's folder")
    options.add_argument("--runs", type=Path, default=Path("runs/drift"))
    options.add_argument("--out", type=Path, default=HERE)
    options.add_argument("--minutes", type=int, default=3, help="of training, where the model is trained")
    options.add_argument("--set", nargs="*", default=[], help="overrides of the training")
    given = options.parse_args()
    runs, (trained, streams) = given.runs.resolve(), parted(given.root.resolve())
    folder = runs / "data" / "tiles" / "train" / "good"
    folder.mkdir(parents=True, exist_ok=True)
    for path in trained:
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
    rows = []
    for model, overrides in MODELS.items():
        run = runs / model
        if not (run / "metrics.json").is_file():
            new = [
                "+category=custom",
                "category.name=tiles",
                "data=folder",
                f"data.root={runs / 'data'}",
                f"hydra.run.dir={run}",
            ]
            command("train", *new, f"trainer.max_time=00:00:{given.minutes:02d}:00", *overrides, *given.set)
        for name, images in streams.items():
            rows.append([model, f"{name}: {len(images)}", *measured(run, runs, name, images)])
    titles = ["model", "stream, exposures: images", "false alarms", "unlike the training", "windows", "that warn", "lowest p"]
    lines = [
        f"Trained on {len(trained)} normal tiles under exposures 1 to 4. A window has {WINDOW} images that passed; a false "
        f"warning is promised in a share of {RATE} of them. “Drawn”: the share that warns of {DRAWS} "
        "windows, each drawn from the stream without repetition.",
        "",
        pipe_table(titles, rows),
    ]
    (given.out / "drift.md").write_text("\n".join(lines) + "\n")


def parted(root: Path) -> tuple[list[Path], dict[str, list[Path]]]:
    """(images to train on, streams of images). All photographs of a tile are on one side: its number decides."""
    found: dict[str, list[Path]] = {}
    for path in sorted(root.glob("t*/good/*")):
        if match := re.fullmatch(r"exp(\d)_num_(\d+)", path.stem):
            side = "train" if random.Random(match[2]).random() < 0.5 else "stream"
            found.setdefault(f"{side} {match[1]}", []).append(path)

    def of(side: str, exposures: str) -> list[Path]:
        images = [path for exposure in exposures for path in found.get(f"{side} {exposure}", [])]
        return random.Random(0).sample(images, len(images))

    return of("train", KNOWN), {
        KNOWN: of("stream", KNOWN),
        "5": of("stream", "5"),
        "6": of("stream", "6"),
        NEW: of("stream", NEW),
    }


def measured(run: Path, runs: Path, name: str, images: list[Path]) -> list[Any]:
    """Predict a stream and count: false alarms, images unlike the training, windows, warnings, and the lowest p-value."""
    names, out = runs / f"{name}.txt", runs / f"{run.name}_{name}"
    names.write_text("\n".join(map(str, images)) + "\n")
    command("predict", f"run={run}", f"images={names}", f"out={out}")
    rows = [json.loads(line) for line in (out / "predictions.jsonl").open()]
    windows = json.loads((out / "summary.json").read_text())["windows"]
    warn = f"{sum(w['warns'] for w in windows)}"
    if name in (KNOWN, NEW):
        warn += f"; drawn: {drawn(run, [row['level'] for row in rows]):.3f}"
    alarms, odd = sum(row["defective"] for row in rows), sum(bool(row["unlike"]) for row in rows)
    lowest = min((w["p"] for w in windows), default=None)
    share = [f"{count / len(rows):.3f}" for count in (alarms, odd)]
    return [*share, len(windows), warn, "–" if lowest is None else f"{lowest:.1e}"]


def drawn(run: Path, levels: list[float]) -> float:
    """The share of windows drawn from a stream that warn."""
    import torch

    stored = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    normal = stored["hyper_parameters"]["calibration"]["levels"]
    threshold, rng, warned = float(stored["state_dict"]["threshold"]), random.Random(0), 0
    passed = [level for level in levels if level <= threshold]
    for _ in range(DRAWS):
        drift = Drift(normal, threshold)
        found = [shift for level in rng.sample(passed, min(WINDOW, len(passed))) if (shift := drift.update(level))]
        warned += any(shift.warns for shift in found)
    return warned / DRAWS


def command(name: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"anomaly_lab.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()

"""Kill a prediction with signal 9 at random moments and start it again. Are its rows those of one that ran through?
It writes predict.md.

    python experiments/kill_resume/kill_predict.py runs/DIRECTORY IMAGES      # 20 kills, minutes

IMAGES should hold enough images for a prediction of a minute.
"""

import argparse
import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("images", type=Path)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--longest", type=float, default=8.0, help="seconds after which a start is killed at the latest")
    given = options.parse_args()
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        start(given, whole).wait()
        kills, moments = 0, []
        while True:
            process = start(given, killed)
            wait = rng.uniform(0, given.longest) if kills < given.kills else None
            try:
                process.wait(wait)
                if wait is None or process.returncode != 0:
                    break
                for path in killed.glob("predictions.*"):  # it ended too early for the kill: begin again
                    path.unlink()
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                moments.append((wait, len(rows(killed))))
        status = process.returncode
        first, second = ({row["path"]: compared(row) for row in rows(out)} for out in (whole, killed))
        count = len(rows(killed))
        with (killed / "predictions.csv").open(newline="") as file:
            table = [row["path"] for row in csv.DictReader(file)]
    same = first == second and count == len(second) and table == list(second)
    lines = [
        f"{time.strftime('%Y-%m-%d')}: {kills} kills with signal 9, the last start ended with status {status}. "
        f"{count} rows of {len(first)} images, {count - len(second)} twice; {'equal' if same else 'NOT equal'} to those of a "
        "prediction that ran through, in predictions.jsonl and predictions.csv.",
        "",
        f"Seconds after each start, and rows then on disk: {', '.join(f'{m:.1f} ({n})' for m, n in moments)}.",
    ]
    (HERE / "predict.md").write_text("\n".join(lines) + "\n")
    print(lines[0])
    raise SystemExit(not same)


def start(given: argparse.Namespace, out: Path) -> subprocess.Popen[bytes]:
    arguments = [f"run={given.run}", f"images={given.images}", f"out={out}", "save=masks"]
    return subprocess.Popen([sys.executable, "-m", "anomaly_lab.predict", *arguments], stdout=subprocess.DEVNULL)


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows on disk; a last line that was cut off is none."""
    path = out / "predictions.jsonl"
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def compared(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "ms"}


if __name__ == "__main__":
    main()

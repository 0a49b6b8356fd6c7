"""The measured table of speed and memory: make bench (at most 10 minutes on two cores)

    python experiments/benchmarks/bench.py [--short] [--only training loop] [--out DIR]

Each part compares settings in turns, in one process, by medians; what has a target says whether it is met. Writes table.md and
table.json beside this file. --short runs everything on tiny networks: it shows that the programs work, and no speed.
"""

import argparse
import json
import platform
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import growth
import inference
import loop
import memory
import samples
import startup
import torch
import training
from measure import Row

from anomaly_lab.files import write_text
from anomaly_lab.progress import bar
from anomaly_lab.runs.environment import environment
from anomaly_lab.runs.machine import keep_freed_memory
from anomaly_lab.training.device import best_precision

PARTS = {
    "training": training.rows,
    "inference": inference.rows,
    "loop": loop.rows,
    "samples": samples.rows,
    "startup": startup.rows,
    "memory": memory.rows,
}
TABLES = ("profile", "growth")


def line(row: Row) -> str:
    goal = "" if row.target is None else f"{'≤' if row.at_most else '≥'} {row.target:g}"
    state = {None: "", True: "met", False: "**not met**"}[row.met]
    return f"| {row.what} | {row.value:.3g} {row.unit} | {goal} | {state} | {row.how} |"


def markdown(record: dict[str, Any], rows: list[Row], profile: list, tables: list[growth.Table]) -> str:
    text = f"""# Speed and memory

`{record["command"]}`, {record["date"]}: {record["processor"]}, {record["threads"]} threads, torch {record["torch"]}, Python
{record["python"]}, {record["system"]}; default precision here: {record["precision"]}. {record["minutes"]} minutes. Ratios are
medians over interleaved rounds.

| what | measured | target | | |
|---|---|---|---|---|
""" + "\n".join(map(line, rows))
    if profile:
        total = sum(seconds for _, seconds in profile)
        text += f"\n\n## Where a training step of half width goes ({1000 * total:.0f} ms)\n"
        text += "\n| work | ms | share |\n|---|---|---|\n"
        text += "\n".join(f"| {kind} | {1000 * s:.1f} | {s / total:.1%} |" for kind, s in profile)
    if tables:
        text += (
            "\n\n## How cost grows\n\nThe exponent is that of cost over the size in the first column. Sizes take turns, so "
            "a step\ntakes longer than in the first table, which repeats one of them: it is the exponents that are meant.\n"
        )
    for what, unit, costs, slope in tables:
        values = " | ".join(value for value, _ in costs)
        seconds = " | ".join(f"{cost:.3g}" for _, cost in costs)
        text += f"\n| {what} | {values} | exponent |\n|{'---|' * (len(costs) + 2)}\n| {unit} | {seconds} | {slope:.2f} |\n"
    return text.rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="tiny networks, a round each")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, *TABLES], default=[*PARTS, *TABLES])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for table.md and table.json")
    options = parser.parse_args()
    keep_freed_memory()
    cv2.setNumThreads(0)
    threads, start = torch.get_num_threads(), time.perf_counter()
    rows: list[Row] = []
    minutes: dict[str, float] = {}
    with bar("Measuring") as update:
        for i, name in enumerate(options.only):
            update(i, len(options.only))
            began = time.perf_counter()
            rows += PARTS[name](options.short) if name in PARTS else []
            torch.set_num_threads(threads)
            minutes[name] = round((time.perf_counter() - began) / 60, 2)
    profile = training.profile(options.short) if "profile" in options.only else []
    tables = growth.tables(options.short) if "growth" in options.only else []
    machine = environment()
    record: dict[str, Any] = {
        "command": " ".join(["python experiments/benchmarks/bench.py", *(["--short"] if options.short else [])]),
        "date": date.today().isoformat(),
        "processor": machine["processor"],
        "cores": machine["cores"],
        "threads": threads,
        "torch": machine["packages"]["torch"],
        "packages": machine["packages"],
        "git": machine["git"],
        "python": platform.python_version(),
        "system": platform.system(),
        "precision": best_precision("auto"),
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "minutes_of_parts": minutes,
    }
    text = markdown(record, rows, profile, tables)
    values = {"rows": [asdict(row) | {"met": row.met} for row in rows], "profile": profile, "growth": tables}
    write_text(options.out / "table.md", text)
    write_text(options.out / "table.json", json.dumps(record | values, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()

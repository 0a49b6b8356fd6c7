"""One image of 8,000 × 6,000, and a stream of 100,000 images: does memory stay, and are results those of the whole? It writes
large.md and stream.md.

    python experiments/benchmarks/in_use/endurance.py runs/DIRECTORY runs/TINY    # 40 minutes on two cores

The large image is scored in blocks, and as a whole where memory allows it. It is a mosaic of the test images of the first run.
The stream consists of links to test images of the second run, at 64²: how a small network decides shows how the rest keeps.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from anomaly_lab.show.markdown import pipe_table

HERE = Path(__file__).parent
SIDES = ((3_000, 4_000), (6_000, 8_000))  # of the large image, (H, W)
MOMENTS = (1_000, 10_000, 100_000)  # rows at which the memory of the stream is read
ONE = """
import math, resource, sys, time
import torch
from pathlib import Path
import numpy as np
from anomaly_lab import scored
from anomaly_lab.data.images import read_image
from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.runs.trained import load
run, image, out, how = sys.argv[1:]
if how == "whole":
    scored.LARGEST = math.inf
torch.set_num_threads(1)
module = load(Path(run)).module.eval()
start = time.perf_counter()
X, size, _, way = prepared(read_image(Path(image)), scored.preprocessing_of(module))
found = scored.look(module, X, size, way=way)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, found.score)
np.save(out, found.heatmap)
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=lambda name: Path(name).resolve(), help="scores the large image")
    options.add_argument("tiny", type=lambda name: Path(name).resolve(), help="decides about the stream")
    options.add_argument("--rows", type=int, default=MOMENTS[-1], help="images of the stream")
    options.add_argument("--only", choices=("large", "stream"))
    given = options.parse_args()
    head = f"{time.strftime('%Y-%m-%d')}, {len(os.sched_getaffinity(0))} cores"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only != "stream":
            rows = [row for height, width in SIDES for row in in_two_ways(given.run, folder, height, width)]
            titles = ("image", "how", "seconds", "peak MiB", "score", "largest difference of the heatmaps")
            (HERE / "large.md").write_text(f"{head}, one thread.\n\n{pipe_table(titles, rows)}\n")
        if given.only != "large":
            (HERE / "stream.md").write_text(f"{head}. {stream(given.tiny, folder, given.rows)}\n")


def in_two_ways(run: Path, folder: Path, height: int, width: int) -> list[list[object]]:
    """Rows of one large image: in blocks, and as a whole."""
    image, rows, heatmaps = folder / f"{height}.png", list[list[object]](), list[np.ndarray]()
    cv2.imwrite(str(image), mosaic(run, height, width))
    for how in ("in blocks", "whole"):
        out = folder / f"{how}.npy"
        ended = subprocess.run([sys.executable, "-c", ONE, run, image, out, how], text=True, capture_output=True)
        name = f"{width:,} × {height:,}"
        if ended.returncode:
            why = f"status {ended.returncode}: {(ended.stderr.strip().splitlines() or ['killed'])[-1][:80]}"
            rows.append([name, how, why, "–", "–", "–"])
            continue
        seconds, peak, score = map(float, ended.stdout.split())
        heatmaps.append(np.load(out))
        difference = f"{np.abs(heatmaps[0] - heatmaps[-1]).max():.2g}" if len(heatmaps) == 2 else "–"
        rows.append([name, how, f"{seconds:.0f}", f"{peak:.0f}", f"{score:.6f}", difference])
        print(*rows[-1], sep=" | ", flush=True)
    return rows


def mosaic(run: Path, height: int, width: int) -> np.ndarray:
    """Test images side by side, each in one of its four mirrored forms."""
    pictures, draw = test_images(run), random.Random(0)
    h, w = pictures[0].shape[:2]
    bands = []
    for _ in range(-(-height // h)):
        line = [draw.choice(pictures)[:: draw.choice((1, -1)), :: draw.choice((1, -1))] for _ in range(-(-width // w))]
        bands.append(np.concatenate(line, 1))
    return np.concatenate(bands)[:height, :width]


def test_images(run: Path) -> list[np.ndarray]:
    from anomaly_lab.runs.trained import load

    return [cv2.imread(str(sample.path)) for sample in load(run).data().test]


def stream(run: Path, folder: Path, count: int) -> str:
    """Decide about `count` files, reading the process's memory meanwhile; a table."""
    names, files = folder / "names.txt", folder / "files"
    sources = test_images(run)
    for i in range(count):
        place = files / f"{i // 1000:03d}" / f"{i:06d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        if i < len(sources):
            cv2.imwrite(str(place), sources[i][:64, :64])
        else:
            os.link(files / "000" / f"{i % len(sources):06d}.png", place)
    names.write_text("\n".join(str(path) for path in sorted(files.rglob("*.png"))))
    out = folder / "out"
    command = [sys.executable, "-m", "anomaly_lab.predict", f"run={run}", f"images={names}", f"out={out}"]
    start, table, found, at = time.perf_counter(), list[list[object]](), 0, 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    waited = [moment for moment in MOMENTS if moment <= count]
    last: list[object] = []
    while waited:
        running = process.poll() is None
        if running and (mib := resident(process.pid)):
            last = [f"{time.perf_counter() - start:.0f}", *mib]
        more, at = lines(out / "predictions.jsonl", at)
        found += more
        while waited and found >= waited[0]:
            table.append([f"{waited.pop(0):,}", *last])
            print(*table[-1], sep=" | ", flush=True)
        if not running:
            break
        time.sleep(0.2)
    status = process.wait()
    columns = ("rows on disk", "seconds", "resident MiB", "peak MiB")
    return f"{count:,} files of 64², status {status}, {found:,} rows:\n\n{pipe_table(columns, table)}"


def lines(path: Path, at: int) -> tuple[int, int]:
    """(whole lines of a growing file behind its byte `at`, the byte behind them)."""
    if not path.is_file():
        return 0, at
    with path.open("rb") as file:
        file.seek(at)
        new = file.read()
    return new.count(b"\n"), at + new.rfind(b"\n") + 1


def resident(pid: int) -> tuple[int, int] | None:
    """Resident memory of a process now, and its highest, MiB; None for one that ends."""
    try:
        said = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(said["VmRSS"].split()[0]) // 1024, int(said["VmHWM"].split()[0]) // 1024
    except (OSError, KeyError):
        return None


if __name__ == "__main__":
    main()

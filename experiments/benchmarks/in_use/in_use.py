"""From JPEG files to rows on disk: how fast is a run in use, and each of its exports? It writes table.md.

    python experiments/benchmarks/in_use/in_use.py runs/DIRECTORY               # half an hour on two cores
    python experiments/benchmarks/in_use/in_use.py runs/DIRECTORY --peers PYTHON

Each setting is a prediction of its own process over the same files, once more with one decision at a time, and once with one
file for the start. The network alone is the same decisions, in one process, without reading files or writing rows. The run
should have test images of 256².
PYTHON is one that has anomalib, see ../peers: its models decide about the same files, with its own inferencer.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from anomaly_lab.show.markdown import pipe_table

HERE = Path(__file__).parent
PEERS = HERE.parent / "peers/of_anomalib.py"
SIDES = (256, 1024)
RUNTIMES: dict[str, tuple[str, ...] | None] = {  # name → arguments of the export; None: the run itself
    "torch": None,
    "onnx": ("format=onnx",),
    "openvino": ("format=openvino",),
    "openvino, int8": ("format=openvino", "precision=int8", "tolerate=1000"),
    "torch.export": ("format=torch_export",),
}
MODELS = {"patchcore": "anomalib PatchCore, OpenVINO", "efficient_ad": "anomalib EfficientAD-S, OpenVINO"}
TITLES = ("side", "runtime", "images/s", "with parallel=1", "alone, images/s", "alone / end to end", "median ms",
          "95th percentile, ms", "first decision, s", "peak MiB", "decided differently", "AUPRO, change")  # fmt: skip
ROWS = "predictions.jsonl"
NORMAL = 25  # images for PatchCore's bank; more make it larger and slower
VERSION = "import importlib.metadata as m; print(m.version('anomalib'), 'with OpenVINO', m.version('openvino'))"
ALONE = """
import sys, time, json
from pathlib import Path
from anomaly_lab.pipeline.deciders import decider
from anomaly_lab.pipeline.reading import in_order, opened
from anomaly_lab.predict import PARALLEL
from anomaly_lab.runs.machine import allowed
run, model, runtime, folder = (None if a == "-" else a for a in sys.argv[1:])
judge = decider(run and Path(run), model and Path(model), runtime, min(allowed(), PARALLEL))  # as predict does
images = [image for _, image in opened(sorted(Path(folder).iterdir())[:40], judge.preprocessing, 1)]
def decided(images):
    return sum(1 for _ in in_order(judge.decide, images, judge.parallel, judge.begin))
decided(images[:judge.parallel])
start = time.perf_counter()
decided(images)
print(json.dumps(len(images) / (time.perf_counter() - start)))
"""


class Measured(NamedTuple):
    """Of one prediction: images per second after the first row; milliseconds of the decisions; seconds from the start of the
    process to the first row; the highest resident memory."""

    rate: float
    ms: list[float]
    first: float
    mib: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=lambda name: Path(name).resolve())
    options.add_argument("--images", type=int, default=200, help="files of 256²; a quarter as many of 1024²")
    options.add_argument("--out", type=Path, default=HERE)
    options.add_argument("--only", nargs="*", choices=RUNTIMES, default=list(RUNTIMES))
    options.add_argument("--peers", type=Path, metavar="PYTHON", help="one that has anomalib and OpenVINO")
    given = options.parse_args()
    rows, models = [], dict[str, Path]()
    peers = "anomalib's models were left out: no --peers PYTHON was given."
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.peers is not None:
            models, failed = exported_peers(given.peers, given.run, folder)
            version = subprocess.run([given.peers, "-c", VERSION], text=True, capture_output=True, check=True).stdout.strip()
            peers = (
                "anomalib's models have random weights, which take as long, and see every image at 256²; the bank comes "
                f"from {NORMAL} normal ones; version {version}. {' '.join(failed)}"
            )
        for side in SIDES:
            photographs(given.run, folder / f"{side}", side, given.images if side == SIDES[0] else max(2, given.images // 4))
            for runtime in given.only:
                rows.append([f"{side}²", runtime, *row(given.run, folder, side, runtime)])
                write(given.out / "table.md", rows, given.images, peers)
            for title, model in models.items():
                rows.append([f"{side}²", title, *peer_row(given.peers, model, folder / f"{side}", folder / "out")])
                write(given.out / "table.md", rows, given.images, peers)


def write(path: Path, rows: list[list[Any]], images: int, peers: str) -> None:
    """Print the last row, and write the table so far."""
    print(*rows[-1], sep=" | ", flush=True)
    head = (
        f"{time.strftime('%Y-%m-%d')}, {processor()}, {len(os.sched_getaffinity(0))} cores. {images} JPEG files of 256², a "
        "quarter as many of 1024², made from the run's test images. “Decided differently” and AUPRO: as the export found them "
        f"on the run's images. {peers}"
    )
    path.write_text(head + "\n\n" + pipe_table(TITLES, rows) + "\n")


def photographs(run: Path, folder: Path, side: int, count: int) -> None:
    """Write JPEG files of the run's test images at this side, each with noise of its own."""
    from anomaly_lab.runs.trained import load

    data, random = load(run).data(), np.random.default_rng(0)
    sources = [cv2.imread(str(sample.path)) for sample in data.test]
    folder.mkdir()
    for i in range(count):
        image = cv2.resize(sources[i % len(sources)], (side, side), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(image + random.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:04d}.jpg"), noisy)


def row(run: Path, folder: Path, side: int, runtime: str) -> list[Any]:
    """The cells of one setting."""
    exported, decider, agreement = RUNTIMES[runtime], [f"run={run}"], None
    images, suffix = folder / f"{side}", ".pt2"
    if exported is not None:
        suffix = ".onnx" if exported[0] == "format=onnx" else ".xml" if exported[0] == "format=openvino" else suffix
        file = folder / f"{runtime.replace(', ', '_')}_{side}{suffix}"
        own = [] if side == SIDES[0] else [f"size={side}x{side}", f"images={images}"]
        command = [sys.executable, "-m", "anomaly_lab.export", f"run={run}", f"out={file}", *exported, *own]
        ended = subprocess.run(command, text=True, capture_output=True)
        if ended.returncode:
            return [ended.stderr.strip().splitlines()[-1][:200], *["–"] * (len(TITLES) - 3)]
        agreement = json.loads(next(file.parent.glob(f"{file.name}*.json")).read_text())["as_the_run_decides"]
        decider = [f"model={file}"]
    measured = predicted(decider, images, folder / "out")
    one_at_a_time = predicted([*decider, "parallel=1"], images, folder / "out").rate
    start = predicted(decider, images / "0000.jpg", folder / "out")
    place = [str(run), "-", "-"] if exported is None else ["-", decider[0].removeprefix("model="), "-"]
    alone = float(
        subprocess.run([sys.executable, "-c", ALONE, *place, str(images)], capture_output=True, text=True, check=True).stdout
    )
    differ = "–" if agreement is None else f"{len(agreement['disagreeing'])} of {agreement['images']}"
    change = (
        "–" if agreement is None or agreement.get("aupro") is None else f"{agreement['aupro'] - agreement['aupro_run']:+.4f}"
    )
    return [*cells(measured, one_at_a_time, alone, start), differ, change]


def exported_peers(python: Path, run: Path, folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Export anomalib's models, with training images of the run: title → file; and a sentence for each that can't be."""
    from anomaly_lab.runs.trained import load

    normal = folder / "normal"
    normal.mkdir()
    for i, sample in enumerate(load(run).data().found.train[:NORMAL]):
        cv2.imwrite(str(normal / f"{i:04d}.png"), cv2.imread(str(sample.path)))
    found, failed = {}, []
    for name, title in MODELS.items():
        print(f"{title}: exporting", flush=True)
        ended = subprocess.run(
            [python, PEERS, "export", name, normal, folder / name], text=True, capture_output=True, cwd=folder
        )
        if ended.returncode:
            why = (ended.stderr.strip().splitlines() or [""])[-1][:200]
            failed.append(f"{title} could not be exported here ({why or f'status {ended.returncode}'}).")
            print(failed[-1], flush=True)
        else:
            found[title] = folder / ended.stdout.strip().splitlines()[-1]
    return found, failed


def peer_row(python: Path, model: Path, images: Path, out: Path) -> list[str]:
    """The cells of one of anomalib's models; what only an export of ours has is left empty."""

    def command(given: Path) -> list[str]:
        return [str(python), str(PEERS), "decide", str(model), str(given), str(out / ROWS)]

    for _ in range(2):  # the first start fills its inferencer's cache of compiled models
        start = timed(command(images / "0000.jpg"), out)
    return [*cells(timed(command(images), out), None, None, start), "–", "–"]


def cells(measured: Measured, one_at_a_time: float | None, alone: float | None, start: Measured) -> list[str]:
    """The cells of speed: of all images, with one decision at a time, of decisions alone, and of a start with one image."""
    of_decision = ["–", "–"] if alone is None else [f"{alone:.1f}", f"{alone / measured.rate:.2f}"]
    of_decision.insert(0, "–" if one_at_a_time is None else f"{one_at_a_time:.1f}")
    latency = [f"{statistics.median(measured.ms):.0f}", f"{np.quantile(measured.ms, 0.95):.0f}"]
    return [f"{measured.rate:.1f}", *of_decision, *latency, f"{start.first:.1f}", f"{measured.mib:.0f}"]


def predicted(decider: list[str], images: Path, out: Path) -> Measured:
    """Run a prediction of ours."""
    return timed([sys.executable, "-m", "anomaly_lab.predict", *decider, f"images={images}", f"out={out}"], out)


def timed(command: list[str], out: Path) -> Measured:
    """Run a command that writes rows to OUT/predictions.jsonl, and look at them while they come."""
    if out.exists():
        shutil.rmtree(out)
    out.mkdir()
    begin, lines = time.perf_counter(), out / ROWS
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=out.parent)
    first, pid = 0.0, 0
    while not pid:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not first and lines.is_file() and lines.stat().st_size:
            first = time.perf_counter() - begin
        time.sleep(0.002)
    if status:
        raise RuntimeError(f"{command}: {process.stderr and process.stderr.read().decode()[-500:]}")
    end = lines.stat().st_mtime - time.time() + time.perf_counter() - begin  # the last row; the contact sheet comes later
    ms = [json.loads(line)["ms"] for line in lines.read_text().splitlines()]
    return Measured((len(ms) - 1) / max(1e-9, end - first), ms, first, usage.ru_maxrss / 1024)


def processor() -> str:
    """The name of the processor."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return names[0] if names else "unknown processor"


if __name__ == "__main__":
    main()

"""What several test files share: a small data set in the MVTec layout, and the training command run inside this process."""

import contextlib
import csv
import io
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:  # a process of pytest-xdist that runs none of these tests need not wait for torch
    import lightning as L

    from anomaly_lab.data.datamodule import AnomalyDataModule
    from anomaly_lab.module import AnomalyModule

# Before anything of the package is imported: nothing that a test generates belongs into the user's own cache. One folder for
# all workers of a session: the first process makes it, and xdist's workers inherit the variable.
if "ANOMALY_LAB_TEST_CACHE" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="anomaly_lab-tests-", ignore_cleanup_errors=True)
    os.environ["ANOMALY_LAB_TEST_CACHE"] = _cache.name
os.environ["ANOMALY_LAB_CACHE"] = os.environ["ANOMALY_LAB_TEST_CACHE"]
for _name in ("WANDB_API_KEY", "WANDB_MODE"):  # a developer's own account is none of the tests' business
    os.environ.pop(_name, None)
os.environ["WANDB_SILENT"] = "true"
# Tiny networks gain nothing by threads. Two workers of pytest-xdist, and the commands they start, would fight for the cores.
os.environ["OMP_NUM_THREADS"] = "1"
# A busy machine is no fault of what is tested.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def real_data() -> Path | None:
    """The folder of real photographs: ANOMALY_LAB_REAL_DATA, or one beside the project. None without."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    candidates = [Path(os.environ["ANOMALY_LAB_REAL_DATA"])] if "ANOMALY_LAB_REAL_DATA" in os.environ else []
    return next((path for path in [*candidates, beside] if path.is_dir()), None)


@pytest.fixture(autouse=True)
def streams_stay_open() -> None:
    """absl's handler closes its stream, here that of pytest, when Hydra shuts all handlers down. OpenVINO imports absl."""
    if "absl.logging" in sys.modules:
        sys.modules["absl.logging"].PythonHandler.close = logging.StreamHandler.close  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal() -> None:
    """A shell starts jobs in the background with SIGINT ignored, nohup with SIGHUP; a test's processes inherit that."""
    from anomaly_lab.signals import STOPPING

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in STOPPING:
        signal.signal(each, signal.SIG_DFL)


def texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) uint8: coloured stripes of a random phase under a little noise, so that there is something to learn."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    wave = np.sin((rows + columns) * 2 * np.pi / 16 + rng.uniform(0, 2 * np.pi))[..., None]
    image = 128 + wave * np.array([60, 40, 20]) + rng.normal(0, 4, (*size, 3))
    return image.clip(0, 255).astype(np.uint8)


def write_category(
    folder: Path,
    train: int = 6,
    good: int = 3,
    defects: Sequence[str] = ("hole", "stain"),
    each: int = 2,
    masks: bool = True,
    sizes: Sequence[tuple[int, int]] = ((64, 64),),
) -> Path:
    """Write a category in the MVTec layout; a defect is a bright or dark square, its mask that square. `sizes` take turns."""
    rng = np.random.default_rng(7)
    written = 0

    def image(name: str, value: int | None = None) -> None:
        nonlocal written
        size = sizes[written % len(sizes)]
        written += 1
        pixels = texture(rng, size)
        mask = np.zeros(size, np.uint8)
        if value is not None:
            top, left = (int(rng.integers(0, side - 20)) for side in size)
            mask[top : top + 16, left : left + 20] = 255
            pixels[mask > 0] = value
        for path, content in ((folder / name, pixels), (folder / name.replace("test", "ground_truth", 1), mask)):
            if content is mask and (value is None or not masks):
                continue
            path = path.with_name(f"{path.stem}_mask.png") if content is mask else path
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), content)

    for i in range(train):
        image(f"train/good/{i:03d}.png")
    for i in range(good):
        image(f"test/good/{i:03d}.png")
    for number, defect in enumerate(defects):
        for i in range(each):
            image(f"test/{defect}/{i:03d}.png", (250, 5)[number % 2])
    return folder


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data.root with one category, "stripes"."""
    root = tmp_path_factory.mktemp("data")
    write_category(root / "stripes")
    return root


def stripes(root: Path) -> list[str]:
    """Overrides that choose the category "stripes" below `root`, and make everything small."""
    return ["+category=custom", "category.name=stripes", "data=mvtec", f"data.root={root}", *TINY]


# float32 whatever the processor can do: results are the same everywhere, and a time limit is set only where it is tested
TINY = ["debug=default", "trainer.precision=32-true", "trainer.max_time=null"]


@dataclass
class Ended:
    """How the command ended: its exit status, what it wrote to the screen, the run directories that it made."""

    status: int
    out: str
    err: str
    directories: list[Path]

    @property
    def directory(self) -> Path:
        """The one run directory; the command must have ended well."""
        assert self.status == 0, self.err + self.out
        (directory,) = self.directories
        return directory


def sentence(ended: Ended) -> str:
    """The one line on stderr that a mistake, or Ctrl-C (status 130), is answered with."""
    assert ended.status == (130 if "stopped" in ended.err else 1)
    assert "Traceback" not in ended.err + ended.out
    (line,) = ended.err.strip().splitlines()
    assert line.startswith("error: ")
    return line


def train_in_process(folder: Path, *overrides: str) -> Ended:
    """`python -m anomaly_lab.train OVERRIDES` in `folder`, without the seconds that a new process needs to import torch."""
    from anomaly_lab.train import main

    return in_process(folder, main, "train", *overrides)


def in_process(folder: Path, main: Callable[[], None], name: str, *overrides: str) -> Ended:
    """A command's `main` in `folder`, as if it were called `name`."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    interrupt = signal.getsignal(signal.SIGINT)
    argv, before, runs = sys.argv, Path.cwd(), folder / "runs"
    known = set(runs.glob("*"))
    out, err, status = io.StringIO(), io.StringIO(), 0
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    sys.argv = [f"{name}.py", *overrides]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.argv = argv
        os.chdir(before)
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:], root.level = handlers, level
        signal.signal(signal.SIGINT, interrupt)  # Lightning ignores Ctrl-C from the first one on
    return Ended(status, out.getvalue(), err.getvalue(), sorted(set(runs.glob("*")) - known))


def metrics_of(run: Path) -> dict[str, Any]:
    """A finished run's metrics.json."""
    return json.loads((run / "metrics.json").read_text())


def scores_of(run: Path) -> list[dict[str, str]]:
    """The rows of a finished run's scores.csv."""
    with (run / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same_training(run: Path, other: Path) -> None:
    """The same weights bit for bit, the same history, the same results."""
    import torch

    for name in ("last", "best"):
        a, b = (torch.load(r / f"checkpoints/{name}.ckpt", weights_only=True) for r in (run, other))
        assert a["global_step"] == b["global_step"]
        for key, value in a["state_dict"].items():
            assert torch.equal(value.nan_to_num(), b["state_dict"][key].nan_to_num()), (name, key)
    assert (run / "metrics.csv").read_text() == (other / "metrics.csv").read_text()
    assert scores_of(run) == scores_of(other)
    a, b = ({k: v for k, v in metrics_of(r).items() if k != "train_seconds"} for r in (run, other))
    assert a == b


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take half the time of a tiny run: where they are not what is tested, they stay blank."""
    from matplotlib import pyplot as plt

    from anomaly_lab.show import figures

    for name in ("detections", "panels", "training_pairs", "history"):
        monkeypatch.setattr(figures, name, lambda *args: plt.figure(figsize=(1, 1)))


@pytest.fixture
def train(tmp_path: Path, blank_pictures: None) -> Callable[..., Ended]:
    """The training command, run in this process in a folder of its own."""
    return lambda *overrides: train_in_process(tmp_path, *overrides)


@dataclass
class Finished:
    """A finished run, its data and what it printed."""

    directory: Path
    root: Path
    out: str


WHOLE = ["test.save_heatmaps=true", "trainer.log_every_n_steps=1"]  # what `finished` was asked for besides


@pytest.fixture(scope="session")
def finished(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that has ended well, for tests that only read it."""
    ended = train_in_process(tmp_path_factory.mktemp("finished"), *stripes(data_root), *WHOLE)
    return Finished(ended.directory, data_root, ended.out)


def other_threshold(run: Path, to: Path, threshold: float) -> Path:
    """A copy of a run that decides by another threshold."""
    import torch

    copy = shutil.copytree(run, to)
    checkpoint = torch.load(copy / "checkpoints/best.ckpt", weights_only=True)
    checkpoint["state_dict"]["threshold"].fill_(threshold)
    torch.save(checkpoint, copy / "checkpoints/best.ckpt")
    return copy


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real browser: Playwright (the extra `dev`) with the system's Chromium (Debian: apt-get install chromium)."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    if BROWSER is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # as root, as in containers, Chromium refuses to start with its sandbox
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=BROWSER, args=sandbox)
        yield browser
        browser.close()


RANGES: dict[str, Any] = {
    "count": [1, 3],
    "size": [0.1, 0.5],
    "shapes": ["blob", "ellipse", "rectangle"],
    "brightness": [0.05, 0.25],
    "brightness_share": 0.5,
    "p": 1.0,
}
CUTOUT = {
    "_target_": "anomaly_lab.corruption.local.LocalCorruption",
    "contents": [{"_target_": "anomaly_lab.corruption.contents.Cutout", "fill": 0.0}],
    **RANGES,
}


def scoring(evidence: str, sigma: float = 2, **changes: Any) -> dict[str, Any]:
    """A module's scoring by evidence: squared, absolute or mahalanobis, or several of them with "+" between."""
    maps = {"mahalanobis": "normal_error.NormalError", "squared": "errors.squared", "absolute": "errors.absolute"}
    found = {
        "scorer": {"_target_": "anomaly_lab.scoring.scorers.ReconstructionScorer", "name": "reconstruction"},
        "evidence": [{"_target_": f"anomaly_lab.scoring.{maps[name]}", "name": name} for name in evidence.split("+")],
        "pooling": {"_target_": "anomaly_lab.scoring.poolings.maximum", "name": "max"},
    }
    return found | {"sigma": sigma, "tile": 0} | changes


SQUARED = scoring("squared")


def small_data(root: Path, **changes: Any) -> "AnomalyDataModule":
    """The data module of the category "stripes" below `root`."""
    from anomaly_lab.data.datamodule import AnomalyDataModule

    options: dict[str, Any] = {
        "name": "mvtec",
        "reader": {"_target_": "anomaly_lab.data.folder.scan"},
        "root": str(root),
        "category": {"name": "stripes", "kind": "texture", "augmentation": [], "min_area": 6},
        "image_size": 64,
        "contrast": "none",
        "corruption": CUTOUT,
        "validation_corruption": CUTOUT,
        "batch_size": 2,
        "steps_per_epoch": 2,
        "train_size": 64,
        "validation_share": 0.34,
        "num_workers": 0,
        "seed": 0,
    }
    return AnomalyDataModule(**options | changes)


SMALL_NETWORK = {
    "_target_": "anomaly_lab.networks.sdc_autoencoder.SDCAutoencoder",
    "width": 0.03,
    "checkpointing": False,
    "standardize": False,
}


def small_module(**changes: Any) -> "AnomalyModule":
    """A module with a network of one or a few filters a layer."""
    from anomaly_lab.module import AnomalyModule

    options: dict[str, Any] = {
        "network": SMALL_NETWORK,
        "objective": {"_target_": "anomaly_lab.objectives.l2"},
        "optimizer": {"lr": 1e-2, "weight_decay": 0.01, "warmup": 0.0},
        "scoring": SQUARED,
        "preprocessing": {"scale": 1.0, "contrast": "none", "mean": 0.5, "std": 0.18},
        "mean_color": [0.5, 0.4, 0.3],
        "profile": {name: [0.0, 1000.0] for name in ("size", "brightness", "color", "sharpness")},
        "min_area": 6,
        "calibration": {"_target_": "anomaly_lab.calibration.rules.area", "name": "area"},
    }
    return AnomalyModule(**options | changes)


def small_trainer(folder: Path, **changes: Any) -> "L.Trainer":
    """A quiet Trainer that writes nothing."""
    import lightning as L

    from anomaly_lab.training.trainer import quiet

    quiet()
    silent: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    silent |= {"enable_checkpointing": False, "num_sanity_val_steps": 0, "use_distributed_sampler": False}
    return L.Trainer(accelerator="cpu", default_root_dir=folder, **silent | changes)

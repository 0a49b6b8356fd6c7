"""The paper's figures from our runs: 1/7 (input, heatmap, result), 2/4 (reconstruction under each objective), 3 (the steps of
detection), 5 (how a training pair is made), 6 (objective (3) against (1) on the same inputs).

Where several runs would do, the one with the highest validation proxy is shown; the images are the first of each kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.build import build
from anomaly_lab.calibration.levels import detect
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.crops import crop_size
from anomaly_lab.data.folder import first_of_each_kind
from anomaly_lab.data.images import read_image
from anomaly_lab.report.pictures.picture import Picture, save  # chooses matplotlib's backend, so before pyplot
from anomaly_lab.report.pictures.rescored import Rescored
from anomaly_lab.report.read.names import short
from anomaly_lab.report.read.official import source
from anomaly_lab.scored import Scored
from anomaly_lab.scoring.errors import absolute, squared
from anomaly_lab.show.gallery import to_image

# isort: split
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROWS = 6  # images of a figure
MASK, TRUTH = "#E69F00", "#56B4E9"  # outlines: what was found, what there is


class Shown:
    """A run as the figures show it: the first image of each kind, scored once."""

    def __init__(self, rescored: Rescored) -> None:
        self.rescored = rescored
        self.scored = list(rescored.score(first_of_each_kind(rescored.data.test, ROWS)))

    def __getitem__(self, name: str) -> Any:
        return self.rescored.run.metrics.get(name)

    @property
    def top(self) -> float:
        """Where the heatmaps' scale ends: twice the threshold, as in a run's own figures."""
        threshold = self.rescored.threshold
        return 2 * threshold if threshold > 0 else max(float(s.heatmap.max()) for s in self.scored)

    @property
    def name(self) -> str:
        return f"{short(self['objective'], self['lam'])},\n{self['corruption']}"

    def mask(self, s: Scored) -> NDArray[np.bool_]:
        return detect(s.heatmap, self.rescored.threshold, self.rescored.min_area)

    @property
    def protocol(self) -> str:
        return together([self])


def together(runs: Sequence[Shown]) -> str:
    """The protocol of runs on the same data, which may differ in all else."""

    def every(name: str) -> str:
        return "/".join(dict.fromkeys(str(run[name]) for run in runs))

    where = f"{runs[0]['category']}, {source(runs[0].rescored.run)}"
    return f"{where}; {every('model')}, {every('image_size')} px, {every('steps')} steps, seed {every('seed')}"


def paper_figures(shown: Sequence[Shown], folder: Path) -> Iterator[Picture]:
    """Of runs on the same data and category, one an objective and corruption: the figures that they allow."""
    if not shown or not shown[0].scored:
        return
    slug = "".join(c if c.isalnum() else "-" for c in f"{source(shown[0].rescored.run)}_{shown[0]['category']}").strip("-")
    amplifying = [s for s in shown if s["objective"] in ("amplify", "amplify_mask")]
    main = (amplifying or list(shown))[0]
    what = f"{main.protocol}; {' '.join(main.name.split())}."
    caption = f"As the paper's figures 1 and 7: input, heatmap, result. {what} The first image of each kind, hits and misses."
    yield save(detections(main), f"figure1_7_{slug}", caption, folder)
    common = f"{together(shown)}. The first image of each kind."
    caption = f"As the paper's figures 2 and 4: reconstruction and result under each objective. {common}"
    yield save(reconstructions(shown), f"figure2_4_{slug}", caption, folder)
    yield save(steps(main), f"figure3_{slug}", f"As the paper's figure 3: the steps of detection. {what}", folder)
    pair = training_pair(main.rescored)
    if pair is not None:
        caption = f"As the paper's figure 5: how a training pair is made. {main.protocol}; corruption {main['corruption']}."
        yield save(pair_steps(pair, caption), f"figure5_{slug}", caption, folder)
    compared = [s for s in shown if s["objective"] == "amplify"][:1] + [s for s in shown if s["objective"] == "restore"]
    if len({s["objective"] for s in compared}) == 2:
        caption = f"As the paper's figure 6: objective (3) against (1) on the same inputs. {common}"
        yield save(objectives(compared), f"figure6_{slug}", caption, folder)


def detections(run: Shown) -> Figure:
    """Figures 1 and 7: a row an image; input, heatmap, result."""
    figure, axes = _grid(len(run.scored), 3, f"{run.protocol}\n{' '.join(run.name.split())}")
    for row, s in zip(axes, run.scored, strict=True):
        _image(row[0], to_image(s.X))
        shown = row[1].imshow(s.heatmap, cmap="magma", vmin=0, vmax=run.top)
        _result(row[2], s, run.mask(s))
        row[0].set_ylabel(_label(s), fontsize=8)
    _heads(axes[0], ("input", "heatmap", "result"))
    _scale(figure, shown, axes[:, 1], run)
    return figure


def reconstructions(runs: Sequence[Shown]) -> Figure:
    """Figures 2 and 4: a row an image; input, then reconstruction and result of each run."""
    figure, axes = _grid(len(runs[0].scored), 1 + 2 * len(runs), together(runs))
    for i, row in enumerate(axes):
        _image(row[0], to_image(runs[0].scored[i].X))
        row[0].set_ylabel(_label(runs[0].scored[i]), fontsize=8)
        for j, run in enumerate(runs):
            _image(row[1 + 2 * j], _output(run.scored[i]))
            _result(row[2 + 2 * j], run.scored[i], run.mask(run.scored[i]))
    names = [name for run in runs for name in (f"{run.name}\nreconstruction", f"{run.name}\nresult")]
    _heads(axes[0], ("input", *names))
    return figure


def steps(run: Shown) -> Figure:
    """Figure 3, for the defective image with the highest score: X, F(X), the error, the heatmap, {heatmap > t}, the result."""
    s = max((s for s in run.scored if s.sample.label), key=lambda s: s.score, default=run.scored[0])
    assert s.output is not None  # only networks that reconstruct are shown here
    error = run["error"]
    plain = absolute if error == "absolute" else squared  # the map that another distance is made from, too
    figure, axes = _grid(1, 6, f"{run.protocol}\n{' '.join(run.name.split())}")
    row = axes[0]
    _image(row[0], to_image(s.X))
    _image(row[1], _output(s))
    raw = row[2].imshow(plain(s.X[None], s.output[None])[0].numpy(), cmap="magma")
    shown = row[3].imshow(s.heatmap, cmap="magma", vmin=0, vmax=run.top)
    row[4].imshow(s.heatmap > run.rescored.threshold, cmap="gray", vmin=0, vmax=1)
    _result(row[5], s, run.mask(s))
    symbol = "|F(X) − X|" if plain is absolute else "|F(X) − X|²"
    heatmap = "heatmap: smoothed" if error in ("squared", "absolute") else f"heatmap: {error}\ndistance, smoothed"
    names = ("X", "F(X)", f"{symbol}, mean\nof the channels", heatmap, "over the threshold")
    _heads(row, (*names, f"result: from\n{run.rescored.min_area} px on"))
    row[0].set_ylabel(_label(s), fontsize=8)
    figure.colorbar(raw, ax=row[2], location="bottom", shrink=0.9, pad=0.02).ax.tick_params(labelsize=6)
    _scale(figure, shown, axes[:, 3], run)
    return figure


def objectives(runs: Sequence[Shown]) -> Figure:
    """Figure 6: a row an image; input, truth, the result of objective (3), then of (1) with each corruption."""
    rows = [i for i, s in enumerate(runs[0].scored) if s.sample.label] or [0]
    figure, axes = _grid(len(rows), 2 + len(runs), together(runs))
    for i, row in zip(rows, axes, strict=True):
        _image(row[0], to_image(runs[0].scored[i].X))
        _mask(row[1], runs[0].scored[i].truth)
        for axis, run in zip(row[2:], runs, strict=True):
            shown = axis.imshow(run.scored[i].heatmap / max(run.rescored.threshold, 1e-12), cmap="magma", vmin=0, vmax=2)
        row[0].set_ylabel(_label(runs[0].scored[i]), fontsize=8)
    numbers = {"amplify": "(3)", "restore": "(1)"}
    _heads(axes[0], ("input", "truth", *(f"{numbers[r['objective']]} {r.name}" for r in runs)))
    bar = figure.colorbar(shown, ax=list(axes[:, 2:].ravel()), location="bottom", shrink=0.5, aspect=30, pad=0.02)
    bar.set_ticks([0, 1, 2], labels=["0", "threshold", "2 thresholds"], fontsize=7)
    return figure


# ---- figure 5


def training_pair(rescored: Rescored) -> Mapping[str, Any] | None:
    """A patch's way from X to X̂, drawn as training draws it, but one patch and no flips. None without training images, and for
    a corruption that is not local."""
    samples = rescored.data.train.samples
    corruption = build(rescored.run.config["corruption"])
    if not samples or not isinstance(corruption, LocalCorruption):
        return None
    stored = read_image(samples[0].path)
    preprocessing = rescored.preprocessing
    size = crop_size(rescored.run.config["data"]["train_size"], rescored.run.metrics["image_size"])
    small = preprocessing.resized(stored)
    X = preprocessing.unit(small, preprocessing.levels(small))
    X = np.ascontiguousarray(X[:size, :size] if size else X)
    rng = np.random.default_rng([rescored.run.metrics["seed"], 5])
    for _ in range(20):  # until a patch is large enough to be seen
        box, shape = corruption.sample_patch(X.shape[:2], rng)
        if shape.mean() > 0.3 and min(shape.shape) >= min(X.shape[:2]) // 4:
            break
    transformed = np.clip(corruption.contents[0](X, box, rng), 0, 1)
    M, X_hat = np.zeros(X.shape[:2], bool), X.copy()
    M[box], X_hat[box] = shape, np.where(shape[..., None], transformed, X[box])
    return {"X": X, "box": box, "patch": X[box], "transformed": transformed, "shape": shape, "M": M, "X_hat": X_hat}


def pair_steps(pair: Mapping[str, Any], title: str) -> Figure:
    """Figure 5: X with the patch's place; the patch, transformed, its shape; M; X̂ with the border of the change drawn in."""
    figure, axes = _grid(1, 6, title)
    row = axes[0]
    _image(row[0], pair["X"])
    rows, columns = pair["box"]
    corner = (columns.start - 0.5, rows.start - 0.5)
    place = plt.Rectangle(corner, columns.stop - columns.start, rows.stop - rows.start, fill=False, edgecolor=MASK, linewidth=2)
    row[0].add_patch(place)
    _image(row[1], pair["patch"])
    _image(row[2], pair["transformed"])
    _mask(row[3], pair["shape"])
    _mask(row[4], pair["M"])
    _image(row[5], pair["X_hat"])
    row[5].contour(pair["M"], levels=[0.5], colors="black", linewidths=1)
    _heads(row, ("X: 1. size and place", "2. patch", "2. transformed", "2. shape", "3. mask M", "3. X̂ (border drawn in)"))
    return figure


# ---- parts


def _grid(rows: int, columns: int, title: str) -> tuple[Figure, NDArray[Any]]:
    size = (1.75 * columns + 0.6, 1.75 * rows + 1.4)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=8)
    return figure, axes


def _image(axis: Axes, image: NDArray[np.float32] | None) -> None:
    if image is not None:
        axis.imshow(image, vmin=0, vmax=1)


def _output(s: Scored) -> NDArray[np.float32] | None:
    return None if s.output is None else to_image(s.output)


def _mask(axis: Axes, mask: NDArray[np.bool_] | None) -> None:
    if mask is None:
        axis.text(0.5, 0.5, "no mask", ha="center", va="center", transform=axis.transAxes, fontsize=8)
    else:
        axis.imshow(mask, cmap="gray", vmin=0, vmax=1)


def _result(axis: Axes, s: Scored, mask: NDArray[np.bool_]) -> None:
    """The image with outlines: found in orange, drawn through; true in blue, dashed."""
    height, width = mask.shape
    axis.imshow(to_image(s.X), vmin=0, vmax=1, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for area, colour, line in ((s.truth, TRUTH, "dashed"), (mask, MASK, "solid")):
        if area is not None and area.any() and not area.all():
            axis.contour(area, levels=[0.5], colors=colour, linewidths=1.2, linestyles=line)


def _heads(row: Sequence[Axes], names: Sequence[str]) -> None:
    for axis, name in zip(row, names, strict=True):
        axis.set_title(name, fontsize=7)


def _label(s: Scored) -> str:
    return f"{s.sample.defect}\n{s.sample.path.stem}"


def _scale(figure: Figure, shown: Any, axes: NDArray[Any], run: Shown) -> None:
    """The heatmaps' scale, the same across the figure."""
    bar = figure.colorbar(shown, ax=list(axes), location="bottom", shrink=0.9, aspect=12, pad=0.02)
    bar.set_ticks([0, run.top / 2, run.top], labels=["0", f"{run.top / 2:.2g}\n(threshold)", f"{run.top:.2g}"], fontsize=6)

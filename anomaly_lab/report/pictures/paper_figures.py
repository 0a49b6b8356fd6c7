"""The paper's figures 1 to 7 from our runs.

    1, 7  input, heatmap, result                    5  the making of a training pair (section 3.2)
    2, 4  reconstruction under each objective       6  objective (3) against (1) on the same inputs
    3     the steps of detection

If several runs fit, the one with the highest validation proxy is shown. The images are the first of each kind.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from anomaly_lab.build import build
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.crops import crop_size
from anomaly_lab.data.images import read_image
from anomaly_lab.report.pictures import cells
from anomaly_lab.report.pictures.picture import Picture, save
from anomaly_lab.report.pictures.rescored import Rescored, protocol
from anomaly_lab.scored import preprocessing_of
from anomaly_lab.scoring.errors import absolute, squared
from anomaly_lab.show.gallery import to_image

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]
EQUATIONS = {"amplify": "(3)", "restore": "(1)"}


def paper_figures(runs: Sequence[Rescored], folder: Path) -> Iterator[Picture]:
    """The figures that `runs` allow: runs on the same images, one per objective and corruption, each with images to show."""
    slug = "".join(c if c.isalnum() else "-" for c in f"{runs[0].source}_{runs[0]['category']}").strip("-")
    main = next((run for run in runs if run["objective"] in ("amplify", "amplify_mask")), runs[0])
    what = f"{protocol([main])}; {' '.join(main.name.split())}."
    common = f"{protocol(runs)}. The first image of each kind."
    caption = f"As the paper's figures 1 and 7: input, heatmap, result. {what} The first image of each kind, hits and misses."
    yield save(detections(main), f"figure1_7_{slug}", caption, folder)
    caption = f"As the paper's figures 2 and 4: reconstruction and result under each objective. {common}"
    yield save(reconstructions(runs), f"figure2_4_{slug}", caption, folder)
    yield save(steps(main), f"figure3_{slug}", f"As the paper's figure 3: the steps of detection. {what}", folder)
    if pair := training_pair(main):
        how = f"{protocol([main])}; corruption {main['corruption']}."
        caption = f"As the paper's figure 5: how a training pair is made. {how}"
        yield save(pair_steps(pair, caption), f"figure5_{slug}", caption, folder)
    first, others = ([run for run in runs if run["objective"] == name] for name in ("amplify", "restore"))
    if first and others:
        caption = f"As the paper's figure 6: objective (3) against (1) on the same inputs. {common}"
        yield save(objectives([first[0], *others]), f"figure6_{slug}", caption, folder)


def detections(run: Rescored) -> Figure:
    """Figures 1 and 7: one row per image; input, heatmap, result."""
    figure, axes = cells.grid(len(run.shown), 3, run.title)
    for row, s in zip(axes, run.shown, strict=True):
        row[0].imshow(to_image(s.X))
        shown = row[1].imshow(s.heatmap, cmap="magma", vmin=0, vmax=run.top)
        cells.result(row[2], s, run.mask(s))
        cells.label(row[0], s)
    cells.heads(axes[0], ("input", "heatmap", "result"))
    cells.scale(figure, shown, axes[:, 1], run)
    return figure


def reconstructions(runs: Sequence[Rescored]) -> Figure:
    """Figures 2 and 4: one row per image; the input, then reconstruction and result of each run."""
    figure, axes = cells.grid(len(runs[0].shown), 1 + 2 * len(runs), protocol(runs))
    for i, row in enumerate(axes):
        row[0].imshow(to_image(runs[0].shown[i].X))
        cells.label(row[0], runs[0].shown[i])
        for run, left, right in zip(runs, row[1::2], row[2::2], strict=True):
            cells.reconstruction(left, run.shown[i])
            cells.result(right, run.shown[i], run.mask(run.shown[i]))
    names = [name for run in runs for name in (f"{run.name}\nreconstruction", f"{run.name}\nresult")]
    cells.heads(axes[0], ("input", *names))
    return figure


def steps(run: Rescored) -> Figure:
    """Figure 3: X, F(X), the error, the heatmap, {heatmap > t} and the result of the defective image with the highest score."""
    s = max((s for s in run.shown if s.sample.label), key=lambda s: s.score, default=run.shown[0])
    assert s.output is not None  # only networks that reconstruct are shown here
    evidence = run["evidence"]
    plain = absolute if evidence == "absolute" else squared  # all other evidence starts from the squared error
    figure, axes = cells.grid(1, 6, run.title)
    row = axes[0]
    row[0].imshow(to_image(s.X))
    cells.reconstruction(row[1], s)
    raw = row[2].imshow(plain(s.X[None], s.output[None], 0)[0].numpy(), cmap="magma")
    shown = row[3].imshow(s.heatmap, cmap="magma", vmin=0, vmax=run.top)
    row[4].imshow(s.heatmap > run.threshold, cmap="gray", vmin=0, vmax=1)
    cells.result(row[5], s, run.mask(s))
    symbol = "|F(X) − X|" if plain is absolute else "|F(X) − X|²"
    heatmap = "heatmap: smoothed" if evidence in ("squared", "absolute") else f"heatmap: {evidence},\nsmoothed"
    names = ("X", "F(X)", f"{symbol}, mean\nof the channels", heatmap, "over the threshold")
    cells.heads(row, (*names, f"result: at least\n{run.min_area} px"))
    cells.label(row[0], s)
    figure.colorbar(raw, ax=row[2], location="bottom", shrink=0.9, pad=0.02).ax.tick_params(labelsize=6)
    cells.scale(figure, shown, axes[:, 3], run)
    return figure


class Pair(NamedTuple):
    """A training pair and the steps to it.

    X, X_hat, M: the pair, (h, w, 3) in [0, 1], and the mask of the change, (h, w)
    box:         rows and columns of the patch
    transformed: the patch's new content, (rows, columns, 3)
    shape:       the part of the patch that is pasted, (rows, columns)
    """

    X: Pixels
    box: tuple[slice, slice]
    transformed: Pixels
    shape: Mask
    M: Mask
    X_hat: Pixels


def training_pair(run: Rescored) -> Pair | None:
    """A pair from the first training image, as training makes it, but with one patch and without flips.

    None without training images, and for a corruption that is not local.
    """
    samples = run.data.train.samples
    corruption = build(run.run.config["corruption"])
    if not samples or not isinstance(corruption, LocalCorruption):
        return None
    preprocessing = preprocessing_of(run.trained.module)
    size = crop_size(run.run.config["data"]["train_size"], run["image_size"])
    small, _ = preprocessing.fitted(read_image(samples[0].path))
    X = preprocessing.unit(small, preprocessing.levels(small))
    X = np.ascontiguousarray(X[:size, :size] if size else X)
    rng = np.random.default_rng([run["seed"], 5])
    for _ in range(20):  # until the patch is large enough for a picture
        box, shape = corruption.sample_patch(X.shape[:2], rng)
        if shape.mean() > 0.3 and min(shape.shape) >= min(X.shape[:2]) // 4:
            break
    transformed = np.clip(corruption.contents[0](X, box, rng), 0, 1)
    M, X_hat = np.zeros(X.shape[:2], bool), X.copy()
    M[box], X_hat[box] = shape, np.where(shape[..., None], transformed, X[box])
    return Pair(X, box, transformed, shape, M, X_hat)


def pair_steps(pair: Pair, title: str) -> Figure:
    """Figure 5: X with the patch's place; the patch, transformed, its shape; M; X̂ with the border of the change drawn in."""
    figure, axes = cells.grid(1, 6, title)
    row = axes[0]
    (height, width), (top, left) = pair.shape.shape, (side.start for side in pair.box)
    for axis, pixels in zip(row[[0, 1, 2, 5]], (pair.X, pair.X[pair.box], pair.transformed, pair.X_hat), strict=True):
        axis.imshow(pixels)
    row[0].add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=cells.MASK, linewidth=2))
    cells.mask(row[3], pair.shape)
    cells.mask(row[4], pair.M)
    row[5].contour(pair.M, levels=[0.5], colors="black", linewidths=1)
    names = ("X: 1. size and place", "2. patch", "2. transformed", "2. shape", "3. mask M", "3. X̂ (border drawn in)")
    cells.heads(row, names)
    return figure


def objectives(runs: Sequence[Rescored]) -> Figure:
    """Figure 6: one row per image; input, ground truth, the heatmap of objective (3), then of (1) with each corruption.

    Heatmaps are divided by their run's threshold, so that one scale serves them all.
    """
    rows = [i for i, s in enumerate(runs[0].shown) if s.sample.label] or [0]
    figure, axes = cells.grid(len(rows), 2 + len(runs), protocol(runs))
    for i, row in zip(rows, axes, strict=True):
        row[0].imshow(to_image(runs[0].shown[i].X))
        cells.mask(row[1], runs[0].shown[i].truth)
        for axis, run in zip(row[2:], runs, strict=True):
            shown = axis.imshow(run.shown[i].heatmap / max(run.threshold, 1e-12), cmap="magma", vmin=0, vmax=2)
        cells.label(row[0], runs[0].shown[i])
    cells.heads(axes[0], ("input", "ground truth", *(f"{EQUATIONS[run['objective']]} {run.name}" for run in runs)))
    bar = figure.colorbar(shown, ax=list(axes[:, 2:].ravel()), location="bottom", shrink=0.5, aspect=30, pad=0.02)
    bar.set_ticks([0, 1, 2], labels=["0", "threshold", "2 thresholds"], fontsize=7)
    return figure

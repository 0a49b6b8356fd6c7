"""Measure a trained network F against the orthogonal projection, on held-out normal images, and write what was found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from anomaly_lab.analyze import figures, measure, verdict
from anomaly_lab.errors import UserError
from anomaly_lab.files import make_folder, of_file, write_json
from anomaly_lab.model import Model
from anomaly_lab.progress import watched
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.trained import load
from anomaly_lab.show.figures import save
from anomaly_lab.training.trainer import quiet

RECORD = "analysis.json"
AGREEMENT = 1e-4  # of F(X) in [0, 1]: the function that is differentiated must be F, up to rounding


class Options(NamedTuple):
    """The arguments of the command, see `anomaly_lab.analyze`. `out` None: the run's directory."""

    run: Path
    images: int
    out: Path | None


class Analyzed(NamedTuple):
    """What was found. `rows`: (property, verdict, sentence)."""

    out: Path
    images: int
    side: int
    rows: list[tuple[str, str, str]]
    answer: str


def analyze(options: Options) -> Analyzed:
    """Measure, and write analysis.json and the figures. UserError for a run without reconstruction or held-out images."""
    quiet()
    trained = load(options.run)
    module, out = trained.module, options.out or trained.run
    if not module.reconstructs:
        raise UserError(f"{options.run} has a network that reconstructs nothing: there is no F(X) to analyze")
    data = trained.data()
    chosen = list(data.held_out_images(options.images))
    if not chosen:
        raise UserError(f"{options.run} has no held-out normal images: see data.root in its config.yaml")
    make_folder(out, "out=")
    tested, side = beside(module, module.F), side_of(module)
    module.precision = "32-true"  # derivatives need it; `rounding` tells what the run's own precision changes
    F, differentiable = beside(module, module.F), beside(module, module.F.differentiable)
    found: list[measure.Measured] = []
    paths: list[str] = []
    rounding = 0.0
    for i, X in watched(chosen, "Analyzing", len(chosen)):
        square = middle(X, side)[None]
        rounding = max(rounding, float((tested(square) - F(square)).abs().max()))
        require_agreement(F(square), differentiable(square))
        found.append(measured(options.run, F, differentiable, square, i))
        paths.append(data.held_out[i].path.relative_to(data.found.root).as_posix())
    record = measure.summary(found)
    name, properties = trained.config.category.name, record["properties"]
    title = f"{name}, {trained.config.objective.name}: {len(found)} held-out images, squares of {side} px"
    save(figures.properties(record, title), out / "figures" / "analysis.png")
    place, X = chosen[0]
    save(figures.images(F, middle(X, side)[None], place), out / "figures" / "analysis_images.png")
    known: dict[str, Any] = {"run": str(trained.run.resolve()), "checkpoint": of_file(best_checkpoint(trained.run))}
    known |= {"protocol": protocol(found, side, paths, rounding), "answer": verdict.answer(properties)}
    verdicts, sentences = verdict.verdicts(properties), verdict.sentences(properties)
    write_json(out / RECORD, known | {"verdicts": verdicts} | record)  # last: with it, the analysis is whole
    rows = [(name, verdicts[name], sentences[name]) for name in verdicts]
    return Analyzed(out, len(found), side, rows, verdict.answer(properties))


def measured(
    run: Path, F: Callable[[Tensor], Tensor], differentiable: Callable[[Tensor], Tensor], X: Tensor, seed: int
) -> measure.Measured:
    """`measure.measured`. UserError for a network that searches F(X) by gradients of its own."""
    try:
        return measure.measured(F, differentiable, X, seed)
    except RuntimeError as error:
        if "inside of a function being transformed" not in str(error):
            raise
        raise UserError(f"{run} has a network that searches F(X) by gradients: F has no Jacobian to analyze") from error


def protocol(found: Sequence[measure.Measured], side: int, paths: Sequence[str], rounding: float) -> dict[str, Any]:
    """How the properties were measured, for the record."""
    counts = {"passes": measure.PASSES, "probes": measure.PROBES, "lanczos_steps": measure.STEPS}
    return {"images": len(found), "side": side, **counts, "rounding_of_the_run": rounding, "held_out": list(paths)}


def beside(module: Model, F: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """F of images on the CPU, computed on the module's device: sums over an image need 64-bit, which not every device has."""
    return lambda X: F(X.to(module.device)).cpu()


def side_of(module: Model) -> int:
    """The side of the squares: that of the tiles in testing, else of the crops in training. There F is the network itself."""
    scoring: Any = module.hparams["scoring"]
    return int(scoring["tile"] or scoring.get("train_size") or 0)


def middle(X: Tensor, side: int) -> Tensor:
    """The middle square of X (3, h, w), or as much of it as there is; all of it for `side` 0."""
    if not side:
        return X
    top, left = (max(0, (length - side) // 2) for length in X.shape[-2:])
    return X[..., top : top + side, left : left + side].contiguous()


def require_agreement(Y: Tensor, differentiable: Tensor) -> None:
    """Fail if the function that is differentiated is not F: a network's `folded` copy may compute something else."""
    gap = float((Y - differentiable.detach()).abs().max())
    if not gap <= AGREEMENT:
        raise RuntimeError(f"F and its differentiable form differ by {gap:.2g}")

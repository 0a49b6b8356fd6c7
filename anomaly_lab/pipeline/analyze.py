"""Measure a trained network F against the orthogonal projection, on held-out normal images, and write what was found."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from anomaly_lab.analysis import figures, measure, verdict
from anomaly_lab.errors import UserError
from anomaly_lab.files import make_folder, of_file, write_json
from anomaly_lab.module import AnomalyModule
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
    tested, side = module.F, side_of(module)
    module.precision = "32-true"  # derivatives need it; `rounding` tells what the run's own precision changes
    F, found, paths, rounding = module.F, [], [], 0.0
    for i, X in watched(chosen, "Analyzing", len(chosen)):
        square = middle(X, side)[None].to(module.device)
        rounding = max(rounding, float((tested(square) - F(square)).abs().max()))
        require_agreement(F(square), F.differentiable(square))
        found.append(measure.measured(F, F.differentiable, square, seed=i))
        paths.append(data.held_out[i].path.relative_to(data.found.root).as_posix())
    record = measure.summary(found)
    verdicts, sentences = verdict.verdicts(record["properties"]), verdict.sentences(record["properties"])
    protocol: dict[str, Any] = {
        "images": len(found),
        "side": side,
        "values": square.numel(),
        "passes": measure.PASSES,
        "probes": measure.PROBES,
    }
    protocol |= {"lanczos_steps": measure.STEPS, "rounding_of_the_run": rounding, "held_out": paths}
    source = {"run": str(trained.run.resolve()), "checkpoint": of_file(best_checkpoint(trained.run)), "protocol": protocol}
    title = (
        f"{trained.config.category.name}, {trained.config.objective.name}: {len(found)} held-out images, squares of {side} px"
    )
    save(figures.properties(record, title), out / "figures" / "analysis.png")
    save(
        figures.images(F, middle(chosen[0][1], side)[None].to(module.device), chosen[0][0]),
        out / "figures" / "analysis_images.png",
    )
    answer = verdict.answer(record["properties"])
    write_json(out / RECORD, source | {"answer": answer, "verdicts": verdicts} | record)  # last: with it, the analysis is whole
    return Analyzed(out, len(found), side, [(n, verdicts[n], sentences[n]) for n in verdicts], answer)


def side_of(module: AnomalyModule) -> int:
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

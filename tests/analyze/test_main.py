"""The command analyze: numbers with intervals and pictures of a finished run, and its mistakes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import Ended, Finished, in_process, sentence

from anomaly_lab.analyze import make as way
from anomaly_lab.analyze.__main__ import main
from anomaly_lab.analyze.measure import QUANTITIES
from anomaly_lab.networks.gradients import gradients
from anomaly_lab.runs.trained import load


def analyze(folder: Path, *options: str) -> Ended:
    return in_process(folder, main, "analyze", *options)


@pytest.fixture(scope="module")
def analyzed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A copy of a run, analysed: the directory, and how the command ended. The other files stay as they were."""
    run = shutil.copytree(finished.directory, tmp_path_factory.mktemp("analyzed") / "run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    ended = analyze(run.parent, f"run={run}")
    assert {path: path.read_bytes() for path in before} == before
    return run, ended


def test_it_writes_numbers_and_figures_and_says_what_holds(analyzed: tuple[Path, Ended], finished: Finished) -> None:
    out, ended = analyzed
    assert ended.status == 0, ended.err
    record = json.loads((out / "analysis.json").read_text())
    assert {*record["properties"]} == {*record["verdicts"]} == {*QUANTITIES}
    held_out = load(finished.directory).data().held_out
    assert [Path(path).name for path in record["protocol"]["held_out"]] == [s.path.name for s in held_out], "no test image"
    assert record["protocol"]["side"] == 64 and record["protocol"]["images"] == 2
    assert record["protocol"]["rounding_of_the_run"] < 1e-5, "the run is in 32-bit itself"
    error = record["properties"]["identity"]["error"]
    assert error["low"] <= error["mean"] <= error["high"]
    for name in ("analysis.png", "analysis_images.png"):
        assert (out / "figures" / name).stat().st_size > 10_000
    for name in QUANTITIES:
        assert f"\n{name}" in ended.out
    assert record["answer"] in ended.out and "2 held-out images," in ended.out


def test_the_identity_is_the_relative_error_of_the_held_out_images(analyzed: tuple[Path, Ended], finished: Finished) -> None:
    trained = load(finished.directory)
    X = torch.stack([X for _, X in trained.data().held_out_images(2)])
    error = (
        (trained.module.F(X) - X).flatten(1).norm(dim=1) / (X - X.mean((-2, -1), keepdim=True)).flatten(1).norm(dim=1)
    ).mean()
    record = json.loads((analyzed[0] / "analysis.json").read_text())
    assert record["properties"]["identity"]["error"]["mean"] == pytest.approx(float(error), rel=1e-4)


def test_what_is_differentiated_is_f_in_testing(finished: Finished) -> None:
    """On a whole image, in tiles too; and its derivative is that of a finite difference."""
    module = load(finished.directory).module
    X = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    assert module.precision == "32-true" and module.hparams["scoring"]["tile"] == 64
    torch.testing.assert_close(module.F.differentiable(X).detach(), module.F(X), atol=1e-6, rtol=0)
    v = torch.rand(X.shape, generator=torch.Generator().manual_seed(1))
    _, Jv = torch.func.jvp(module.F.differentiable, (X,), (v,))
    difference = (module.F(X + 1e-3 * v) - module.F(X - 1e-3 * v)) / 2e-3
    assert float((Jv - difference).norm() / difference.norm()) < 0.05


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "run is missing"),
        (("run=RUN", "images=0"), "images is 0: it must be a whole number of at least 1"),
        (("run=nowhere",), "nowhere"),
        (("run=RUN", "depth=3"), "depth=3 is not understood"),
    ],
)
def test_a_mistake_ends_in_a_sentence(options: tuple[str, ...], says: str, finished: Finished, tmp_path: Path) -> None:
    given = [option.replace("RUN", str(finished.directory)) for option in options] or ["images=3"]
    assert says in sentence(analyze(tmp_path, *given))


def test_a_network_that_reconstructs_nothing_has_no_f(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load(finished.directory)
    trained.module.reconstructs = False
    monkeypatch.setattr(way, "load", lambda run: trained)
    assert "reconstructs nothing" in sentence(analyze(tmp_path, f"run={finished.directory}"))


def test_a_network_that_searches_by_gradients_has_no_jacobian(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load(finished.directory)

    def searched(X: torch.Tensor) -> torch.Tensor:
        with gradients(X) as leaf:
            torch.autograd.grad(leaf.sum(), leaf)
        return X

    monkeypatch.setattr(type(trained.module.F), "differentiable", staticmethod(searched))
    monkeypatch.setattr(type(trained.module.F), "__call__", lambda self, X: X)
    monkeypatch.setattr(way, "load", lambda run: trained)
    assert "searches F(X) by gradients" in sentence(analyze(tmp_path, f"run={finished.directory}"))


def test_help_needs_no_torch() -> None:
    code = "import sys; sys.argv = ['analyze', '--help']\nfrom anomaly_lab.analyze.__main__ import main\n"
    code += "try: main()\nexcept SystemExit: print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "held-out images" in ended.stdout and ended.stdout.strip().endswith("False")

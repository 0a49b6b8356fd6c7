"""experiments/paper: the jobs, the model of memory and time, the page, and the whole way on miniatures of MVTec AD."""

import contextlib
import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import train_in_process
from fake_runs import fake_run, official_run, records_of
from hydra import compose, initialize_config_dir
from hydra.plugins.sweeper import Sweeper

from anomaly_lab.report.pictures import paper_figures, plots
from anomaly_lab.report.read import official
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.command_line import CONF, LAUNCHERS, is_installed

FOLDER = Path(__file__).parents[2] / "experiments/paper"
TABLE_1 = [  # by hand: kernel, channels in and out, the image's pixels for each position that is read, that is written
    *[(3, 3, 32, 1, 1), (3, 32, 32, 1, 1), (3, 32, 64, 4, 4), (3, 64, 64, 4, 4), (3, 64, 128, 16, 16), (3, 128, 128, 16, 16)],
    *[(5, 128, 320, 64, 64), (5, 320, 320, 64, 64), (5, 320, 320, 64, 64), (5, 320, 320, 64, 64), (3, 320, 256, 64, 64)],
    *[(3, 256, 256, 64, 16), (3, 256, 256, 16, 16), (3, 256, 128, 16, 16), (3, 128, 128, 16, 4), (3, 128, 128, 4, 4)],
    *[(3, 128, 64, 4, 4), (3, 64, 64, 4, 1), (3, 64, 64, 1, 1), (3, 64, 32, 1, 1)],
]
LAST = (1, 32, 3, 1, 1)  # without normalisation and ReLU, in float32
SDC = {"_target_": "anomaly_lab.networks.sdc_autoencoder.SDCAutoencoder", "checkpointing": False, "standardize": False}


@contextlib.contextmanager
def modules() -> Iterator[Any]:
    """The study and its modules, by their names: a function name → module."""
    names = [path.stem for path in FOLDER.glob("*.py")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FOLDER), *sys.path])
        for name in names:
            patch.delitem(sys.modules, name, raising=False)  # another study may have modules of these names
        yield importlib.import_module
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture
def study() -> Iterator[Any]:
    """See `modules`."""
    with modules() as found:
        yield found


@pytest.fixture(scope="module")
def counts() -> Any:
    """The full network's step, counted once: in bf16 it takes half a minute on some processors."""
    with modules() as found:
        return found("step").counted(SDC | {"width": 1.0})


def test_the_arithmetic_of_the_network_is_that_of_table_1(counts: Any) -> None:
    """2 × multiply-adds; a transposed convolution places its kernel wherever it reads."""
    by_hand = sum(2 * k * k * c_in * c_out / reads for k, c_in, c_out, reads, _ in [*TABLE_1, LAST])
    assert counts.flops == by_hand
    assert by_hand * 512**2 == pytest.approx(198.6e9, rel=1e-3)
    assert counts.parameters == pytest.approx(11.67e6, rel=1e-3)


def test_a_step_keeps_what_the_layers_of_table_1_need_for_the_backward_pass(counts: Any) -> None:
    """A convolution's output and its ReLU in bf16, a pooling's output and 8-byte indices, the last layer's input in float32."""
    blocks = sum((2 + 2) * c_out / writes for _, _, c_out, _, writes in TABLE_1)
    pooled = sum((2 + 8) * channels / pixels for channels, pixels in ((32, 4), (64, 16), (128, 64)))
    rest = counts.kept - blocks - pooled - 4 * 32
    assert 0 < rest < 8 * 12, "image, output and the objective: less than eight values of three channels in float32"


def test_memory_and_time_by_hand(study: Any) -> None:
    cost, step = study("cost"), study("step")
    counts = step.Counted(parameters=1000, flops=1.0, kept=100.0)
    assert cost.memory(counts, batch=2, side=8) == 18 * 1000 + 1.6 * 100 * 128
    line = cost.line({(1, 10): 1.0, (1, 20): 2.5})
    assert line == pytest.approx((0.5, 0.005)) and line(2, 10) == pytest.approx(1.5)
    assert cost.line({(1, 10): 1.0}) == pytest.approx((0, 0.01)), "one point: proportional to the pixels"
    assert cost.line({(1, 10): 1.0, (1, 20): 0.9}).start == 0, "noise: a larger step is not faster"
    plan = cost.plan(batch=2, size=32, sizes=[(0, 0.25), (0.5, 1)], epochs=2, steps_per_epoch=3)
    assert plan == (2, ((8, 3), (32, 3)), 2)
    per_pixel = cost.Line(0.0, 1e-3)
    images = (24 * 2 + 5) / 3 * 1024e-3  # two validations of 24 forward passes, five images scored once
    assert cost.seconds(plan, per_pixel, 5) == pytest.approx(3 * 0.128 + 3 * 2.048 + images + 60)


def test_the_model_is_near_the_measured_points(study: Any, counts: Any) -> None:
    """The page's measurements; the line of time goes through two of them, the others are predicted."""
    cost = study("cost")
    page = (FOLDER / "README.md").read_text()
    found = re.findall(r"^\| (\d+) × (\d+)² \| ([\d.]+) \| ([\d,]+) \| \(?([\d.]+)\)? \| ([\d,]+) \|", page, re.MULTILINE)
    rows = [[float(cell.replace(",", "")) for cell in row] for row in found]
    points = {(int(batch), int(side)): values for batch, side, *values in rows}
    line = cost.line({at: points[at][0] for at in ((8, 128), (8, 256))})
    assert len(points) == 7
    for at, (seconds, mib, model_seconds, model_mib) in points.items():
        assert round(line(*at), 2) == model_seconds and round(cost.memory(counts, *at) / 2**20) == model_mib, at
        assert model_seconds == pytest.approx(seconds, rel=0.11), at
        assert model_mib == pytest.approx(mib, rel=0.08), at


def test_a_gpu_that_is_too_small_is_named(study: Any) -> None:
    room = study("estimate").room
    assert room(6.4, 78.2) == "the GPU has 78" and room(6.4, None) == "there is no GPU here"
    assert "too little: add a smaller --set batch_size=" in room(6.4, 5.9)


def test_a_step_is_measured(study: Any) -> None:
    step = study("step")
    begun = time.perf_counter()
    found = step.seconds(SDC | {"width": 0.03}, 2, 16, step.torch.device("cpu"), repeats=2)
    assert 0 < 2 * found < time.perf_counter() - begun


def test_the_jobs_are_those_of_the_tables_and_figures(study: Any) -> None:
    jobs = study("jobs")
    every = jobs.for_tables(jobs.CATEGORIES, jobs.LAMS, (0, 1, 2))
    assert len(set(every)) == 15 * (1 + 3) * 3 and [job.seed for job in every] == sorted(job.seed for job in every)
    figures = jobs.for_figures(jobs.CATEGORIES, 0)
    assert {(j.objective, j.corruption, j.category) for j in figures} == {
        *(("amplify_mask", "elastic", category) for category in ("wood", "carpet")),
        ("restore", "cutout", "wood"),
    }
    assert jobs.for_figures(["carpet"], 5) == [("amplify_mask", "elastic", 0.99, "carpet", 5)]


def test_batches_cover_the_jobs_exactly(study: Any) -> None:
    """Also where some have finished: a multirun is a full grid, and what has finished must not be in it."""
    jobs = study("jobs")
    every = jobs.for_tables(("carpet", "grid", "wood"), jobs.LAMS, (0, 1))
    assert len(jobs.batches(every)) == 4
    left = [job for i, job in enumerate(every) if i % 5]
    found = jobs.batches(left)
    for batch in found:
        grid = {(category, seed) for category in {j.category for j in batch} for seed in {j.seed for j in batch}}
        assert {(j.category, j.seed) for j in batch} == grid and len(batch) == len(grid)
    assert sorted(job for batch in found for job in batch) == sorted(left)


@pytest.mark.parametrize("launcher", [None, "joblib", "submitit_slurm", "ray"])
def test_the_commands_compose(study: Any, launcher: str | None, tmp_path: Path) -> None:
    """With every launcher that is installed; each job's folder is where its result is looked for."""
    jobs, running = study("jobs"), study("running")
    if launcher and not is_installed(LAUNCHERS[launcher][0]):
        pytest.skip(f"{launcher} is not installed")
    way = running.Way(tmp_path, launcher, 3, ["experiment=paper", "data=mvtec", "data.root=/images"])
    every = jobs.for_tables(("carpet", "wood"), ("restore",), (0, 1)) + jobs.for_figures(("wood",), 0)
    for group, arguments in running.commands(way, every, seconds=3600):
        job, swept = group[0], {}
        for argument in arguments[1:]:
            key, _, value = argument.partition("=")
            swept[key] = value.split(",")[0] if key in ("+category", "seed") else value
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=[f"{k}={v}" for k, v in swept.items()], return_hydra_config=True)
        check(config)
        assert config.hydra.sweep.subdir == job.place
        assert (config.image_size, config.model.width, config.objective.norm) == (512, 1, "l2")
        text = str(config.hydra.launcher)
        assert launcher is None or {"joblib": "'n_jobs': 3", "ray": "'num_gpus': 1"}.get(launcher, "'timeout_min': 120") in text


def test_the_remaining_time_follows_the_runs_so_far(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    running, job = study("running"), study("jobs").Job("restore", "elastic", 0.5, "carpet", 0)
    estimates = {job._replace(seed=seed): 600.0 for seed in range(4)}
    eta = running.Eta(estimates, jobs=2)
    assert eta.line(0) == "0 of 4 runs, about 20 min left", "by the estimate, two at a time"
    monkeypatch.setattr(running.time, "monotonic", lambda: eta.begun + 7200)
    assert eta.line(600, 1) == "1 of 4 runs, about 6 h 00 min left", "a run has taken two hours"
    assert running.in_words(12.4) == "12 s"


def test_a_difference_is_within_the_spread_or_not(study: Any) -> None:
    within = study("beside").within
    assert within(-0.02, 0.015) is True, "the printed value may be .005 nearer"
    assert within(0.021, 0.015) is False
    assert within(0.0, None) is None and within(None, 0.1) is None


def test_our_column_stands_beside_each_published_one(study: Any, tmp_path: Path) -> None:
    """By hand: carpet with two λ of (3), of which the proxy chooses one whose test values are worse."""
    for seed, (value, proxy) in enumerate([(0.95, 0.4), (0.97, 0.6)]):
        common = {"category": "carpet", "seed": seed, "objective": "amplify"}
        official_run(tmp_path / f"a{seed}", lam=0.9, pixel_auroc=value, proxy_ap=proxy, **common)
        official_run(tmp_path / f"b{seed}", lam=0.99, pixel_auroc=0.999, proxy_ap=0.45, **common)
    fake_run(tmp_path / "c", category="grid")
    found = {table.name: table for table in study("beside").tables(records_of(tmp_path))}
    assert set(found) == {"beside_table2", "beside_table3", "beside_table4"}
    table = found["beside_table3"]
    rows = {row[0].text: dict(zip(table.columns, (cell.text for cell in row), strict=True)) for row in table.rows}
    assert rows["carpet"]["setting"] == "amplify λ=0.9" and rows["carpet"]["ours"] == "0.96 ± 0.01 (2)"
    assert rows["carpet"]["Bauer (paper)"] == "0.99 (−0.03)" and rows["carpet"]["AE_L2"] == "0.59 (+0.37)"
    assert rows["carpet"]["LSR"] == "0.94 (+0.02)" and rows["carpet"]["InTra"] == "0.99 (−0.03)"
    assert rows["grid"]["ours"] == "–" and rows["grid"]["LSR"] == "0.99", "generated data stand beside nothing"
    assert rows["average of textures"]["ours"] == "–", "a category is missing"
    two = found["beside_table4"]
    assert dict(zip(two.columns, two.rows[0], strict=True))["LSR"].text.startswith("0.88 / 0.33 (")


def test_averages_have_the_spread_of_the_seeds(study: Any, tmp_path: Path) -> None:
    jobs = study("jobs")
    for seed, shift in enumerate((0.0, 0.02)):
        for i, category in enumerate(jobs.CATEGORIES):
            official_run(tmp_path / f"{category}{seed}", category, seed=seed, tpr_tnr_mean=0.8 + shift + i / 100)
    table = study("beside").tables(records_of(tmp_path))[0]
    (textures,) = (row for row in table.rows if row[0].text == "average of textures")
    assert textures[2].text == "0.83 ± 0.01 (2)", ".82 and .84"
    assert dict(zip(table.columns, textures, strict=True))["Bauer (paper)"].text == "1.00 (−0.17)"


def test_a_folder_that_lacks_categories_is_answered_in_a_sentence(study: Any, tmp_path: Path) -> None:
    study("miniatures").write(tmp_path / "carpet", 32, 2, 1, 1)
    arguments = [sys.executable, str(FOLDER / "study.py"), str(tmp_path), "--categories", "carpet", "pill", "zipper"]
    ended = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 1 and ended.stderr.startswith(f"error: {tmp_path} lacks pill, zipper: unpack MVTec AD there")
    assert len(ended.stderr.splitlines()) == 1


def test_the_whole_study_runs_on_miniatures_of_all_categories(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Objective (1) on all 15 categories, then (3) on two of them beside a run that was cut off, and the page.

    The miniatures count as complete, as MVTec AD itself would, so that the page has published columns.
    """
    jobs, running, whole, data, runs = study("jobs"), study("running"), study("study"), tmp_path / "data", tmp_path / "runs"
    known, commands = {}, []
    for category in jobs.CATEGORIES:
        study("miniatures").write(data / category, side=32, train=2, test=1, kinds=1)
        defects = official.mvtec_ad()[category]["defects"][:1]
        known[category] = {"train": 2, "good": 1, "defective": 1, "side": 32, "defects": defects}

    def here(arguments: list[str], log: Path, look: Any) -> None:
        commands.append(arguments)
        ended = train_in_process(tmp_path, *arguments)
        assert ended.status == 0, ended.err + ended.out

    drawn = paper_figures.paper_figures
    monkeypatch.setattr(official, "mvtec_ad", lambda: known)
    monkeypatch.setattr(jobs, "LAMS", {"restore": (0.5,), "amplify": (0.99,)})
    monkeypatch.setitem(running.LAUNCHERS, "basic", [])  # Hydra's own: all jobs of a multirun in this process
    monkeypatch.setattr(running, "launch", here)
    # time: Hydra loads each job's configuration twice, to check it; the report's own tests draw its plots and figures
    monkeypatch.setattr(Sweeper, "validate_batch_is_legal", lambda *batch: None)
    monkeypatch.setattr(plots, "plots", lambda *drawn: ())
    monkeypatch.setattr(paper_figures, "paper_figures", lambda r, to: drawn(r, to) if r[0]["category"] == "wood" else ())
    tiny = ["trainer.max_epochs=1", "data.steps_per_epoch=1", "image_size=32", "data.train_size=32"]
    first = [str(data), "--debug", "--runs", str(runs), "--seeds", "0", "--set", *tiny, "trainer.precision=32-true"]
    whole.main([*first, "--dry-run"])
    assert not commands and "33 runs, 0 of them finished" in capsys.readouterr().out
    with monkeypatch.context() as unchanged:
        unchanged.setattr(whole, "write_page", lambda *places: None)
        whole.main([*first, "--objectives", "restore", "--launcher", "basic"])
    assert len(commands) == 3 and "18 of 18 runs, about 0 s left" in capsys.readouterr().out

    cut_off, other = jobs.Job("restore", "elastic", 0.5, "carpet", 0), runs / "restore_lam0.5_elastic_wood_seed0/metrics.json"
    (runs / cut_off.place / "metrics.json").unlink()
    written = other.stat().st_mtime_ns
    whole.main([*first, "--categories", "carpet", "wood"])
    assert "7 runs, 4 of them finished" in capsys.readouterr().out and len(commands) == 6, "one command for each run"
    assert other.stat().st_mtime_ns == written, "what has finished is not repeated"
    assert len(json.loads((runs / cut_off.place / "environment.json").read_text())["resumed"]) == 1
    tables = {name: (runs / f"page/tables/beside_table{name}.md").read_text() for name in (2, 3, 4)}
    for category in jobs.CATEGORIES:
        (row,) = (line for line in tables[3].splitlines() if line.startswith(f"| {category.replace('_', ' ')} |"))
        assert re.search(r"\| (restore|amplify) λ=0.\d+, elastic \| \d\.\d\d \(1\) \|", row)
        assert " ?)" in row, "one seed has no spread"
    assert "Ours beside" in (runs / "page/report.html").read_text()
    names = {path.name.split("_MVTec")[0] for path in (runs / "page/figures").glob("*wood.png")}
    assert names == {"figure1_7", "figure2_4", "figure3", "figure5", "figure6"}
    with pytest.raises(SystemExit):
        whole.main([*first, "batch_size=1"])
    assert "holds runs with" in capsys.readouterr().err, "runs of two protocols are not mixed"

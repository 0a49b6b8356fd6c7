"""Which runs the report finds, what it says of those without a result, and which it takes together."""

import fcntl
import json
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import Ended, stripes
from fake_runs import fake_run

from anomaly_lab.errors import UserError
from anomaly_lab.report.__main__ import main, parse
from anomaly_lab.report.read.collect import FINISHED, collect, told_apart
from anomaly_lab.report.read.groups import across_categories, group, key, legend, names
from anomaly_lab.report.tables.over_lambda import over_lambda
from anomaly_lab.report.tables.overview import left_out, results, single_runs


def states(folder: Path) -> dict[str, str]:
    return {run.path.name: run.state for run in collect([folder])}


# ---- what is found


def test_runs_are_found_at_any_depth_and_each_once(tmp_path: Path) -> None:
    for name in ("a", "sweep/0_x", "sweep/1_x", "old/sweep/10_x", "old/sweep/2_x"):
        fake_run(tmp_path / name)
    found = collect([tmp_path, tmp_path / "sweep", tmp_path / "a"])
    names_ = [run.path.relative_to(tmp_path.resolve()).as_posix() for run in found]
    assert sorted(names_) == sorted(["a", "sweep/0_x", "sweep/1_x", "old/sweep/10_x", "old/sweep/2_x"])
    assert names_.index("old/sweep/2_x") < names_.index("old/sweep/10_x"), "in the order of the jobs"


def test_what_lies_inside_a_run_is_no_run(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a")
    fake_run(run / "figures" / "copy")
    assert len(collect([tmp_path])) == 1


def test_every_state_is_told_apart_and_none_is_dropped(tmp_path: Path) -> None:
    fake_run(tmp_path / "finished")
    for name in ("stopped", "running", "failed"):
        (fake_run(tmp_path / name) / "metrics.json").unlink()
    (tmp_path / "stopped/metrics.csv").write_text("step,train/loss\n20,0.5\n40,0.4\n")
    (tmp_path / "failed/error.txt").write_text("the disk is full: free some space\n")
    (fake_run(tmp_path / "damaged") / "metrics.json").write_text("{")
    (fake_run(tmp_path / "poor") / "metrics.json").write_text('{"data": "mvtec"}')
    (fake_run(tmp_path / "garbled") / "config.yaml").write_text("a: [")
    hydra = tmp_path / "early/.hydra"
    hydra.mkdir(parents=True)
    (hydra / "hydra.yaml").write_text("hydra:\n  job:\n    name: train\n    chdir: null\n")
    (hydra / "overrides.yaml").write_text("- +category=nowhere\n")
    with (tmp_path / "running/.claimed").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        runs = {run.path.name: run for run in collect([tmp_path])}
    expected = {
        "finished": FINISHED, "stopped": "stopped", "running": "running", "failed": "failed", "damaged": "unreadable",
        "poor": "unreadable", "garbled": "unreadable", "early": "failed",
    }  # fmt: skip
    assert {name: run.state for name, run in runs.items()} == expected
    assert "step 40" in runs["stopped"].note and f"resume={tmp_path}/stopped" in runs["stopped"].note
    assert runs["failed"].note == "the disk is full: free some space"
    assert "lacks category, objective, seed" in runs["poor"].note
    assert runs["early"].overrides == ("+category=nowhere",)
    rows = left_out(list(runs.values()), [tmp_path]).rows
    assert {row[0].text for row in rows} == set(expected) - {"finished"}


def test_real_jobs_that_failed_are_listed_with_their_sentence(train: Callable[..., Ended], data_root: Path) -> None:
    others = [option for option in stripes(data_root) if not option.startswith("category.name=")]
    ended = train("-m", *others, "category.name=nowhere,stripes")
    (sweep,) = ended.directories
    failed, finished = collect([sweep])
    assert (failed.state, finished.state) == ("failed", FINISHED)
    assert "has no category nowhere" in failed.note
    assert "category.name=nowhere" in failed.overrides
    assert not (finished.path / "error.txt").exists()
    assert finished.metrics["stored_size"] == 64

    # a multirun that was stopped before its last job
    record = sweep / "multirun.yaml"
    text = record.read_text().replace("nowhere,stripes", "nowhere,stripes,never")
    record.write_text(text)
    (waiting,) = (run for run in collect([sweep.parent, sweep]) if run.state == "not started")
    assert "category.name=never" in waiting.overrides
    name, state, overrides, _ = left_out(collect([sweep]), [sweep]).rows[-1]
    assert (name.text, state.text) == ("–", "not started"), "no directory is made up"
    assert "category.name=never" in overrides.text


def test_a_resumed_run_that_finishes_is_no_longer_failed(train: Callable[..., Ended], data_root: Path) -> None:
    run = train(*stripes(data_root), "hydra.run.dir=runs/mine").directory
    (run / "metrics.json").unlink()
    (run / "error.txt").write_text("the disk is full\n")
    assert collect([run])[0].state == "failed"
    assert train(f"resume={run}").status == 0
    assert collect([run])[0].state == FINISHED


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run: set runs="):
        collect([tmp_path])
    with pytest.raises(UserError, match="is not a folder: set runs="):
        collect([tmp_path / "nowhere"])


def test_numbers_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", image_auroc=math.nan)
    assert collect([tmp_path])[0].metrics["image_auroc"] is None


# ---- groups


def test_seeds_are_grouped_and_their_mean_and_spread_are_theirs(tmp_path: Path) -> None:
    values = [0.91, 0.95, 0.86]
    for seed, value in enumerate(values):
        fake_run(tmp_path / str(seed), seed=seed, image_auroc=value)
    (g,) = group(collect([tmp_path]))
    assert g.seeds == [0, 1, 2]
    s = g.statistic("image_auroc")
    assert (s.mean, s.spread, s.n) == (pytest.approx(statistics.mean(values)), pytest.approx(statistics.stdev(values)), 3)
    (row,) = results([g]).rows
    assert row[5].text == "0.907 ± 0.045"


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    (g,) = group(collect([tmp_path]))
    assert results([g]).rows[0][5].text == "0.900"
    assert g.statistic("image_auroc").spread is None


@pytest.mark.parametrize(
    "change",
    [{"lam": 0.9}, {"objective": "amplify"}, {"category": "wood"}, {"corruption": "swap"}, {"model": "sdc"}, {"lr": 0.1}],
    ids=lambda change: next(iter(change)),
)
def test_any_other_difference_makes_another_group(tmp_path: Path, change: dict[str, object]) -> None:
    fake_run(tmp_path / "a", seed=0)
    fake_run(tmp_path / "b", seed=1, **change)
    groups = group(collect([tmp_path]))
    assert len(groups) == 2
    if "category" not in change:
        assert len(set(names(groups).values())) == 2, "and another name"


def test_real_data_from_two_folders_are_not_taken_together_but_the_embedded_are(tmp_path: Path) -> None:
    for i, root in enumerate(("/x", "/y")):
        fake_run(tmp_path / f"r{i}", seed=i, data="mvtec", root=root)
        fake_run(tmp_path / f"s{i}", seed=i, data="synthetic", root=root)
    assert sorted(len(g.runs) for g in group(collect([tmp_path]))) == [1, 1, 2]


def test_folders_of_the_same_name_are_told_apart_by_as_much_as_it_takes(tmp_path: Path) -> None:
    assert told_apart(["/a/b/x", "/a/c/x", "/y", "/z/a/c/x"]) == {
        "/a/b/x": "b/x", "/a/c/x": "/a/c/x", "/y": "y", "/z/a/c/x": "z/a/c/x",
    }  # fmt: skip
    for root in ("/a/x", "/b/x"):
        for lam in (0.3, 0.9):
            fake_run(tmp_path / root[1:] / str(lam), data="mvtec", root=root, lam=lam)
    series = over_lambda(group(collect([tmp_path])), "image_auroc")
    assert {data for data, _, _ in series} == {f"folder “{name}” in MVTec's layout, not MVTec AD" for name in ("a/x", "b/x")}


def test_seeds_stay_together_whatever_follows_from_them_or_says_nothing_about_the_result(tmp_path: Path) -> None:
    for seed in range(3):
        run = fake_run(tmp_path / str(seed), seed=seed)
        config = yaml.safe_load((run / "config.yaml").read_text())
        config |= {"checkpoint_minutes": seed, "scoring": {"detector": {"seed": seed}}}
        config["data"] |= {"cache": {"folder": f"/{seed}", "gib": 10}, "num_workers": seed}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert [len(g.runs) for g in group(collect([tmp_path]))] == [3]


def test_a_repeated_seed_counts_once_and_the_earlier_run_is_still_listed(tmp_path: Path) -> None:
    fake_run(tmp_path / "old", age=100, image_auroc=0.1)
    fake_run(tmp_path / "new", age=10, image_auroc=0.7)
    runs = collect([tmp_path])
    (g,) = group(runs)
    assert g.statistic("image_auroc") == (g.statistic("image_auroc").__class__(0.7, None, 1))
    listed = {row[-2].text: row[-1].text for row in single_runs([g], [tmp_path]).rows}
    assert listed == {"new": "", "old": "repeated later, counts nowhere"}
    assert any("repeated later" in note for note in results([g]).notes)


def test_many_or_long_differences_become_a_letter_with_a_legend(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        run = fake_run(tmp_path / name, lr=(0.1, 0.2)[i])
        text = (run / "config.yaml").read_text() + f"callbacks: {{sizes: {[[0.0, 0.5]] * (i + 9)}}}\n"
        (run / "config.yaml").write_text(text)
    groups = group(collect([tmp_path]))
    assert sorted(names(groups).values()) == ["restore λ=0.5 (a)", "restore λ=0.5 (b)"]
    assert {k for others in legend(groups).values() for k in others} == {"optimizer.lr", "callbacks.sizes"}
    assert all(names(groups)[key(across_categories(g.setting))] in legend(groups) for g in groups)


UNTRAINED = {"objective": "none", "lam": None, "corruption": "none", "model": "knn"}
NAMES: dict[str, tuple[list[dict[str, object]], list[str]]] = {
    "the model leads, and corruptions that follow from it go unsaid": (
        [
            UNTRAINED,
            {"model": "sdc_quarter"},
            {"objective": "segment", "lam": None, "corruption": "defects", "model": "patch_ae"},
        ],
        ["knn, untrained", "patch_ae, segment", "sdc_quarter, restore λ=0.5"],
    ),
    "one model is not named": ([{"lam": 0.5}, {"lam": 0.9}], ["restore λ=0.5", "restore λ=0.9"]),
    "corruptions of one objective": (
        [{"corruption": "swap"}, {"corruption": "none"}, {}],
        ["restore λ=0.5, elastic", "restore λ=0.5, no corruption", "restore λ=0.5, swap"],
    ),
    "corruptions of one objective in two models": (
        [{"model": "sdc", "corruption": "swap"}, {}, UNTRAINED],
        ["knn, untrained", "sdc, restore λ=0.5, swap", "tiny, restore λ=0.5, elastic"],
    ),
    "corruptions of two objectives of one model": (
        [{"objective": "amplify", "corruption": "swap"}, {}],
        ["amplify λ=0.5, swap", "restore λ=0.5, elastic"],
    ),
    "the same model untrained": ([UNTRAINED | {"model": "tiny"}, {}], ["restore λ=0.5", "untrained"]),
    "untrained, with a corruption for the proxy": (
        [UNTRAINED, UNTRAINED | {"corruption": "swap"}],
        ["untrained", "untrained, swap"],
    ),
    "what else differs comes last": (
        [{"lr": 0.1}, {"lr": 0.2, "model": "sdc", "corruption": "swap"}],
        ["sdc, restore λ=0.5, swap, lr=0.2", "tiny, restore λ=0.5, elastic, lr=0.1"],
    ),
}


@pytest.mark.parametrize(("settings", "expected"), NAMES.values(), ids=NAMES)
def test_names_are_short_and_tell_settings_apart(
    tmp_path: Path, settings: list[dict[str, object]], expected: list[str]
) -> None:
    for i, setting in enumerate(settings):
        fake_run(tmp_path / str(i), **setting)
    assert sorted(names(group(collect([tmp_path]))).values()) == expected


# ---- the command


def test_help_and_tables_need_no_torch(tmp_path: Path) -> None:
    fake_run(tmp_path / "runs/a")
    options = ["runs=runs", "gallery=none", "figures=false"]
    command = [sys.executable, "-X", "importtime", "-m", "anomaly_lab.report", *options]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "1 finished runs of 1" in ended.stdout
    assert (tmp_path / "runs/report/report.html").is_file()
    imported = set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.M))
    assert "yaml" in imported
    assert not imported & {"torch", "lightning", "cv2", "albumentations"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no runs: add runs=DIR"),
        (["runs"], "runs is not understood"),
        (["runs=a", "size=3"], "size=3 is not understood: give runs=, out=, gallery=, figures="),
        (["runs=a", "gallery=few"], "gallery is few: it must be one of one, all, none"),
        (["runs=a", "figures=yes"], "figures is yes: it must be true or false"),
        (["runs=a", "out=b", "out=c"], "out= is given 2 times"),
    ],
)
def test_a_mistake_on_the_command_line_is_answered_in_a_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        parse(arguments)


def test_paths_with_equals_signs_and_commas_need_no_quotes() -> None:
    options = parse(["runs=runs/2026_objective.lam=0.5,seed=1", "runs=b"])
    assert options.runs == [Path("runs/2026_objective.lam=0.5,seed=1"), Path("b")]
    assert options.out == Path("runs/2026_objective.lam=0.5,seed=1/report")


def test_the_command_ends_with_one_sentence_and_no_stack_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["report", f"runs={tmp_path / 'nowhere'}"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
    fake_run(tmp_path / "a")
    (tmp_path / "file").touch()
    monkeypatch.setattr(
        sys, "argv", ["report", f"runs={tmp_path / 'a'}", f"out={tmp_path / 'file'}", "gallery=none", "figures=false"]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert "choose another folder with out=" in capsys.readouterr().err


def test_a_folder_of_failures_only_gives_a_page_that_lists_them(tmp_path: Path) -> None:
    from anomaly_lab.report.make import Options, build_report

    run = fake_run(tmp_path / "a")
    (run / "metrics.json").unlink()
    report = build_report(Options([tmp_path], tmp_path / "out"))
    assert [table.name for table in report.tables] == ["left_out"]
    assert "resume=" in (tmp_path / "out/report.html").read_text()
    assert json.loads(json.dumps(report.notes))[0].startswith("0 of 1 runs have finished; 1 stopped")

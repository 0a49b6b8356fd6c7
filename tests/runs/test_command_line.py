"""The command line before Hydra reads it."""

import os
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.errors import UserError
from anomaly_lab.runs import command_line


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        ("resume=runs/x_category=a,b", "resume='runs/x_category=a,b'"),
        ("hydra.run.dir=my runs/1", "hydra.run.dir='my runs/1'"),
        ("resume=it's", r"resume='it\'s'"),
        ("resume='runs/a=b'", "resume='runs/a=b'"),
        ('resume="runs/a=b"', 'resume="runs/a=b"'),
        ("hydra.run.dir=runs/${now:%H}", "hydra.run.dir=runs/${now:%H}"),
        ("resume=a\\", r"resume='a\\'"),
        ("objective.lam=0.3,0.9", "objective.lam=0.3,0.9"),
        ("data.root=/data/mvtec_ad", "data.root=/data/mvtec_ad"),
        ("data.root=null", "data.root=null"),
        ("data.root=größe", "data.root='größe'"),
        ("data.root=Bilder (Kopie)", "data.root='Bilder (Kopie)'"),
        ("+category.name=date=2026-11-25", "+category.name='date=2026-11-25'"),
        ("category.name=a,b", "category.name='a,b'"),
        ("category.name=[a]", "category.name='[a]'"),
        ("--help", "--help"),
        ("resume", "resume"),
    ],
)
def test_a_run_directory_on_the_command_line_gets_quotes(argument: str, quoted: str) -> None:
    """The names hold = and , which Hydra would take for an override and a sweep."""
    assert command_line.quoted(argument) == quoted


def read(argument: str) -> Any:
    """The value that Hydra reads after our quoting."""
    return OverridesParser.create().parse_override(command_line.quoted(argument)).value()


# every option that holds a path or a name, in any command
OPTIONS = (
    *(
        "run",
        "resume",
        "out",
        "hydra.run.dir",
        "hydra.sweep.dir",
        "hydra.sweep.subdir",
        "hydra.output_subdir",
        "hydra.job.name",
    ),
    *("data.root", "mvtec_root", "category.name", "data.cache.folder", "model.encoder_file", "logger.tensorboard.name"),
    *("+logger.wandb.entity", "logger.wandb.project", "logger.wandb.name", "logger.wandb.group", "logger.wandb.save_dir"),
    *("+logger.wandb.notes", "hydra.job_logging.handlers.file.filename", "++data.root"),
)


def quotes(name: str) -> bool:
    """Whether Hydra reads the name as a text in quotes, an interpolation or nothing, or `quoted` the user's own folder."""
    return name.startswith(("'", '"', "~")) or "${" in name or name.lower() == "null"


@given(option=st.sampled_from(OPTIONS), name=st.text(min_size=1).filter(lambda name: not quotes(name)))
def test_a_path_of_any_characters_reaches_the_configuration(option: str, name: str) -> None:
    assert read(f"{option}={name}") == name


NAMES = ["größe", "写真", "e\u0301", "Bilder (Kopie)", " a", "a ", "[x]", "{x}", "x[1]", "date=2026-11-25", "a= b", "a,b", "#1"]
NAMES += [
    "it's",
    "'s",
    'a"b',
    "a\\b",
    "a\\",
    "$x",
    "new\nline",
    "12",
    "1e3",
    "true",
    "choice(1,2)",
    "range(3)",
    "*",
    "a|b",
    "@",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_a_path_or_a_name_takes_odd_ones(option: str, name: str) -> None:
    assert read(f"{option}={name}") == name


@pytest.mark.parametrize("option", ["experiment", "objective.lam", "+mine.text"])
@pytest.mark.parametrize("name", ["größe", "it's", "a b (c)", "a=b", "new\nline"])
def test_any_other_value_that_hydra_cannot_read_is_a_text(option: str, name: str) -> None:
    assert read(f"{option}={name}") == name


@pytest.mark.parametrize(
    "argument", ["seed=[1", "corruption.size=[0.1,0.5]", "x={a:1}", "objective.lam=choice(1,2", "~debug", "x=a,b"]
)
def test_lists_mappings_calls_and_sweeps_are_hydra_s(argument: str) -> None:
    assert command_line.quoted(argument) == argument


def test_the_names_in_a_list_are_quoted_one_by_one() -> None:
    assert read("logger.wandb.tags=[größe,a,it's]") == ["größe", "a", "it's"]
    assert read("logger.wandb.tags=[]") == []


def test_the_user_s_own_folder_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    for option in ("run", "resume", "out", "hydra.run.dir", "hydra.sweep.dir"):
        assert read(f"{option}=~/runs/a=b") == "/home/me/runs/a=b"


@pytest.mark.parametrize("option", OPTIONS)
def test_an_empty_path_is_a_mistake(option: str) -> None:
    """It would be the current folder; a shell writes it for a variable that is not set."""
    with pytest.raises(UserError, match=rf"{re.escape(option)}= has no value"):
        command_line.quoted(f"{option}=")


@pytest.mark.parametrize(
    "argument", ["resume=gr\udcf6\udcdfe", "data.root=\udcff", "--config-dir=\udcff", "category.name=a\udcff"]
)
def test_a_name_that_is_no_text_is_a_mistake(argument: str) -> None:
    with pytest.raises(UserError, match=r"'.*\\udc.*' is no text in UTF-8: rename"):
        command_line.prepared([argument])


def test_so_is_one_of_the_current_folder_or_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "\udcff").mkdir()
    monkeypatch.chdir(tmp_path / "\udcff")
    with pytest.raises(UserError, match=r"the current folder .*udcff"):
        command_line.prepared(["seed=1"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANOMALY_LAB_CACHE", "/tmp/\udcff")
    with pytest.raises(UserError, match=r"ANOMALY_LAB_CACHE .*udcff"):
        command_line.prepared(["seed=1"])


def test_a_current_folder_that_was_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "getcwd", Mock(side_effect=FileNotFoundError(2, "No such file or directory")))
    with pytest.raises(UserError, match="the current folder does not exist any more"):
        command_line.prepared(["seed=1"])


@pytest.mark.parametrize(
    "argument", ["trainer=null", "+category=3", "objective=", "data=1.5", "model=true", "data=6.3e+16", "category=[1]"]
)
def test_choosing_nothing_lists_what_there_is(argument: str) -> None:
    with pytest.raises(UserError, match=rf"{re.escape(argument)} chooses nothing: name one of \w+(, \w+)*, or your own"):
        command_line.prepared([argument])


@pytest.mark.parametrize("option", sorted(command_line.VALUED))
def test_the_value_of_an_option_of_hydra_s_own_stays_as_it_is(option: str) -> None:
    for name in ("runs/x_category=custom,a=b c", "/there/a=b,größe"):
        assert command_line.prepared([option, name, "seed=ä"])[:3] == [option, name, "seed='ä'"]
        assert command_line.prepared([f"--config-dir={name}"]) == [f"--config-dir={name}"]


@pytest.mark.parametrize("argument", ["=3", "+=6.3e+16", "~=a"])
def test_a_value_without_an_option_is_named(argument: str) -> None:
    with pytest.raises(UserError, match="has no option before the sign: write option=value"):
        command_line.prepared([argument])


@pytest.mark.parametrize("argument", ["~batch_size", "~scoring.sigma=8", "~data"])
def test_an_option_that_is_needed_stays(argument: str) -> None:
    with pytest.raises(UserError, match=f"{argument} takes away an option that is needed"):
        command_line.prepared([argument])
    assert command_line.prepared(["~callbacks.early_stopping"]) == ["~callbacks.early_stopping"]


@pytest.mark.parametrize("argument", ["logger=null", "callbacks=null"])
def test_parts_that_add_something_are_left_out_in_hydra_s_way(argument: str) -> None:
    group = argument.lstrip("+").split("=")[0]
    with pytest.raises(UserError, match=f"can't be used: write ~{group} to leave it out"):
        command_line.prepared([argument])
    assert command_line.prepared([f"~{group}", "debug=null"]) == [f"~{group}", "debug=null"]


def test_a_run_keeps_its_log() -> None:
    with pytest.raises(UserError, match="a run keeps its log"):
        command_line.prepared(["hydra/job_logging=disabled"])
    assert command_line.prepared(["hydra/job_logging=colorlog"]) == ["hydra/job_logging=colorlog"]


@pytest.mark.parametrize("argument", ["hydra=3", "hydra=true"])
def test_groups_that_hold_only_parts_say_so(argument: str) -> None:
    with pytest.raises(UserError, match=r"chooses nothing: set one of its parts, \w+.PART=VALUE"):
        command_line.prepared([argument])


def test_a_multirun_may_name_several_categories() -> None:
    assert command_line.quoted("category.name=a,b", several=True) == "category.name=a,b"
    assert command_line.quoted("category.name=ä,b", several=True) == "category.name='ä','b'"
    assert command_line.quoted("hydra.sweep.subdir=ä,b", several=True) == "hydra.sweep.subdir='ä,b'"
    assert command_line.prepared(["-m", "data.root=größe,b"])[1] == "data.root='größe','b'"


@pytest.mark.parametrize(
    "text", ["seed: 0\nhydra: {a: 1}", "'hydra':\n  a: 1", "defaults: [x]", '{seed: 0, "\\x68ydra": {a: 1}}']
)
def test_a_stored_configuration_holds_no_settings_of_hydra(tmp_path: Path, text: str) -> None:
    """Hydra would make what they name before anything of ours runs."""
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml is no run's configuration, since it has (hydra|defaults): give"):
        command_line.prepared(["--config-dir", str(tmp_path), "--config-name=config"])
    command_line.prepared(["--config-dir", str(tmp_path), "+category=carpet"])


@pytest.mark.parametrize("spelled", [["--config-name", "config"], ["--config-name=config"], ["-cn", "config"], ["-cn=config"]])
def test_a_run_s_own_configuration_gets_a_directory(spelled: list[str]) -> None:
    """Its config.yaml holds no hydra.run.dir. These are all the spellings that Hydra takes."""
    *same, added = command_line.placed(["--config-dir", "runs/x", *spelled])
    assert same == ["--config-dir", "runs/x", *spelled]
    assert added.startswith("hydra.run.dir=runs/2")
    assert command_line.placed([*spelled, "seed=1"])[-1].startswith("hydra.run.dir=runs/2")
    chosen = [*spelled, "hydra.run.dir=mine"]
    assert command_line.placed(chosen) == chosen


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config-name", "config2"],
        ["--config-name=config2"],
        ["-cn", "train"],
        ["category.name=config"],
        ["config", "--config-name"],
        ["--config-dir", "config", "seed=1"],
        [],
    ],
    ids=" ".join,
)
def test_every_other_command_stays_as_it_is(arguments: list[str]) -> None:
    assert command_line.placed(arguments) == arguments


@pytest.mark.parametrize("name", sorted(command_line.LAUNCHERS))
def test_a_launcher_that_is_not_installed_is_named_with_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "is_installed", lambda module: False)
    command_line.require_launcher(["-m", "hydra/launcher=basic", "+category=carpet,grid"])
    with pytest.raises(UserError, match=rf"hydra/launcher={name} is not installed: pip install"):
        command_line.require_launcher(["-m", f"hydra/launcher={name}"])


def test_a_module_is_looked_for_without_being_imported() -> None:
    assert command_line.is_installed("anomaly_lab.module")
    assert not command_line.is_installed("anomaly_lab.nothing_of_this_name")
    assert not command_line.is_installed("no_such_package.launcher")


def test_a_rule_s_parameter_needs_the_rule() -> None:
    command_line.require_rule(["calibration=quantile", "calibration.q=0.9"])
    command_line.require_rule(["seed=1"])
    with pytest.raises(UserError, match=r"calibration\.q belongs to a rule"):
        command_line.require_rule(["seed=1", "calibration.q=0.9"])


@pytest.mark.parametrize(
    "asked", ["-m", "--multirun", "hydra.mode=MULTIRUN", "--cfg", "--cfg=job", "-c", "--help", "--hydra-help"]
)
def test_a_grid_asks_for_several_runs_or_none(asked: str) -> None:
    command_line.require_multirun([asked, "+sweep=lambda"])


@pytest.mark.parametrize(
    "arguments", [["+sweep=lambda"], ["sweep=small", "-cn", "train"], ["seed=1", "+sweep=small"]], ids=" ".join
)
def test_a_grid_without_m_is_a_mistake(arguments: list[str]) -> None:
    with pytest.raises(UserError, match=r"\+?sweep=\w+ is a grid of several runs: add -m"):
        command_line.require_multirun(arguments)
    command_line.require_multirun(["seed=1", "category.name=sweep=x"])


@pytest.mark.parametrize("depth", ["", "experiment", "scoring/evidence"])
@pytest.mark.parametrize(
    ("content", "said"), [(b"\xef\xbb\xbfseed: 7", "begins with a byte order mark"), (b"# \xf6", "is no text")]
)
def test_settings_that_hydra_would_misread_are_named(tmp_path: Path, depth: str, content: bytes, said: str) -> None:
    (tmp_path / depth).mkdir(parents=True, exist_ok=True)
    (tmp_path / depth / "mine.yaml").write_bytes(content)
    folder = str(tmp_path)
    for options in (
        ["--config-dir", folder],
        [f"--config-dir={folder}"],
        ["-cd", folder],
        [f"hydra.searchpath=[file://{folder}]"],
    ):
        with pytest.raises(UserError, match=f"mine.yaml {said}"):
            command_line.prepared(options)
    (tmp_path / depth / "mine.yaml").write_bytes("# größe\r\nseed: 7".encode())
    assert command_line.prepared(["--config-dir", folder])

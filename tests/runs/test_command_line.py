"""The command line before Hydra reads it."""

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


NAMES = st.text(min_size=1).filter(lambda name: not name.startswith(("'", '"')) and "${" not in name)


@given(option=st.sampled_from(["run", "data.root", "category.name"]), name=NAMES)
def test_a_path_of_any_characters_reaches_the_configuration(option: str, name: str) -> None:
    override = OverridesParser.create().parse_override(command_line.quoted(f"{option}={name}"))
    value = override.value()
    if isinstance(value, str):
        assert value == name or value == name.strip(), name
    else:  # an unquoted number, null or true: `check` answers in a sentence
        assert isinstance(value, int | float | None) and option != "run"


def test_a_multirun_may_name_several_categories() -> None:
    assert command_line.quoted("category.name=a,b", several=True) == "category.name=a,b"
    assert command_line.quoted("category.name=ä,b", several=True) == "category.name='ä','b'"
    assert command_line.prepared(["-m", "data.root=größe,b"])[1] == "data.root='größe','b'"


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

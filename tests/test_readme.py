"""The commands in README work: make targets, paths and keys exist, and training commands run with a tiny network."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ended, Finished
from shown_commands import (
    ROOT,
    make_targets,
    options,
    require_make_target,
    require_options,
    require_python,
    require_reading,
    require_training,
    shown,
    trainings,
)

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_shows_training_commands() -> None:
    assert len(trainings(README)) >= 5


@pytest.mark.parametrize("command", [c for c in trainings(README) if not c.startswith("resume")])
def test_a_training_command_of_the_readme_works(command: str, train: Callable[..., Ended], tmp_path: Path) -> None:
    require_training(command, train, tmp_path)


@pytest.mark.parametrize(
    "command", [c for c in shown(README) if re.match(r"python -m anomaly_lab\.(evaluate|predict|calibrate|report)", c)]
)
def test_a_command_of_the_readme_that_reads_runs_works(command: str, finished: Finished, tmp_path: Path) -> None:
    require_reading(command, finished, tmp_path)


def test_the_other_commands_of_the_readme_are_those_of_pages_that_tests_run() -> None:
    for name in ("inspect", "app", "export"):
        page = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
        commands = [c for c in shown(README) if c.startswith(f"python -m anomaly_lab.{name}")]
        assert commands and set(commands) <= set(shown(page))


def test_the_python_of_the_readme_works(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_python(README, finished, tmp_path, monkeypatch)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["help", *make_targets(README)])
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    require_make_target(target)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert len(targets) >= 6
    for target in targets:
        assert f"make {target} " in listed


def test_the_keys_and_options_that_the_readme_names_exist() -> None:
    assert len(options(README)) >= 6
    require_options(README)


def test_the_pictures_of_the_readme_exist() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file()

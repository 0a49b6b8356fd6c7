"""The hooks run before a commit what CI runs, and download nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
HOOKS = [hook for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"] for hook in repo["hooks"]]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_hooks_are_the_commands_of_make_check_which_ci_runs() -> None:
    recipes = subprocess.run(["make", "-n", "check"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    commands = [line for line in recipes.splitlines() if line.startswith(".venv/bin/") and "-m pip" not in line]
    assert [hook["entry"] for hook in HOOKS] == commands
    assert "make check" in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_hooks_download_nothing() -> None:
    assert len(HOOKS) == 4
    assert all(hook["language"] == "system" for hook in HOOKS)

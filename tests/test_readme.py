"""Every command that README shows works: make targets exist, training commands run (tiny), paths and keys are there."""

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import Ended, Finished, write_category

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAIN = "python -m anomaly_lab.train "
SHOWN = [line.strip() for line in README.splitlines() if line.startswith("    ")]
COMMANDS = [line.removeprefix(TRAIN) for line in SHOWN if line.startswith(TRAIN)]


def test_readme_shows_training_commands() -> None:
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("resume")])
def test_a_training_command_of_the_readme_works(command: str, train: Callable[..., Ended], tmp_path: Path) -> None:
    write_category(tmp_path / "photographs" / "mine", train=3, good=1, each=1)
    command = command.replace("FOLDER", "mine").replace("DIR", "photographs")
    tiny = [] if "debug=" in command else ["debug=default"]
    ended = train(*command.split(), *tiny, "data.steps_per_epoch=1", "trainer.max_epochs=1")
    assert ended.status == 0, ended.err + ended.out
    finished = [path for run in ended.directories for path in run.glob("**/metrics.json")]
    jobs = 1
    if command.startswith("-m "):
        lists = re.findall(r"\+?[\w.]+=([^\[\s]*,[^\s]*)", command)
        for grid in re.findall(r"\+sweep=(\w+)", command):
            lists += yaml.safe_load((ROOT / f"conf/sweep/{grid}.yaml").read_text())["hydra"]["sweeper"]["params"].values()
        jobs = math.prod(len(values.split(",")) for values in lists)
    assert len(finished) == jobs


@pytest.mark.parametrize("command", [line for line in SHOWN if re.match(r"python -m anomaly_lab\.(evaluate|report)", line)])
def test_a_command_of_the_readme_that_reads_runs_works(command: str, finished: Finished, tmp_path: Path) -> None:
    runs = shutil.copytree(finished.directory.parent, tmp_path / "runs")
    write_category(tmp_path / "photographs/stripes", train=0, good=0, defects=("new",), each=2, masks=False)
    command = command.replace("runs/DIRECTORY", str(runs / finished.directory.name)).replace("runs=runs", f"runs={runs}")
    command = command.replace("=DIR", f"={tmp_path / 'photographs'}")
    command = command.replace("alpha=0.1", "alpha=0.5")  # one image is held out here, carpet's nine are enough for .1
    ended = subprocess.run([sys.executable, *command.split()[1:]], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert list(tmp_path.glob("**/report.html" if "report" in command else "**/source.json"))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", sorted({"help", *re.findall(r"`?make (\w+)", README)} - {"and", "bench"}))
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert len(targets) >= 6
    for target in targets:
        assert f"make {target} " in listed


def test_the_keys_and_options_that_the_readme_names_exist() -> None:
    options = set(re.findall(r"`(objective|corruption|model|data|logger|debug)=(\w+)[` ]", README))
    assert len(options) >= 6
    for group, option in options:
        assert (ROOT / "conf" / group / f"{option}.yaml").is_file(), f"{group}={option}"


def test_the_pictures_of_the_readme_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file()

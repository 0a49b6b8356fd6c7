"""The commands that a page of Markdown shows, and what tests do with them."""

import importlib
import math
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Ended, Finished, in_process, write_category

from anomaly_lab.data.synthetic import reader

ROOT = Path(__file__).parent.parent
TRAIN = "python -m anomaly_lab.train "
FEW = reader.Counts(train=16, good=3, defective=1)


def shown(text: str) -> list[str]:
    """The commands in the indented blocks of a page: continued lines joined, without comments, variables and `&`."""
    blocks = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.startswith("    ")]
    bare = [re.sub(r"^(\w+=\S+ +)+|\s+#.*$|\s+&.*$", "", line) for line in blocks]
    return [" ".join(line.split()) for line in bare if line.startswith(("python -m ", "make ", "pip "))]


def trainings(text: str) -> list[str]:
    """The arguments of the training commands that a page shows."""
    return [command.removeprefix(TRAIN) for command in shown(text) if command.startswith(TRAIN)]


def make_targets(text: str) -> list[str]:
    """The targets of make that a page names: in a command, or between backticks."""
    named = {command.split()[1] for command in shown(text) if command.startswith("make ")}
    return sorted(named | set(re.findall(r"`make (\w+)", text)))


def options(text: str) -> set[tuple[str, str]]:
    """(group, option) of the configuration, as in `model=sdc`, that a page names in a command or between backticks."""
    bare = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    places = " ".join([*shown(text), *re.findall(r"`([^`\n]+)`", bare)])
    groups = "calibration|category|corruption|data|debug|logger|metrics|model|objective|sweep|trainer"
    return set(re.findall(rf"(?:^|(?<=[ +]))({groups})=([a-z]\w*)(?![\w./])", places))


def require_options(text: str) -> None:
    """Fail for an option without a file in conf/."""
    for group, option in options(text):
        assert (ROOT / "conf" / group / f"{option}.yaml").is_file(), f"{group}={option}"


def require_make_target(target: str) -> None:
    """Fail for a target that the Makefile does not have."""
    subprocess.run(["make", "-n", target, "RUN=run", "ROOT=root"], cwd=ROOT, check=True, capture_output=True)


def require_training(command: str, train: Callable[..., Ended], folder: Path) -> list[Path]:
    """Run the arguments of a training command, made tiny; fail unless each job finishes. Its init= is the run before."""
    tiny = [] if "debug=" in command else ["debug=default"]
    if (first := " init=runs/DIRECTORY") in command:
        run = require_training(command.replace(first, ""), train, folder)[0]
        command = command.replace(first, f" init={run}")
    write_category(folder / "photographs" / "mine", train=3, good=1, each=1)
    command = command.replace("FOLDER", "mine").replace("DIR", "photographs")
    # few embedded images, in a place of their own: to score all of them takes most of the time
    with pytest.MonkeyPatch.context() as few:
        few.setattr(reader, "Counts", lambda: FEW)
        few.setenv("ANOMALY_LAB_CACHE", f"{os.environ['ANOMALY_LAB_TEST_CACHE']}/few")
        ended = train(*command.split(), *tiny, "data.steps_per_epoch=1", "trainer.max_epochs=1")
    assert ended.status == 0, ended.err + ended.out
    finished = [path for run in ended.directories for path in run.glob("**/metrics.json")]
    assert len(finished) == math.prod(len(values) for values in grid(command).values())
    return ended.directories


def require_reading(command: str, finished: Finished, folder: Path) -> None:
    """Run a command that reads runs, on a copy of a finished one; fail unless it leaves what it should."""
    runs = shutil.copytree(finished.directory.parent, folder / "runs")
    write_category(folder / "photographs/stripes", train=0, good=0, defects=("new",), each=2, masks=False)
    command = command.replace("runs/DIRECTORY", str(runs / finished.directory.name)).replace("runs=runs", f"runs={runs}")
    command = command.replace("=DIR", f"={folder / 'photographs'}")
    command = command.replace("alpha=0.1", "alpha=0.5")  # one image is held out here; carpet's nine suffice for .1
    name = require_command(command, folder)
    left = {
        "report": "**/report.html",
        "predict": "**/contact.png",
        "evaluate": "**/source.json",
        "calibrate": "**/source.json",
        "analyze": "**/analysis.json",
    }
    assert list(folder.glob(left[name]))


def require_command(command: str, folder: Path) -> str:
    """Run `python -m anomaly_lab.NAME …` in `folder`, in this process, and return the name; fail unless it ends well."""
    _, _, module, *arguments = command.split()
    name = module.removeprefix("anomaly_lab.")
    main = importlib.import_module(f"{module}.__main__" if (ROOT / "anomaly_lab" / name).is_dir() else module).main
    ended = in_process(folder, main, name, *arguments)
    assert ended.status == 0, command + ended.err + ended.out
    return name


def require_python(text: str, finished: Finished, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the Python of a page on a finished run and an image; fail unless it ends well."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    shutil.copytree(finished.directory, folder / "runs" / "DIRECTORY")
    for name in re.findall(r"\"(\w+\.png)\"", code):
        shutil.copy(next((finished.root / "stripes/test/good").iterdir()), folder / name)
    monkeypatch.chdir(folder)
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert "detector" in namespace


def grid(command: str) -> dict[str, list[str]]:
    """The keys that the arguments of a multirun vary, and their values; empty for a single run."""
    if not command.startswith("-m "):
        return {}
    lists = {key: values.split(",") for key, values in re.findall(r"(\+?[\w.]+)=([^\[\s]*,[^\s]*)", command)}
    for name in re.findall(r"\+sweep=(\w+)", command):
        params = yaml.safe_load((ROOT / f"conf/sweep/{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
        lists |= {key: str(values).split(",") for key, values in params.items()}
    return lists

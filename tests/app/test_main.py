"""The command's door: what it takes, what it refuses in a sentence, and --help without the seconds that libraries need."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Ended, Finished, in_process, sentence

from anomaly_lab.app import __main__ as door


def app(folder: Path, *options: str) -> Ended:
    return in_process(folder, door.main, "app", *options)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes the environment of its own process, which is this one."""
    for name, value in door.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["port=8000"], "run is missing: add run=DIR"),
        (["run=x", "port=x"], "port is x: it must be a whole number of at least 0"),
        (["run=x", "port=65536"], "port is 65536: the highest one is 65535"),
        (["run=x", "share=true"], "share=true is not understood"),
        (["run=x", "port=0"], "x holds no run"),
        (["run=x", "port=0", "host=nowhere.invalid"], "host is nowhere.invalid, which is no address"),
        (["run=x", "port=0", "host=192.0.2.1"], "host is 192.0.2.1, which is not of this machine"),
    ],
)
def test_a_mistake_ends_in_a_sentence(options: list[str], expected: str, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra `app` is not installed")
    assert expected in sentence(app(tmp_path, *options))


def test_the_commands_of_docs_and_help_are_understood() -> None:
    pytest.importorskip("gradio", reason="the extra `app` is not installed")
    page = (Path(__file__).parents[2] / "docs/app.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    python -m anomaly_lab\.app (.*)$", page + str(door.__doc__), re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        assert door.parse(command.split()).run == Path("runs/DIRECTORY")
    default = door.parse(["run=x"])
    assert (default.host, default.port) == ("127.0.0.1", 7860) and "http://127.0.0.1:7860" in page


def test_a_port_in_use_is_a_sentence(finished: Finished, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra `app` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sentence(app(tmp_path, f"run={finished.directory}", f"port={port}"))
    assert f"port is {port}, which can't be used (Address already in use): choose another one with port=" in said


def test_the_run_takes_no_marks(finished: Finished, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra `app` is not installed")
    before = sorted(finished.directory.rglob("*"))
    said = sentence(app(tmp_path, f"run={finished.directory}", "port=0", f"out={finished.directory}/marks"))
    assert "in the run itself, which stays as it is: choose another directory" in said
    assert sorted(finished.directory.rglob("*")) == before


def test_without_gradio_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    assert "the page needs Gradio: pip install 'anomaly_lab[app]'" in sentence(app(tmp_path, "run=x"))


def test_help_loads_neither_torch_nor_gradio() -> None:
    code = (
        "import runpy, sys\nsys.argv = ['app', '--help']\n"
        "try:\n    runpy.run_module('anomaly_lab.app', run_name='__main__')\n"
        "finally:\n    print(sorted({'torch', 'gradio', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stdout.endswith("[]\n") and "run=DIR" in ended.stdout

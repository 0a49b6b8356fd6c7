"""A judge in this process, and the page as a user starts it: a process of its own, ended by Ctrl-C."""

import re
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Finished

from anomaly_lab.app.decide import Judge
from anomaly_lab.runs.trained import load
from app.served import Served, started


@pytest.fixture(scope="session")
def judge(finished: Finished) -> Judge:
    return Judge(load(finished.directory))


@pytest.fixture(scope="session")
def images(finished: Finished) -> list[Path]:
    """The test images of the finished run."""
    return sorted((finished.root / "stripes/test").rglob("*.png"))


@pytest.fixture(scope="session")
def served(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page of the finished run. At its end Ctrl-C must end it in one sentence, though a browser may have it open."""
    if find_spec("gradio") is None:
        pytest.skip("the extra `app` is not installed")
    folder = tmp_path_factory.mktemp("app")
    process = started(finished.directory, folder, "port=0", "out=marks")
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"open http://127\.0\.0\.1:(\d+) \(Ctrl-C ends it\); marks: marks\n", line)
    assert found, line + process.communicate(timeout=30)[1]
    yield Served(int(found[1]), folder / "marks", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err == "error: the page is closed; its marks are kept, and the same command opens it again\n"
    assert not (folder / "marks/.uploads").exists()

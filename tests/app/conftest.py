"""A judge in this process, and the page as a user starts it: a process of its own, ended by Ctrl-C."""

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Finished

from anomaly_lab.app.decide import Judge
from anomaly_lab.runs.trained import load

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def judge(finished: Finished) -> Judge:
    return Judge(load(finished.directory))


@pytest.fixture(scope="session")
def images(finished: Finished) -> list[Path]:
    """The test images of the finished run."""
    return sorted((finished.root / "stripes/test").rglob("*.png"))


@dataclass
class Served:
    """The page of a process: where it is, and its directory of marks."""

    port: int
    out: Path
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Status, body and headers of an answer. The path goes out as it is, whatever it says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, given)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def memory(self) -> int:
        """The most memory that the process has had, in bytes."""
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[0])


def started(run: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "anomaly_lab.app", f"run={run}", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


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

"""The page in a process of its own, and requests to it."""

import http.client
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


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

"""Sends damaged and made-up image files to the page of `anomaly_lab.app` and writes page.md. Status 1 if one is not right.

python experiments/robustness/page.py [--count 500] [--seed 0]

Right is: the decision that the same file gets without the page, or a sentence; and at the end the page still answers, has not
taken more memory than its limits allow, and has left nothing in its directory.
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import targets
from trial import ROOT

MOST = 2**30  # bytes that the page may take beyond those with which it began: one image of 50 million pixels
JPEG = "Corrupt JPEG data|Premature end|Unsupported|Invalid|Warning|Inconsistent|Bogus"  # the decoder's own lines
HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = "50000000"  # as the page has it: this process decides about the same files
    with tempfile.TemporaryDirectory(prefix="robustness-") as name:
        base = Path(name)
        targets.prepare(base)
        counts, wrong, memory = tried(base, given.count, given.seed)
    lines = [
        "# The page under damaged files\n",
        f"`python experiments/robustness/page.py --count {given.count} --seed {given.seed}`: images of every format that is",
        "read, two in three of them with one to four faults, and bombs, sent to `PUT /decide/`. Right is the decision that",
        "the file gets without the page, or a sentence.\n",
        "| answer | files |\n|---|---|",
        *(f"| {what} | {count} |" for what, count in sorted(counts.items())),
        f"| **not right** | {len(wrong)} |\n",
        f"The page's memory rose by at most {memory / 2**20:.0f} MiB. Ctrl-C ended it in one sentence.",
    ]
    (HERE / "page.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join([*lines, *wrong]))
    sys.exit(bool(wrong))


def tried(base: Path, count: int, seed: int) -> tuple[Counter[str], list[str], int]:
    """Send the files. Answers by kind, what is not right, and the most memory that the page took, in bytes."""
    from anomaly_lab.app.decide import Judge
    from anomaly_lab.runs.trained import load

    judge, counts, wrong = Judge(load(base / "run")), Counter[str](), []
    command = [sys.executable, "-m", "anomaly_lab.app", f"run={base / 'run'}", "port=0", f"out={base / 'marks'}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (base / "said").open("w") as said:
        page = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True)
    assert page.stdout is not None
    port = int(re.findall(r":(\d+) ", page.stdout.readline())[0])
    before = peak(page.pid)
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        suffix = str(rng.choice(list(targets.corpus())))
        files = targets.corpus()[suffix]
        data = files[int(rng.integers(len(files)))]
        data = targets.spoilt(data, rng) if i % 3 else data
        path = base / f"x{suffix}"
        path.write_bytes(data)
        status, row = put(port, path.name, data)
        own = judge.row(judge.judge(path, path.name))
        counts["a decision, as without the page" if status == 200 else "a sentence"] += 1
        if row != own or status not in (200, 422) or (status == 422) != bool(row.get("error")):
            wrong.append(f"{i}: {status} {row} instead of {own}")
        path.unlink()
    memory = peak(page.pid) - before
    if memory > MOST:
        wrong.append(f"{memory} bytes of memory")
    page.send_signal(signal.SIGINT)
    page.wait(timeout=60)
    said_of_own = [line for line in (base / "said").read_text().splitlines() if not re.match(JPEG, line)]
    if page.returncode != 130 or len(said_of_own) != 1:
        wrong.append(f"ended with {page.returncode}: {said_of_own}")
    left = sorted(path.name for path in (base / "marks").iterdir())
    if left != [".claimed", "app.json", "app.log", "marks.csv", "marks.jsonl"]:
        wrong.append(f"left {left}")
    return counts, wrong, memory


def put(port: int, name: str, data: bytes) -> tuple[int, dict[str, Any]]:
    """Status and row of a file."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("PUT", f"/decide/{name}", data)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def peak(process: int) -> int:
    """The most memory that a process has had, in bytes."""
    time.sleep(0.1)
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0])


if __name__ == "__main__":
    main()

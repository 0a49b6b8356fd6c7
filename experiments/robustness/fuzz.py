"""Gives damaged and made-up bytes to everything that reads foreign bytes, and writes fuzz.md. Exit status 1 after a failure.

    python experiments/robustness/fuzz.py                       # 2,400 inputs
    python experiments/robustness/fuzz.py --share 0.1           # a tenth of them, without fuzz.md

An input is accepted, or refused with a sentence. Anything else is a failure: another exception, 10 seconds of computing, 2 GiB
beyond the start, a process that ends or hangs. Each kind runs in a child of its own, which may address 2 GiB more than at its
start. Bytes are flipped, cut, inserted and overwritten in a corpus (targets.py); where structure matters, hypothesis makes the
input.
"""

import argparse
import json
import logging
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from hydra.errors import CompactHydraException
from targets import KINDS, Kind, prepare

from anomaly_lab.errors import as_sentence

LIMIT, MEMORY = 10, 2 * 2**30  # seconds of computing for one input; bytes beyond the start


@dataclass
class Outcome:
    """What a kind's inputs came to. `failures`: a line each."""

    kind: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0
    mib: float = 0  # peak of the resident memory beyond the start


class Late(BaseException):
    """An input took too long."""


def late(number: int, frame: FrameType | None) -> None:
    raise Late


def attempt(outcome: Outcome, shown: str, use: Callable[[], Any]) -> str:
    """Use one input and count what came of it. Returns the failure; empty if there is none."""
    outcome.inputs += 1
    signal.setitimer(signal.ITIMER_PROF, LIMIT)  # of computing: other programs may keep this one waiting
    try:
        use()
        outcome.accepted += 1
        return ""
    except Late:
        reason = f"{LIMIT} seconds"
    except CompactHydraException as error:  # hydra.main prints it without a stack trace
        outcome.refused += 1
        return "" if str(error).strip() else "an empty message"
    except Exception as error:
        sentence = as_sentence(error)
        if sentence and "\n" not in sentence.strip():
            outcome.refused += 1
            return ""
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]} ({Path(where.filename).name}:{where.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    outcome.failures.append(f"{shown}: {reason}")
    return reason


def limited() -> None:
    """Let this process address `MEMORY` bytes more than it does."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))


def work(kind: Kind, folder: Path, count: int, seed: int, record: Path) -> None:
    """Try `count` inputs of a kind. `record` holds the outcome so far, for the case that this process dies."""
    signal.signal(signal.SIGPROF, late)
    limited()
    outcome, began = Outcome(kind.name), time.monotonic()
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def one(shown: str, use: Callable[[], Any]) -> None:
        record.write_text(json.dumps(asdict(outcome) | {"current": shown}))
        attempt(outcome, shown, use)

    kind.run(folder, count, seed, one)
    outcome.seconds = time.monotonic() - began
    outcome.mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024
    if outcome.mib * 2**20 > MEMORY:
        outcome.failures.append(f"{outcome.mib:.0f} MiB beyond the start")
    record.write_text(json.dumps(asdict(outcome)))


def fuzz(kinds: Sequence[Kind], folder: Path, share: float, seed: int) -> list[Outcome]:
    """Try all kinds, one after the other, each in a child of this process."""
    found = []
    for kind in kinds:
        count, record = max(1, round(kind.count * share)), folder / f"{kind.name}.json"
        place = folder / kind.name
        place.mkdir()
        sys.stdout.flush()
        if (pid := os.fork()) == 0:
            try:
                warnings.simplefilter("ignore")
                logging.disable(logging.WARNING)
                work(kind, place, count, seed, record)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        deadline = time.monotonic() + 60 + count * LIMIT
        while not (done := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        known = json.loads(record.read_text()) if record.is_file() else asdict(Outcome(kind.name))
        current = known.pop("current", "")
        outcome = Outcome(**known)
        if done[1]:
            outcome.failures.append(f"{current}: the process ended with {os.waitstatus_to_exitcode(done[1])}")
        found.append(outcome)
        print(
            f"{kind.name}: {outcome.inputs} inputs, {len(outcome.failures)} failures",
            *outcome.failures[:20],
            sep="\n  ",
            flush=True,
        )
    return found


def table(outcomes: Sequence[Outcome], seed: int) -> str:
    """fuzz.md."""
    total, failures = sum(o.inputs for o in outcomes), sum(len(o.failures) for o in outcomes)
    text = f"""# Foreign bytes

    python experiments/robustness/fuzz.py --seed {seed}

{total} inputs, {failures} failures; {sum(o.seconds for o in outcomes) / 60:.1f} minutes, torch {torch.__version__}, \
{time.strftime("%Y-%m-%d")}. A failure is another exception than one that the commands answer with a sentence, \
{LIMIT} seconds of computing for one input, {MEMORY / 2**30:g} GiB of memory beyond the start, or the end of the process.

| kind | inputs | accepted | refused with a sentence | failures | seconds | peak memory beyond the start (MiB) |
|---|---|---|---|---|---|---|
"""
    for o in outcomes:
        text += f"| {o.kind} | {o.inputs} | {o.accepted} | {o.refused} | {len(o.failures)} | {o.seconds:.0f} | {o.mib:.0f} |\n"
    lines = [f"- {o.kind}: {line}" for o in outcomes for line in o.failures]
    return text + ("\n" + "\n".join(lines) + "\n" if lines else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1, help="share of the inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], metavar="KIND")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if not options.only or kind.name in options.only]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        os.environ["ANOMALY_LAB_CACHE"] = f"{name}/cache"
        prepare(Path(name))
        outcomes = fuzz(kinds, Path(name), options.share, options.seed)
    if options.share == 1 and not options.only:
        (Path(__file__).parent / "fuzz.md").write_text(table(outcomes, options.seed), encoding="utf-8")
    sys.exit(any(o.failures for o in outcomes))


if __name__ == "__main__":
    main()

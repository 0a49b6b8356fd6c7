"""Stops every command by signals at random moments, and checks how it ends and that the next start completes it.

    python experiments/robustness/signals.py          # Linux; about 15 minutes on two cores; writes signals.md beside it

A trial is right if the command ends within ten seconds with status 128 + the signal's number, says how to go on in its last
line, shows no stack trace, leaves no half-written file, and if the command that goes on ends with status 0 and a complete
result.
"""

import argparse
import json
import os
import platform
import pty
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_lab.progress import bar

LIMIT = 10.0  # seconds
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that spin would slow down the other trials
TINY = ["debug=default", "trainer.max_epochs=2", "data.steps_per_epoch=5", "batch_size=4", "trainer.max_time=null"]
GRID = [*TINY, "+category=carpet", "seed=0,1"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
SUBMITIT = ["hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=5"]
# name → arguments of python -m; OUT is the folder of a trial, TRAINED that of a finished run in the folder RUNS
COMMANDS = {
    "train": ["anomaly_lab.train", "+category=carpet", *TINY, "data.num_workers=1", "hydra.run.dir=OUT"],
    "evaluate": ["anomaly_lab.evaluate", "run=TRAINED", "out=OUT", "calibration=conformal", "test.save_heatmaps=true"],
    "search": ["anomaly_lab.search", "+category=carpet", *TINY, "trials=2", "study=OUT"],
    "report": ["anomaly_lab.report", "runs=RUNS", "out=OUT", "gallery=all"],
    "sweep": ["anomaly_lab.train", "-m", *GRID, "hydra.sweep.dir=OUT"],
    "sweep, joblib": ["anomaly_lab.train", "-m", *GRID, "hydra.sweep.dir=OUT", *JOBLIB],
    "sweep, submitit": ["anomaly_lab.train", "-m", *GRID, "hydra.sweep.dir=OUT", *SUBMITIT],
}
LENGTH = dict(zip(COMMANDS, (12, 10, 25, 10, 16, 18, 22), strict=True))  # seconds, about
INT_TO_ALL, TERM_TO_ALL, TERMINAL = "INT to all processes", "TERM to all processes", "closed terminal"
SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP, "USR1": signal.SIGUSR1}
SENT = {**SIGNALS, INT_TO_ALL: signal.SIGINT, TERM_TO_ALL: signal.SIGTERM, TERMINAL: signal.SIGHUP}
COMPLETE = {"search": ("trial_*/metrics.json", 2), "report": ("report.html", 1), "sweep": ("*/metrics.json", 2)}


@dataclass
class Trial:
    """What happened: `after` seconds from the start of a command the signal came, and `seconds` later it ended."""

    command: str
    sent: str
    after: float
    status: int
    seconds: float
    said: str  # on standard error
    half_written: list[str] = field(default_factory=list)
    complete: bool = False  # already when it was stopped
    next_status: int | None = None  # of the command that goes on; None if there was nothing to do
    next_complete: bool = True


def faults(trial: Trial) -> list[str]:
    """What of a trial is not right."""
    found = []
    number = SENT[trial.sent]
    last = (trial.said.strip().splitlines() or [""])[-1]
    done = trial.complete and trial.status == 0  # the signal came after the work
    if trial.status != 128 + number and not done:
        found.append(f"status {trial.status}")
    if trial.seconds > LIMIT:
        found.append(f"{trial.seconds:.1f} s")
    if trial.sent != TERMINAL and not done and not last.startswith("error: stopped"):  # nobody can read a closed terminal
        found.append(f"last line: {last[:60]}")
    if "Traceback" in trial.said or "Exception ignored" in trial.said:
        found.append("stack trace")
    found += trial.half_written
    if trial.next_status or not trial.next_complete:
        found.append(f"went on to status {trial.next_status}, {'' if trial.next_complete else 'not '}complete")
    return found


def half_written(folder: Path) -> list[str]:
    """Files that are not whole, and temporary ones."""
    found = []
    for path in folder.rglob("*"):
        if {".jobs", ".submitit", ".hydra"} & set(path.parts) or not path.is_file():
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".csv" and not path.read_text().endswith("\n"):
                raise ValueError
            elif path.suffix == ".ckpt":
                zipfile.ZipFile(path).close()
            elif path.suffix == ".png" and not path.read_bytes().rstrip(b"\0").endswith(b"IEND\xaeB`\x82"):
                raise ValueError
        except (ValueError, zipfile.BadZipFile):
            found.append(f"{path.name} is not whole")
        if ".part" in path.suffixes:
            found.append(f"{path.name} is left")
    return found


def is_complete(command: str, out: Path) -> bool:
    """Whether the command's result is there as a whole."""
    pattern, number = COMPLETE.get(command.split(",")[0], ("metrics.json", 1))
    found = list(out.glob(pattern))
    if command == "train" and found:
        return json.loads(found[0].read_text())["steps"] == 10
    return len(found) == number


def start(arguments: list[str], log: Path, terminal: bool = False) -> tuple[int, int | None]:
    """Start python -m in a group of its own. Returns the process, and the terminal's other side if it has one."""
    line = [sys.executable, "-m", *arguments]
    if not terminal:
        with log.with_suffix(".out").open("wb") as out, log.open("wb") as err:
            return subprocess.Popen(line, stdout=out, stderr=err, start_new_session=True).pid, None
    process, other = pty.fork()
    if not process:
        os.execv(line[0], line)
    return process, other


def ended(process: int, within: float) -> int | None:
    """The status of the process when it has ended, None if it runs on after that many seconds."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def has_begun(process: int) -> bool:
    """Whether the process handles signals, that is, runs the first line of its command; also true if it has ended."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return lines["State"].strip()[0] == "Z" or bool(int(lines["SigCgt"], 16) >> (signal.SIGUSR1 - 1) & 1)


def attempt(command: str, sent: str, after: float, out: Path, places: dict[str, str]) -> Trial | None:
    """One trial; None if the command ended before the signal was sent."""
    arguments = [filled(a, {**places, "OUT": str(out)}) for a in COMMANDS[command]]
    log = out.with_suffix(".err")
    log.write_text("")
    process, other = start(arguments, log, sent == TERMINAL)
    while not has_begun(process):
        time.sleep(0.002)
    if ended(process, after) is not None:
        return None
    began = time.monotonic()
    if other is not None:
        os.close(other)
    elif sent in (INT_TO_ALL, TERM_TO_ALL):
        os.killpg(process, SENT[sent])
    else:
        os.kill(process, SENT[sent])
    status = ended(process, 3 * LIMIT)
    seconds = time.monotonic() - began
    if status is None:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    said = log.read_text(errors="replace")
    whole = is_complete(command, out)
    trial = Trial(command, sent, after, -9 if status is None else status, seconds, said, half_written(out), whole)
    if not whole:
        again = out.with_suffix(".again")
        trial.next_status = ended(start(next_command(said, arguments, out), again)[0], 300)
        trial.next_complete = is_complete(command, out) and not half_written(out)
        if trial.next_status or not trial.next_complete:
            print(f"{command}, {sent}, {after:.2f} s, then:\n{again.read_text()}", flush=True)
    if faults(trial):
        print(f"{command}, {sent}, {after:.2f} s: {'; '.join(faults(trial))}\n{said}", flush=True)
    return trial


def next_command(said: str, arguments: list[str], out: Path) -> list[str]:
    """The arguments of python -m that go on, as the command has said; nobody can read a closed terminal."""
    last = (said.strip().splitlines() or [""])[-1]
    if "continue with: python -m " in last:
        return shlex.split(last.split("continue with: python -m ")[1])
    if not said and (out / "config.yaml").is_file() and "anomaly_lab.train" in arguments:
        return ["anomaly_lab.train", f"resume={out}"]
    return arguments


def filled(argument: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        argument = argument.replace(f"={name}", f"={value}")
    return argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--jobs", type=int, default=3, help="trials at a time")
    options = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, in the background SIGINT is, and the commands
    signal.signal(signal.SIGINT, signal.default_int_handler)  # would inherit that
    rng, trials, began = random.Random(options.seed), list[Trial](), time.monotonic()
    plan = [(command, sent, rng.random()) for command in options.commands for sent in SENT]
    rng.shuffle(plan)
    with tempfile.TemporaryDirectory() as name, bar("Stopping") as update, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(name)
        places = {"TRAINED": str(folder / "runs/trained"), "RUNS": str(folder / "runs")}

        def tried(number: int) -> Trial:
            command, sent, share = plan[number]
            for times in range(9):
                out = folder / f"trial{number}-{times}"
                if trial := attempt(command, sent, share * LENGTH[command] * 0.8**times, out, places):
                    return trial
            raise RuntimeError(f"{command} ends before {sent} is sent")

        subprocess.run([sys.executable, "-m", *(filled(a, {"OUT": places["TRAINED"]}) for a in COMMANDS["train"])], check=True)
        for trial in pool.map(tried, range(len(plan))):
            trials.append(trial)
            update(len(trials), len(plan))
            (Path(__file__).parent / "signals.md").write_text(
                page(trials, time.monotonic() - began, options.seed, options.jobs)
            )
    wrong = sum(bool(faults(trial)) for trial in trials)
    print(f"{len(trials)} trials, {wrong} not right")
    sys.exit(bool(wrong))


def page(trials: list[Trial], seconds: float, seed: int, jobs: int) -> str:
    text = f"""# Stopped by signals at random moments

    python experiments/robustness/signals.py --seed {seed} --jobs {jobs}

Does every command end well when it is stopped, and does the next start complete it? {len(trials)} trials on the embedded
carpet with tiny settings (`debug=default`, 10 steps). A signal goes to the command's process alone, at a moment drawn from the
command's usual length. "{INT_TO_ALL}" is Ctrl-C on a terminal; clusters send TERM so. "{TERMINAL}" is one that goes
away under the running command. A trial is right if the command ends within {LIMIT:.0f} s with status 128 + the signal's number,
says in its last line how to go on, shows no stack trace and leaves no half-written file, and if the command that goes on ends
with status 0 and a complete result. Time counts from the moment when Python runs the first line of the command; before that, a
signal does what it does to every Python program.
{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {jobs} trials at a time; {seconds / 60:.0f} minutes.

| command | trials | right | longest time to the end, s |
|---|---|---|---|
"""
    for command in COMMANDS:
        text += row([command, *summary([t for t in trials if t.command == command])])
    text += "\n| signal | trials | right | longest time to the end, s |\n|---|---|---|---|\n"
    for sent in SENT:
        text += row([sent, *summary([t for t in trials if t.sent == sent])])
    text += "\n| command | signal | after, s | status | ended within, s | went on | right |\n|---|---|---|---|---|---|---|\n"
    for trial in trials:
        went_on = "had finished" if trial.next_status is None else f"status {trial.next_status}"
        cells = [trial.command, trial.sent, f"{trial.after:.2f}", trial.status, f"{trial.seconds:.1f}", went_on]
        text += row([*cells, "; ".join(faults(trial)).replace("|", "/") or "yes"])
    return text


def summary(trials: list[Trial]) -> list[Any]:
    right = Counter(not faults(trial) for trial in trials)
    return [len(trials), right[True], f"{max((t.seconds for t in trials), default=0):.1f}"]


def row(cells: list[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |\n"


if __name__ == "__main__":
    main()

"""A case: it makes an input, commands of the project meet it, and a check says what is wrong with what they did.

Each command runs in a process of its own. Most are forked from one process that has imported the project and read its code's
fingerprint, which saves five seconds each; where a case is about how a program starts (environment, user, mounts), a new
interpreter starts.
"""

import contextlib
import functools
import importlib
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_lab.runs import fingerprint

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 600  # seconds until a command counts as hanging
MODULES = {name: name for name in ("train", "evaluate", "predict", "calibrate", "export", "search")} | {
    name: f"{name}.__main__" for name in ("report", "inspect", "app", "analyze")
}
# every training: two steps of a tiny network; the same numbers on every processor
TINY = (
    "debug=default",
    "trainer.max_epochs=1",
    "data.steps_per_epoch=2",
    "trainer.max_time=null",
    "trainer.precision=32-true",
)
OWN = ("+category=custom", "data=folder")


@dataclass(frozen=True)
class Command:
    """A command of a case. In `arguments`, DIR stands for the case's folder, RUN for a trained run, ROOT for the project.

    name:    a command of the project, or a script in this folder
    output:  the folder of its results, below DIR
    hidden:  arguments that many cases share; the table does not repeat them
    env:     variables of the environment; None: unset
    start:   what starts the interpreter, such as unshare; with it or `env`, a new interpreter starts
    stop:    (signal, file below DIR, or seconds): the signal is sent once the file exists, or so long after the start
    before:  what happens to DIR between the command before and this one
    cwd:     the folder that it starts in, below DIR
    """

    name: str
    arguments: tuple[str, ...]
    output: str = "out"
    hidden: tuple[str, ...] = ()
    env: Mapping[str, str | None] = field(default_factory=dict)
    start: tuple[str, ...] = ()
    stop: tuple[int, str | float] | None = None
    before: Callable[[Path], Any] = lambda here: None
    cwd: str = "."

    def shown(self) -> str:
        """The command for the table."""
        env = [f"-u {k}" if v is None else f"{k}={v}" for k, v in self.env.items()]
        first = (["env", *env] if any(v is None for v in self.env.values()) else env) + [*self.start]
        arguments = [argument.encode(errors="backslashreplace").decode() for argument in self.arguments]
        return " ".join(
            [*first, self.name, *(shlex.quote(a) if re.search(r"[\s'\"$&;|()<>#\\*]", a) else a for a in arguments)]
        )


def train(name: str = "plain", *more: str, root: str = "DIR", **options: Any) -> Command:
    """A tiny training on the category `name` below `root`."""
    output = options.get("output", "out")
    hidden = (*OWN, *TINY, f"hydra.run.dir=DIR/{output}")
    return Command("train", (f"category.name={name}", f"data.root={root}", *more), hidden=hidden, **options)


def evaluate(*more: str, run: str = "RUN", **options: Any) -> Command:
    """An evaluation of the run that was trained on the category "plain"."""
    return Command("evaluate", (f"run={run}", *more), hidden=(f"out=DIR/{options.get('output', 'out')}",), **options)


@dataclass(frozen=True)
class Ended:
    """How a command ended. `seconds`: since its signal if one was sent, else since its start."""

    status: int
    out: str
    err: str
    output: Path
    seconds: float

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json; empty if there is none."""
        path = self.output / "metrics.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


Check = Callable[[Sequence[Ended]], str]  # → what is wrong; empty if nothing is


@dataclass(frozen=True)
class Case:
    """One member of a kind of fault. `right`: what is right, in words; `check`: the same in code.

    source:     the public report that it comes from; empty: from this project
    impossible: why this machine can't try it; empty if it can
    """

    name: str
    make: Callable[[Path], Any]
    commands: tuple[Command, ...]
    right: str
    check: Check
    source: str = ""
    impossible: str = ""


def refused(pattern: str, finished: bool = False) -> Check:
    """The last command ended with status 1 and one sentence, which matches `pattern`; no stack trace, no results.

    `finished`: its folder holds an earlier command's results.
    """

    def check(ended: Sequence[Ended]) -> str:
        last = ended[-1]
        lines = [line for line in last.err.splitlines() if line.strip()]
        if last.status != 1:
            return f"status {last.status}, not 1"
        if "Traceback" in last.out + last.err:
            return "a stack trace"
        if len(lines) != 1 or not lines[0].startswith("error: "):
            return f"{len(lines)} lines on stderr, not one sentence"
        if "or a bug" in lines[0]:
            return "an error that the project does not know"
        if not re.search(pattern, lines[0]):
            return f"the sentence lacks “{pattern}”"
        return "metrics.json although refused" if last.metrics and not finished else ""

    return check


def accepted(warns: str = "", silent: str = "", **values: Any) -> Check:
    """The last command ended well, its metrics.json has `values` (a value, or a condition on it), it warned with `warns`.

    `silent`: a pattern that no warning may match.
    """

    def check(ended: Sequence[Ended]) -> str:
        last = ended[-1]
        if last.status or "Traceback" in last.out + last.err:
            return f"status {last.status}" + (", a stack trace" if "Traceback" in last.out + last.err else "")
        for key, value in values.items():
            found = last.metrics.get(key, "missing")
            if not (value(found) if callable(value) else found == value):
                return f"{key} is {found}"
        warnings = [line for line in (last.out + last.err).splitlines() if line.startswith("[WARNING]")]
        if warns and not any(re.search(warns, line) for line in warnings):
            return f"no warning says “{warns}”"
        return next((f"warned: {line}" for line in warnings if silent and re.search(silent, line)), "")

    return check


def same(*keys: str, within: float = 1e-6) -> Check:
    """The last two commands ended well with the same metrics `keys`."""

    def check(ended: Sequence[Ended]) -> str:
        for key in keys:
            a, b = (each.metrics.get(key) for each in ended[-2:])
            if a is None or b is None or abs(a - b) > within:
                return f"{key} is {b}, not {a}"
        return ""

    return check


def every(*checks: Check) -> Check:
    """All of them."""
    return lambda ended: next((wrong for check in checks if (wrong := check(ended))), "")


def arguments(command: Command, here: Path, base: Path) -> list[str]:
    """The command's arguments, options such as -m first: argparse takes no second group of overrides after them."""
    ordered = sorted((*command.hidden, *command.arguments), key=lambda argument: not argument.startswith("-"))
    return [placed(argument, here, base) for argument in ordered]


def placed(text: str, here: Path, base: Path) -> str:
    """The text with the places that DIR, RUN and ROOT stand for."""
    places = {"DIR": here, "RUN": base / "run", "ROOT": ROOT}
    return re.sub(r"\b(DIR|RUN|ROOT)\b", lambda found: str(places[found[1]]), text)


def either(*checks: Check) -> Check:
    """One of them."""
    return lambda ended: min((check(ended) for check in checks), key=len)


def run(command: Command, here: Path, base: Path) -> Ended:
    """Run a command in the case's folder `here` and wait for its end."""
    given = arguments(command, here, base)
    out, err = here / f"{command.output}.stdout", here / f"{command.output}.stderr"
    began = time.monotonic()
    with out.open("wb") as stdout, err.open("wb") as stderr:
        if command.env or command.start or command.name not in MODULES:
            known = command.name in MODULES
            program = ["-m", f"anomaly_lab.{command.name}"] if known else [str(Path(__file__).with_name(command.name))]
            changed = {k: placed(v, here, base) for k, v in command.env.items() if v is not None}
            environment = {k: v for k, v in os.environ.items() if k not in command.env} | changed
            pid = subprocess.Popen(
                [*command.start, sys.executable, *program, *given],
                **{"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr, "cwd": here / command.cwd},
                env=environment,
            ).pid
        else:
            pid = _fork(command.name, given, here / command.cwd, stdout.fileno(), stderr.fileno())
    stop, status = command.stop, None
    while status is None:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
        elif stop is not None and _due(stop[1], here, began):
            os.kill(pid, stop[0])
            stop, began = None, time.monotonic()
        elif time.monotonic() - began > LIMIT:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            status = -1000  # it hangs
        else:
            time.sleep(0.02)
    texts = [path.read_text(encoding="utf-8", errors="backslashreplace") for path in (out, err)]
    return Ended(status, *texts, here / command.output, time.monotonic() - began)


def _due(when: str | float, here: Path, began: float) -> bool:
    return any(here.glob(when)) if isinstance(when, str) else time.monotonic() - began > when


def warm(names: Path) -> None:
    """Import what a command has imported; `names` is where a child of this process noted that."""
    for name in names.read_text().split():
        with contextlib.suppress(Exception):  # some modules are made while a program runs
            importlib.import_module(name)
    fingerprint.code = functools.cache(fingerprint.code)


def _fork(name: str, arguments: list[str], folder: Path, stdout: int, stderr: int) -> int:
    """A child that runs a command's `main` as `python -m` would. Returns the number of the process."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        os.chdir(folder)
        sys.argv = [f"{name}.py", *arguments]
        importlib.import_module(f"anomaly_lab.{MODULES[name]}").main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        if (names := os.environ.get("ROBUSTNESS_MODULES")) is not None:
            Path(names).write_text("\n".join(sys.modules))
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def tried(case: Case, here: Path, base: Path) -> tuple[list[Ended], str]:
    """Make the case's input in the new folder `here` and try its commands: (how they ended, what is wrong)."""
    here.mkdir(parents=True)
    here.chmod(0o755)
    case.make(here)
    ended = []
    for command in case.commands:
        command.before(here)
        ended.append(run(command, here, base))
    try:
        return ended, case.check(ended)
    except Exception as error:  # such as a file of results that is missing
        return ended, f"{type(error).__name__}: {error}"


def said(ended: Ended, case: Case, here: Path, base: Path) -> str:
    """The first line of what a command said, that of an error or warning first, without paths of this machine."""
    lines = [line for line in (ended.err + ended.out).splitlines() if line.strip()]
    loud = [line for line in lines if line.startswith("error: ")] or [line for line in lines if line.startswith("[WARNING]")]
    usual = "There is one held-out image"  # every tiny set is told so
    loud = [line for line in loud if usual not in line] or loud
    line = (loud or lines or ["nothing"])[0]
    for path, name in ((here, "DIR"), (base / "run", "RUN"), (base, "BASE"), (ROOT, "."), (Path.home(), "~")):
        line = line.replace(str(path), name)
    return line.strip()


def clean(folder: Path) -> None:
    """Remove a case's folder, also where it holds folders without permissions."""
    for path, folders, _ in os.walk(os.fsencode(folder)):
        for name in folders:
            inner = os.path.join(path, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o755)
    shutil.rmtree(os.fsencode(folder), ignore_errors=True)

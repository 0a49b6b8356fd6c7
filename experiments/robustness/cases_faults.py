"""Cases of faults around every command: it is killed, the disk is full, the output may not be written, a worker dies, the
images' drive goes away, the clock is set back. What is finished must be kept, and the same command must complete it."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cases_environment import AS_USER, NO_MOUNT, NO_USER, stopped
from cases_names import page
from cases_use import among, calibrated, decided, told
from marking import BROWSER
from pictures import category, picture, put
from trial import OWN, TINY, Case, Check, Command, Ended, accepted, evaluate, every, train

TEST = 160  # images to score: some seconds of work
TRAINED = {"n_train": 9, "n_validation": 3, "n_test": TEST, "n_unmasked": 0}
IMAGES = "DIR/in/plain/test"
OUT = "out=DIR/out"
LONG = ("trainer.max_epochs=40", "data.steps_per_epoch=5", "callbacks.early_stopping=null")


@dataclass(frozen=True)
class Work:
    """A command with the images in DIR/in. `begun`: the file below DIR that is there once it works, or seconds since its start.
    `done`: whether its result is complete. `again`: what completes it after a fault. `room`: KiB that its output does not fit
    into."""

    command: Command
    begun: str | float
    done: Check
    again: Command
    room: int = 48


def work(command: Command, begun: str | float, done: Check, again: Command | None = None, room: int = 48) -> Work:
    return Work(command, begun, done, again or command, room)


def written(name: str) -> Check:
    """The command ended well, and its output has the file."""
    return lambda ended: (
        f"status {ended[-1].status}" if ended[-1].status else "" if (ended[-1].output / name).is_file() else f"no {name}"
    )


def searched(count: int) -> Check:
    """The search ended well, with so many trials."""

    def check(ended: Sequence[Ended]) -> str:
        found = len(list(ended[-1].output.glob("trial_*/metrics.json")))
        return f"status {ended[-1].status}" if ended[-1].status else "" if found == count else f"{found} trials, not {count}"

    return check


def ended_alone(here: Path) -> None:
    """A search that was killed leaves a training, which ends by itself; wait for it."""
    for _ in range(600):
        if (here / "out/trial_000/metrics.json").is_file():
            break
        time.sleep(0.1)


TRAIN = train("plain", *LONG, root="DIR/in")
COMMANDS: dict[str, Work] = {
    "train": work(TRAIN, "out/metrics.csv", accepted(**TRAINED), Command("train", ("resume=DIR/out",))),
    "evaluate": work(evaluate("data.root=DIR/in"), "out/source.json", accepted(n_test=TEST), room=8),
    "predict": work(
        Command("predict", ("run=RUN", f"images={IMAGES}", "save=overlays"), hidden=(OUT,)),
        "out/predictions.jsonl",
        decided(TEST),
    ),
    "calibrate": work(
        Command("calibrate", ("run=RUN", f"images={IMAGES}"), hidden=(OUT,)), "out", calibrated(TEST)
    ),
    "export": work(
        Command("export", ("run=RUN", "format=onnx", f"images={IMAGES}", "out=DIR/out/file.onnx")), 3.0, written("file.onnx")
    ),
    "inspect": work(
        Command("inspect", ("+category=custom", "category.name=plain", "data=folder", "data.root=DIR/in"),
                hidden=("image_size=64", OUT)),
        1.0, written("inspect.html"),
    ),
    "report": work(
        Command("report", ("runs=DIR/in/runs", "gallery=all"), hidden=(OUT,)), 1.0, page
    ),
    "analyze": work(
        Command("analyze", ("run=DIR/in/runs/run",), hidden=(OUT,)), 3.0, written("analysis.json"), room=16
    ),
    "search": work(
        Command("search", ("trials=2", "category.name=plain", "data.root=DIR/in"), hidden=(*OWN, *TINY, "study=DIR/out")),
        "out/trial_000/metrics.csv", searched(2),
        Command("search", ("trials=2", "category.name=plain", "data.root=DIR/in"), hidden=(*OWN, *TINY, "study=DIR/out"),
                before=ended_alone),
    ),
}  # fmt: skip


def images(here: Path) -> None:
    """DIR/in/plain, a category, and DIR/in/runs with a run."""
    category(here / "in/plain", train=12, good=4, bad=4)
    for i in range(TEST - 8):
        put(here / f"in/plain/test/good/m{i:03d}.png", picture(i % 20)[0])
    shutil.copytree(here.parents[1] / "run", here / "in/runs/run")
    config = here / "in/runs/run/config.yaml"
    config.write_text(config.read_text().replace(str(here.parents[1] / "data"), str(here / "in")))  # its images are these


def whole(ended: Sequence[Ended]) -> str:
    """No file is half-written. A temporary one may be left by a kill; its name begins with a point."""
    left = [path.name for path in ended[-1].output.rglob("*") if ".part" in path.suffixes and path.name[0] != "."]
    return f"left: {left[0]}" if left else ""


def cases(make: Callable[[Path], Any], of: Callable[[Work], Sequence[Command]], right: str,
          check: Callable[[Work], Check], impossible: str = "", only: Mapping[str, Work] = COMMANDS) -> list[Case]:  # fmt: skip
    """The fault with every command."""
    return [Case(name, make, tuple(of(one)), right, check(one), "", impossible) for name, one in only.items()]


def killed(one: Work) -> list[Command]:
    """Killed while it works, and started again."""
    return [replace(one.command, stop=(signal.SIGKILL, one.begun)), one.again]


FILL = (
    'mkdir -p out && mount -t tmpfs -o size={room}k tmpfs out && {{ "$0" "$@"; status=$?; ls -AR out > left; exit $status; }}'
)


def full(one: Work) -> list[Command]:
    """On a disk that its output does not fit into."""
    return [replace(one.command, start=("unshare", "-m", "sh", "-c", FILL.format(room=one.room)))]


def nothing_partial(ended: Sequence[Ended]) -> str:
    """The full disk held no temporary file in the end."""
    found = (ended[-1].output.parent / "left").read_text().split()
    return next((f"left: {name}" for name in found if ".part" in name), "")


WAIT = "until ls {file} > /dev/null 2>&1; do sleep .02; done"
GONE = 'mount --bind store in; ({wait}; umount -l in) & exec "$0" "$@"'
DEAD = (  # a drive in user space, whose server is killed: what lies below can be named, and each look at it fails
    'bindfs -f store in & server=$!; until mountpoint -q in; do sleep .02; done; ({wait}; kill -9 $server) & exec "$0" "$@"'
)
NO_FUSE = NO_MOUNT or (
    "" if shutil.which("bindfs") and Path("/dev/fuse").exists() else "bindfs, a drive in user space, is not here"
)


def stored(here: Path) -> None:
    """The images lie in DIR/store, which is shown in DIR/in as a network drive would be."""
    images(here)
    (here / "in").rename(here / "store")
    (here / "in").mkdir()


def back(here: Path) -> None:
    """The drive is there again."""
    (here / "in").rmdir()
    (here / "store").rename(here / "in")


def taken_away(one: Work, script: str = GONE) -> list[Command]:
    """The drive goes away while it works, and comes back before the next start."""
    # a new interpreter takes four seconds to import what a forked one has
    wait = WAIT.format(file=one.begun) if isinstance(one.begun, str) else f"sleep {one.begun + 4}"
    first = replace(one.command, start=("unshare", "-m", "sh", "-c", script.format(wait=wait)))
    return [first, replace(one.again, before=back)]


def server_killed(one: Work) -> list[Command]:
    return taken_away(one, DEAD)


def said_or_done(one: Work) -> Check:
    """Each command completed its work or said in one sentence why not; the last one has completed it."""

    def check(ended: Sequence[Ended]) -> str:
        if ended[0].status and (wrong := told("")(ended[:1])):
            return f"first: {wrong}"
        if ended[0].status == 0 and (wrong := one.done(ended[:1])):
            return f"first: {wrong}"
        return "" if ended[0].status == 0 and ended[-1].status else one.done(ended)

    return check


WORKERS = 'setsid "$0" "$@" & p=$!; {wait}; sleep .5; pkill -9 -P $p; wait $p'


def orphaned(one: Work) -> list[Command]:
    """Its worker is killed."""
    script = WORKERS.format(wait=WAIT.format(file=one.begun))
    more = replace(one.command, arguments=(*one.command.arguments, "data.num_workers=1", *MANY_STEPS))
    again = replace(one.again, arguments=more.arguments) if one.again.name == "search" else one.again  # resume= knows them
    return [replace(more, start=("sh", "-c", script)), again]


MANY_STEPS = ("data.steps_per_epoch=30",)
CLOCK = """
import time
now, began = time.time, time.monotonic()
time.time = lambda: now() - 86_400 * (time.monotonic() - began > 4.5)
"""


def clock(here: Path) -> None:
    """A clock that is set back by a day four and a half seconds after the start, and files that are dated in the year 2096."""
    images(here)
    (here / "clock").mkdir()
    (here / "clock/sitecustomize.py").write_text(CLOCK)
    for place, _, files in os.walk(here / "in"):
        for name in files:
            os.utime(Path(place, name), (4e9, 4e9))


def set_back(one: Work) -> list[Command]:
    return [replace(one.command, env={"PYTHONPATH": "DIR/clock:ROOT"})]


def no_negative(ended: Sequence[Ended]) -> str:
    """No time that was measured is below zero."""
    metrics = ended[-1].metrics
    return next((f"{key} is {value}" for key, value in metrics.items() if "seconds" in key and value < 0), "")


MANY = among(lambda folder: [put(folder / f"m{i:03d}.png", picture(i % 20, (96, 96))[0]) for i in range(300)])
ROWS = "out/predictions.jsonl"
PREDICT = Command("predict", ("run=RUN", "images=DIR/in"), hidden=(OUT,))
ROWS_ALL = 312


def whole_rows(ended: Sequence[Ended]) -> str:
    """Every line on disk is whole."""
    lines = (ended[-1].output / "predictions.jsonl").read_bytes().split(b"\n")
    return "" if all(json.loads(line) for line in lines[:-1]) else "a damaged line"


PREDICTIONS = [
    *(
        Case(
            f"{name}, then again",
            MANY,
            (replace(PREDICT, stop=(number, ROWS)), PREDICT),
            "every row once",
            every(decided(ROWS_ALL), whole_rows),
        )
        for name, number in (("kill -9", signal.SIGKILL), ("SIGTERM", signal.SIGTERM), ("Ctrl-C", signal.SIGINT))
    ),
    Case(
        "SIGHUP in predict",
        MANY,
        (replace(PREDICT, stop=(signal.SIGHUP, ROWS)),),
        "one sentence",
        stopped(signal.SIGHUP, "goes on"),
    ),
    Case(
        "a line cut off by a crash, then again",
        MANY,
        (
            replace(PREDICT, arguments=("run=RUN", "images=DIR/in/0*.png")),
            replace(
                PREDICT,
                arguments=("run=RUN", "images=DIR/in/0*.png"),
                before=lambda h: (h / ROWS).write_bytes((h / ROWS).read_bytes()[:-30]),
            ),
        ),
        "every row once",
        decided(10),
    ),
]
NO_BROWSER = "" if BROWSER and find_spec("playwright") and find_spec("gradio") else "there is no Chromium, Playwright or Gradio"


def marked(name: str, fault: str, right: str, impossible: str = "", **options: Any) -> Case:
    """The page, in a browser that marks images while the fault comes."""
    command = Command("marking.py", ("run=DIR/in/runs/run", f"images={IMAGES}", OUT, f"fault={fault}"), **options)
    return Case(name, clock, (command,), right, marks_kept, "", NO_BROWSER or impossible)


def marks_kept(ended: Sequence[Ended]) -> str:
    """`marking.py` found every mark that the page had shown, and whole images."""
    return (ended[-1].err.strip() or f"status {ended[-1].status}").splitlines()[-1] if ended[-1].status else whole(ended)


SMALL_DISK = ("unshare", "-m", "sh", "-c", 'mkdir -p out && mount -t tmpfs -o size=64m tmpfs out && exec "$0" "$@"')
PAGE = [
    marked("app, killed", "kill", "every mark that was shown is kept"),
    marked("app, full disk", "full", "the page says so, and marks again once there is room", NO_MOUNT, start=SMALL_DISK),
    Case(
        "app, output not writable",
        images,
        (Command("app", ("run=RUN", "port=0", OUT), start=AS_USER),),
        "one sentence",
        told("(cannot|can't|could not) be (written|read|made)"),
        "",
        NO_USER,
    ),
    marked("app, the run's drive goes away", "gone", "the page goes on, and opens again when it is back"),
    marked("app, clock set back by a day", "none", "completed", env={"PYTHONPATH": "DIR/clock:ROOT"}),
]
KINDS = {
    "killed, then again": cases(images, killed, "completed, nothing partial", lambda one: every(one.done, whole)),
    "full disk": cases(
        images, full, "one sentence, nothing partial",
        lambda one: every(told("space|written|stopped in"), nothing_partial), NO_MOUNT,
    ),
    "output not writable": cases(
        images,
        lambda one: [replace(one.command, start=AS_USER)],
        "one sentence",
        lambda one: told("(cannot|can't|could not) be (written|read|made)"),
        NO_USER,
    ),
    "a worker is killed": cases(
        images, orphaned, "completed, or one sentence and completed by the next start", said_or_done,
        only={name: COMMANDS[name] for name in ("train", "search")},
    ),
    "the images' drive goes away": cases(
        stored, taken_away, "completed, or one sentence and completed by the next start", said_or_done, NO_MOUNT
    ),
    "the server of the images' drive is killed": cases(
        stored, server_killed, "completed, or one sentence and completed by the next start", said_or_done, NO_FUSE
    ),
    "clock set back by a day": cases(clock, set_back, "completed", lambda one: every(one.done, no_negative)),
    "predictions that are stopped": PREDICTIONS,
    "the page": PAGE,
}  # fmt: skip

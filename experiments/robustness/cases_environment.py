"""Cases of what is around a program: signals, screens, home, permissions, memory, variables, the place of the data."""

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cases_images import ALL, plain
from cases_names import page
from pictures import category, picture, put
from trial import Case, Check, Command, Ended, accepted, either, evaluate, every, refused, train

ADMINISTRATOR = hasattr(os, "geteuid") and os.geteuid() == 0
TOOLS = {name: shutil.which(name) for name in ("setpriv", "unshare", "mount")}
STRANGER = ("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups")  # a user without an entry in passwd
NO_STRANGER = "" if ADMINISTRATOR and TOOLS["setpriv"] else "only an administrator can become a user without an entry"
NO_MOUNT = "" if ADMINISTRATOR and TOOLS["unshare"] and TOOLS["mount"] else "only an administrator can mount"
AS_USER = STRANGER if ADMINISTRATOR else ()  # permissions don't bind an administrator
NO_USER = NO_STRANGER if ADMINISTRATOR else ""
SHORT = ("trainer.max_epochs=1000", "data.steps_per_epoch=5", "callbacks.early_stopping=null")  # minutes, unless stopped


def stopped(number: int, sentence: str, *more: Check) -> Check:
    """Status 128 + signal within 10 seconds, and one sentence."""

    def check(ended: Sequence[Ended]) -> str:
        last = ended[-1]
        lines = [line for line in last.err.splitlines() if line.startswith("error: ")]
        if last.status != 128 + number:
            return f"status {last.status}, not {128 + number}"
        if last.seconds > 10:
            return f"{last.seconds:.0f} seconds after the signal"
        if "Traceback" in last.out + last.err or len(lines) != 1:
            return f"a stack trace, or {len(lines)} sentences"
        return next(
            (wrong for each in more if (wrong := each(ended))),
            "" if sentence in lines[0] else f"the sentence lacks “{sentence}”",
        )

    return check


def holds(name: str) -> Check:
    """A file of the results."""
    return lambda ended: "" if (ended[-1].output / name).exists() else f"no {name}"


def lacks(name: str) -> Check:
    return lambda ended: f"{name}" if any(ended[-1].output.glob(name)) else ""


def _many(here: Path) -> None:
    for i in range(400):
        put(here / f"plain/test/new/{i}.png", picture(i % 20)[0])


def _one_job(ended: Sequence[Ended]) -> str:
    started = len(list(ended[-1].output.glob("*/config.yaml")))
    return "" if started == 1 else f"{started} jobs were started"


SWEEP = train("plain", "-m", "seed=1,2,3", "hydra.sweep.dir=DIR/out", *SHORT, stop=(signal.SIGTERM, "out/*/metrics.csv"))
SIGNALS = [
    *(
        Case(
            f"{name} in training",
            plain(),
            (train("plain", *SHORT, stop=(number, "out/metrics.csv")),),
            f"checkpoint, status {128 + number}",
            stopped(number, "resume=", holds("checkpoints/last.ckpt")),
            source,
        )
        for name, number, source in (
            ("SIGTERM", signal.SIGTERM, "lightning 19916"),
            ("SIGHUP", signal.SIGHUP, "lightning 1455"),
            ("SIGUSR1", signal.SIGUSR1, ""),
            ("Ctrl-C", signal.SIGINT, ""),
        )
    ),
    *(
        Case(
            f"{name} in evaluate",
            _many,
            (evaluate("data.root=DIR", "test.save_heatmaps=true", stop=(number, "out/source.json")),),
            f"one sentence, status {128 + number}",
            stopped(number, "stopped", lacks("metrics.json")),
        )
        for name, number in (("SIGTERM", signal.SIGTERM), ("Ctrl-C", signal.SIGINT))
    ),
    Case("SIGTERM in a sweep", plain(), (SWEEP,), "the whole sweep stops, status 143", stopped(signal.SIGTERM, "", _one_job)),
]


def screen(encoding: str, **more: str | None) -> dict[str, str | None]:
    return {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding, **more}


REPORT = Command("report", ("runs=RUN", "out=DIR/out", "figures=false", "gallery=none"), env=screen("ascii"))
SCREENS = [
    Case("cp1252", plain(), (train(env=screen("cp1252")),), "trained", accepted(**ALL), "hyperbox 4"),
    Case("ascii", plain(), (train(env=screen("ascii")),), "trained", accepted(**ALL)),
    Case("ascii, evaluate", plain(train=0), (evaluate("data.root=DIR", env=screen("ascii")),), "evaluated", accepted(n_test=4)),
    Case("ascii, report", plain(), (REPORT,), "reported", page),
    Case(
        "locale C",
        plain(),
        (train(env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),),
        "trained",
        accepted(**ALL),
    ),
    Case("ascii, refused", plain(), (train("größe", env=screen("ascii")),), "one sentence", refused("has no category")),
    Case("one column, no terminal", plain(), (train(env={"COLUMNS": "1", "TERM": "dumb"}),), "trained", accepted(**ALL)),
]


def _open(here: Path) -> None:
    """A category in a folder that every user may write to."""
    category(here / "plain")
    here.chmod(0o777)


def _read_only_home(here: Path) -> None:
    _open(here)
    (here / "home").mkdir(mode=0o555)


HOMELESS: dict[str, str | None] = {"HOME": None, "ANOMALY_LAB_CACHE": None}
HOMES = [
    Case(
        "no home",
        _open,
        (train(env=HOMELESS, start=STRANGER),),
        "trained without a cache",
        accepted(warns="ANOMALY_LAB_CACHE", **ALL),
        "templates-GPUs 46",
        NO_STRANGER,
    ),
    Case(
        "no home, W&B",
        _open,
        (train("plain", "logger=wandb", env=HOMELESS | {"WANDB_MODE": "offline"}, start=STRANGER),),
        "refused, HOME named",
        refused("set HOME"),
        "",
        NO_STRANGER,
    ),
    Case(
        "read-only home",
        _read_only_home,
        (train(env=HOMELESS | {"HOME": "DIR/home"}, start=STRANGER),),
        "trained",
        accepted(**ALL),
        "",
        NO_STRANGER,
    ),
]


def _closed(name: str) -> Any:
    def make(here: Path) -> None:
        _open(here)
        (here / name).mkdir(parents=True, exist_ok=True)
        (here / name).chmod(0)

    return make


def _closed_file(here: Path) -> None:
    _open(here)
    (here / "plain/train/good/000.png").chmod(0)


def _closed_runs(here: Path) -> None:
    shutil.copytree(here.parents[1] / "run", here / "runs/run")
    here.chmod(0o777)
    (here / "runs/lost+found").mkdir(mode=0)


CLOSED_REPORT = Command("report", ("runs=DIR/runs", "out=DIR/out", "figures=false", "gallery=none"), start=AS_USER)
LISTED = r"plain/test/dent\b.*(permission|can't be|cannot be)"
FOLDERS = [
    Case("mode 000", _closed("plain/test/dent"), (train(start=AS_USER),), "refused", refused(LISTED), "nnU-Net 964", NO_USER),
    Case(
        "lost+found in the category",
        _closed("plain/lost+found"),
        (train(start=AS_USER),),
        "left out",
        accepted(**ALL),
        "",
        NO_USER,
    ),
    Case("lost+found in the root", _closed("lost+found"), (train(start=AS_USER),), "left out", accepted(**ALL), "", NO_USER),
    Case(
        "lost+found in test",
        _closed("plain/test/lost+found"),
        (train(start=AS_USER),),
        "left out",
        accepted(**ALL),
        "",
        NO_USER,
    ),
    Case("image of mode 000", _closed_file, (train(start=AS_USER),), "refused", refused(r"000\.png"), "", NO_USER),
    Case("lost+found among runs", _closed_runs, (CLOSED_REPORT,), "reported", page, "", NO_USER),
    Case(
        "output not writable",
        plain(),
        (train(start=AS_USER),),
        "refused",
        refused(r"(cannot|can't|could not) be (written|read)"),
        "",
        NO_USER,
    ),
]


def _two_places(here: Path) -> None:
    for place in ("a", "b"):
        category(here / place / "plain")


def _cut_off(here: Path) -> None:
    (here / "out/metrics.json").unlink()
    shutil.rmtree(here / "a")


MOVED = (
    train(root="DIR/a"),
    Command("train", ("resume=DIR/out", "data.root=DIR/b"), before=_cut_off),
)
AGAIN = tuple(
    train("plain", "-m", "seed=1,2", "hydra.sweep.dir=DIR/sweep", root=f"DIR/{place}", output=f"out_{place}")
    for place in ("a", "b")
)


def _repeated(ended: Sequence[Ended]) -> str:
    return "" if "2 finished before" in ended[-1].out else "jobs were repeated"


PLACE = [
    Case("resume after a move", _two_places, MOVED, "continued", accepted(**ALL), "lightning 14443"),
    Case("sweep after a move", _two_places, AGAIN, "nothing repeated", _repeated, "lightning 15705"),
    Case(
        "evaluate after a move",
        plain(),
        (
            train(output="a"),
            evaluate(
                "data.root=DIR/moved",
                run="DIR/a",
                before=lambda h: (shutil.copytree(h / "plain", h / "moved/plain"), shutil.rmtree(h / "plain")),
            ),
        ),
        "evaluated",
        accepted(n_test=4),
    ),
    Case(
        "resume with other images",
        _two_places,
        (
            train(root="DIR/a"),
            Command(
                "train",
                ("resume=DIR/out",),
                before=lambda h: ((h / "out/metrics.json").unlink(), put(h / "a/plain/train/good/000.png", picture(9)[0])),
            ),
        ),
        "refused",
        refused("other images"),
    ),
]
WANDB = ("plain", "logger=wandb")
OVERRULED = [
    Case(
        "WANDB_MODE=disabled",
        plain(),
        (train(*WANDB, env={"WANDB_MODE": "disabled"}),),
        "no W&B run",
        every(accepted(**ALL), lacks("wandb/*run-*")),
        "wandb 764",
    ),
    Case(
        "WANDB_MODE=offline",
        plain(),
        (train(*WANDB, env={"WANDB_MODE": "offline"}),),
        "an offline run",
        every(accepted(**ALL), lambda e: "" if lacks("wandb/offline-run-*")(e) else "no offline run"),
    ),
    Case(
        "advice on wandb sync",
        lambda here: None,
        (Command("advice.py", ()),),
        "its options exist",
        lambda e: e[-1].out.strip() if e[-1].status else "",
        "wandb 5865",
    ),
    Case("MPLBACKEND=TkAgg", plain(), (train(env={"MPLBACKEND": "TkAgg", "DISPLAY": None}),), "trained", accepted(**ALL)),
    Case("OMP_NUM_THREADS=x", plain(), (train(env={"OMP_NUM_THREADS": "x"}),), "trained", accepted(**ALL)),
    Case("TMPDIR is missing", plain(), (train(env={"TMPDIR": "DIR/nowhere"}),), "trained", accepted(**ALL)),
]
SMALL = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=256k tmpfs /dev/shm && exec "$0" "$@"')
BIG_CROPS = ("data.num_workers=1", "image_size=128", "data.train_size=128", "batch_size=4")
MEMORY = [
    Case(
        "/dev/shm of 256 KiB",
        plain(size=(128, 128)),
        (train("plain", *BIG_CROPS, start=SMALL),),
        "refused",
        refused("num_workers=0|shm-size"),
        "pytorch 5040",
        NO_MOUNT,
    ),
    Case(
        "/dev/shm of 256 KiB, no worker",
        plain(),
        (train("plain", "data.num_workers=0", start=SMALL),),
        "trained",
        accepted(**ALL),
        "",
        NO_MOUNT,
    ),
]


def _beside(here: Path) -> None:
    category(here / "x/plain")
    (here / "work").mkdir()


def _inside_or_refused(ended: Sequence[Ended]) -> str:
    return either(refused("chdir"), accepted(**ALL))(ended)


CHDIR = [
    Case(
        "chdir",
        _beside,
        (train("plain", "hydra.job.chdir=true", root="../x", cwd="work"),),
        "resolved before, or refused",
        _inside_or_refused,
        "hydra 922",
    ),
    Case("relative root", _beside, (train(root="../x", cwd="work"),), "trained", accepted(**ALL)),
    Case(
        "resume elsewhere",
        _beside,
        (train(root="../x", cwd="work"), Command("train", ("resume=out",), before=lambda h: (h / "out/metrics.json").unlink())),
        "continued",
        accepted(**ALL),
    ),
]


def _init(ended: Sequence[Ended]) -> str:
    last = ended[-1]
    if wrong := accepted(**ALL)(ended):
        return wrong
    text = (last.output / "config.yaml").read_text()
    return "" if "init:" in text and any(key.startswith("init") for key in last.metrics) else "init is not recorded"


LONGER = [
    Case("init=RUN", plain(), (train("plain", "init=RUN"),), "trained from its weights", _init, "neural_prophet 828"),
    Case("init= without a run", plain(), (train("plain", "init=DIR"),), "refused", refused("holds no run")),
    Case(
        "resume= with more epochs",
        plain(),
        (train(), Command("train", ("resume=DIR/out", "trainer.max_epochs=9"))),
        "refused, init= named",
        refused("init=", finished=True),
    ),
    Case(
        "resume= of a finished run",
        plain(),
        (train(), Command("train", ("resume=DIR/out",))),
        "refused, init= named",
        refused("init=", finished=True),
    ),
]
KINDS = {
    "signals": SIGNALS,
    "screens that are not UTF-8": SCREENS,
    "no home directory": HOMES,
    "folders that may not be listed": FOLDERS,
    "identity by place, though a digest of the content exists": PLACE,
    "the user's own environment overruled": OVERRULED,
    "small shared memory in containers": MEMORY,
    "relative paths after a change of directory": CHDIR,
    "a run that has ended, to be trained longer": LONGER,
}

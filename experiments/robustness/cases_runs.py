"""Cases of runs on disk: copied from another machine, edited, damaged."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

from cases_names import page
from pictures import category, put_bytes
from trial import Case, Command, accepted, either, evaluate, refused, train

Change = Callable[[Path], object]


def copied(change: Change) -> Callable[[Path], None]:
    """A changed copy of the run that evaluations score, in DIR/run."""

    def make(here: Path) -> None:
        change(shutil.copytree(here.parents[1] / "run", here / "run"))

    return make


def content(name: str, convert: Callable[[bytes], bytes]) -> Change:
    return lambda run: (run / name).write_bytes(convert((run / name).read_bytes()))


def text(name: str, old: str, new: str) -> Change:
    return content(name, lambda data: data.replace(old.encode(), new.encode()))


def elsewhere(run: Path) -> None:
    """As if the run came from another machine."""
    path = run / "config.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(
        "\n".join("  root: /home/someone/data" if x.startswith("  root: ") else x for x in lines) + "\n", encoding="utf-8"
    )


def lacking(name: str) -> Change:
    return lambda run: (run / name).unlink()


class Code:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit(99)",)


def case(name: str, change: Change, right: str, check: object, source: str = "", *more: str) -> Case:
    return Case(name, copied(change), (evaluate(*more, run="DIR/run"),), right, check, source)  # type: ignore[arg-type]


CONFIG, BEST = "config.yaml", "checkpoints/best.ckpt"
DAMAGED = refused(r"best\.ckpt is damaged or no checkpoint")
BAD_CONFIG = refused(r"config\.yaml")
REPORT = Command("report", ("runs=DIR/run", "out=DIR/out", "figures=false", "gallery=none"))


def reported(name: str, change: Change, right: str, check: object) -> Case:
    return Case(name, copied(change), (REPORT,), right, check)  # type: ignore[arg-type]


def unreadable(ended: object) -> str:
    """The report stands and says that the run can't be read."""
    last = ended[-1]  # type: ignore[index]
    return "" if last.status == 0 and "1 unreadable" in last.out else f"status {last.status}, or not said"


EVALUATIONS = [
    case("another machine", elsewhere, "refused", refused("home/someone/data is not a folder: set data.root")),
    Case(
        "another machine, data.root",
        lambda h: [copied(elsewhere)(h), category(h / "plain", train=0)],
        (evaluate("data.root=DIR", run="DIR/run"),),
        "evaluated",
        accepted(n_test=4),
    ),
    case(
        "config.yaml with a BOM",
        content(CONFIG, lambda d: b"\xef\xbb\xbf" + d),
        "evaluated",
        accepted(n_test=8),
        "playwright 39420",
    ),
    case("config.yaml with CRLF", text(CONFIG, "\n", "\r\n"), "evaluated", accepted(n_test=8)),
    case(
        "config.yaml in UTF-16",
        content(CONFIG, lambda d: d.decode().encode("utf-16")),
        "evaluated or refused",
        either(accepted(n_test=8), BAD_CONFIG),
    ),
    case(
        "config.yaml in latin1",
        content(CONFIG, lambda d: d.replace(b"name: plain", b"name: gr\xf6\xdfe")),
        "refused",
        BAD_CONFIG,
    ),
    case("config.yaml is empty", content(CONFIG, lambda d: b""), "refused", BAD_CONFIG),
    case("config.yaml is a list", content(CONFIG, lambda d: b"- a\n"), "refused", BAD_CONFIG),
    case("config.yaml with a tab", text(CONFIG, "  root:", "\troot:"), "refused", BAD_CONFIG),
    case("config.yaml lacks data", content(CONFIG, lambda d: d.split(b"\ndata:")[0] + b"\n"), "refused", BAD_CONFIG),
    case("config.yaml is cut off", content(CONFIG, lambda d: d[: len(d) // 2]), "refused", BAD_CONFIG, "lightning 688"),
    case("best.ckpt is cut off", content(BEST, lambda d: d[: len(d) // 2]), "refused", DAMAGED, "lightning 21431"),
    case("best.ckpt is empty", content(BEST, lambda d: b""), "refused", DAMAGED),
    case("best.ckpt holds code", content(BEST, lambda d: pickle.dumps(Code())), "refused", DAMAGED),
    case("best.ckpt is missing", lacking(BEST), "refused", refused("has no checkpoints/best.ckpt")),
    case(
        "best.ckpt is a pointer", content(BEST, lambda d: b"version https://git-lfs.github.com/spec/v1\n"), "refused", DAMAGED
    ),
    case(
        "levels.csv with BOM and CRLF",
        content("levels.csv", lambda d: b"\xef\xbb\xbf" + d.replace(b"\n", b"\r\n")),
        "evaluated",
        accepted(n_test=8),
    ),
    case(
        "levels.csv lacks columns",
        text("levels.csv", "split", "part"),
        "refused or evaluated",
        either(accepted(n_test=8), refused(r"levels\.csv")),
    ),
    case(
        "levels.csv is binary",
        content("levels.csv", lambda d: bytes(range(256)) * 8),
        "refused or evaluated",
        either(accepted(n_test=8), refused(r"levels\.csv")),
    ),
    case(
        "metrics.json is cut off",
        content("metrics.json", lambda d: d[:100]),
        "refused or evaluated",
        either(accepted(n_test=8), refused(r"metrics\.json")),
    ),
    case(
        "metrics.json with a BOM",
        content("metrics.json", lambda d: b"\xef\xbb\xbf" + d),
        "refused or evaluated",
        either(accepted(n_test=8), refused(r"metrics\.json")),
    ),
    Case("run= is a file", lambda h: None, (evaluate(run="RUN/metrics.json"),), "refused", refused("holds no run")),
    Case(
        "run= is a checkpoint", lambda h: None, (evaluate(run="RUN/checkpoints/best.ckpt"),), "refused", refused("holds no run")
    ),
    Case("run= is missing", lambda h: None, (evaluate(run="DIR/nowhere"),), "refused", refused("holds no run")),
    Case(
        "run= holds several",
        copied(lambda r: None),
        (evaluate(run="DIR"),),
        "refused, one named",
        refused("holds several, run="),
    ),
    Case("run= with a slash", lambda h: None, (evaluate(run="RUN/"),), "evaluated", accepted(n_test=8)),
    Case(
        "out= is the run",
        lambda h: None,
        (Command("evaluate", ("run=RUN", "out=RUN")),),
        "refused",
        refused("lies in the run itself"),
    ),
    Case(
        "out= holds a run",
        copied(lambda r: None),
        (evaluate(output="run"),),
        "refused",
        refused("holds a run already", finished=True),
    ),
]


def _cut_last(here: Path) -> None:
    run = here / "out"
    (run / "metrics.json").unlink()
    last = run / "checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])


def _experiment(data: bytes) -> Callable[[Path], object]:
    return lambda here: [category(here / "plain"), put_bytes(here / "conf/experiment/mine.yaml", data)]


YAML = b"# @package _global_\nseed: 7\n"
OWN_SETTINGS = (train("plain", "--config-dir=DIR/conf", "experiment=mine"),)
FILES = [
    Case(
        "last.ckpt is cut off",
        lambda h: category(h / "plain"),
        (train(), Command("train", ("resume=DIR/out",), before=_cut_last)),
        "the one before, with a warning; or refused",
        either(accepted(warns="cannot be read", n_test=4), refused(r"\.ckpt")),
        "nerfstudio 2202",
    ),
    Case(
        "own settings with a BOM",
        _experiment(b"\xef\xbb\xbf" + YAML),
        OWN_SETTINGS,
        "refused",
        refused("byte order mark"),
        "espanso 2512",
    ),
    Case("own settings with CRLF", _experiment(YAML.replace(b"\n", b"\r\n")), OWN_SETTINGS, "read", accepted(seed=7)),
    Case(
        "own settings in latin1",
        _experiment(YAML + b"# gr\xf6\xdfe\n"),
        OWN_SETTINGS,
        "refused",
        refused(r"mine\.yaml is no text in UTF-8"),
    ),
    Case("own settings with a tab", _experiment(YAML + b"a:\n\tb: 1\n"), OWN_SETTINGS, "refused", refused(r"mine")),
]
REPORTS = [
    reported("report of a copy", elsewhere, "reported", page),
    reported("report, metrics.json is cut off", content("metrics.json", lambda d: d[:100]), "said", unreadable),
    reported("report, metrics.json is a list", content("metrics.json", lambda d: b"[]"), "said", unreadable),
    reported(
        "report, config.yaml in latin1",
        content(CONFIG, lambda d: d.replace(b"name: plain", b"name: gr\xf6\xdfe")),
        "said",
        unreadable,
    ),
    reported("report, scores.csv lacks columns", text("scores.csv", "score", "value"), "said", unreadable),
    reported("report, metrics.csv is binary", content("metrics.csv", lambda d: bytes(range(256)) * 8), "reported", page),
    Case("report of nothing", lambda h: None, (Command("report", ("runs=DIR",)),), "refused", refused("holds no run")),
    Case(
        "report of a file",
        lambda h: None,
        (Command("report", ("runs=RUN/metrics.json",)),),
        "refused",
        refused("is not a folder"),
    ),
]
KINDS = {"files of a run": [*EVALUATIONS, *FILES, *REPORTS]}

"""Cases of the commands around a run: files among the images to inspect, damaged runs and mistakes for export, files for
`predict model=`, and the start of the page."""

import io
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path

from cases_runs import Code
from cases_use import FILES, PLAIN, RUNS, Make, damaged, told, unharmed, untouched
from pictures import category, put_bytes
from trial import OWN, Case, Check, Command, Ended, every, refused

OUT = "out=DIR/out"


def export(*more: str, run: str = "RUN", form: str = "format=onnx") -> Command:
    """An export of a run to DIR/file."""
    return Command("export", (f"run={run}", *([form] if form else []), *more), hidden=("out=DIR/file.onnx",))


def inspect(*more: str) -> Command:
    """A look at the category DIR/parts."""
    return Command("inspect", ("category.name=parts", "data.root=DIR", *more), hidden=(*OWN, "image_size=64", OUT))


def app(*more: str, run: str = "RUN") -> Command:
    """The page on any free port. Every case here ends before it listens."""
    return Command("app", (f"run={run}", *more), hidden=("port=0",) if not any("port=" in m for m in more) else ())


def parts(make: Make) -> Make:
    """DIR/parts with one odd file among the normal images to train on."""

    def both(here: Path) -> None:
        category(here / "parts", train=12, good=4, bad=4)
        make(here / "parts/train/good")

    return both


def looked(unreadable: bool) -> Check:
    """A page was written, and an unreadable file is named as wrong; or the data are refused in one sentence."""

    def check(ended: Sequence[Ended]) -> str:
        last = ended[-1]
        if "Traceback" in last.out + last.err or "or a bug" in last.err:
            return "a stack trace, or an error that the project does not know"
        if last.status == 1:
            return refused("")(ended)
        if last.status or not (last.output / "inspect.html").is_file():
            return f"status {last.status}, or no page"
        found = any(line.startswith("wrong") and "/x." in line for line in last.out.splitlines())
        return "the file is not named" if unreadable and not found else ""

    return check


def nothing_left(check: Check) -> Check:
    """And no file got the export's name."""
    return lambda ended: check(ended) or ("a file was left" if (ended[-1].output.parent / "file.onnx").exists() else "")


def model(name: str, content: bytes, pattern: str) -> Case:
    """predict model=DIR/NAME with such a content."""

    def make(here: Path) -> None:
        PLAIN(here)
        put_bytes(here / name, content)

    command = Command("predict", (f"model=DIR/{name}", "images=DIR/in"), hidden=(OUT,))
    return Case(f"{name}: {content[:12]!r}", make, (command,), "refused, nothing runs", every(told(pattern), untouched))


def zipped(**members: bytes) -> bytes:
    """A ZIP file, which is what torch.export writes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)  # of 1980: the same bytes each time
    return held.getvalue()


EXPORTS = [
    Case("format is missing", PLAIN, (export(form=""),), "refused", refused("format is missing")),
    Case("format=tensorrt", PLAIN, (export(form="format=tensorrt"),), "refused", refused("must be one of onnx")),
    Case("precision=int4", PLAIN, (export("precision=int4"),), "refused", refused("precision is int4")),
    Case("int8 for torch", PLAIN, (export("precision=int8", form="format=torch_export"),), "refused", refused("int8")),
    Case("dynamic for torch", PLAIN, (export("size=dynamic", form="format=torch_export"),), "refused", refused("dynamic")),
    Case("size=0x5", PLAIN, (export("size=0x5"),), "refused", refused("size is 0x5")),
    Case("size=5", PLAIN, (export("size=5"),), "refused", refused("size is 5")),
    Case("tolerate=-1", PLAIN, (export("tolerate=-1"),), "refused", refused("tolerate")),
    Case("tolerate=all", PLAIN, (export("tolerate=all"),), "refused", refused("tolerate")),
    Case("images= gone", PLAIN, (export("images=DIR/gone"),), "refused", refused("gone does not exist")),
    Case("images= without images", PLAIN, (export("images=RUN/checkpoints"),), "refused", refused("holds no image")),
    Case("run= nothing, export", PLAIN, (export(run="DIR/in"),), "refused", refused("(holds|has) no run")),
    Case("an unknown option, export", PLAIN, (export("oopset=17"),), "refused", refused("oopset")),
    Case(
        "another suffix", PLAIN, (Command("export", ("run=RUN", "format=onnx", "out=DIR/a.txt")),), "refused", refused("onnx")
    ),
]
MODELS = [
    model("a.onnx", b"", "a.onnx"),
    model("a.onnx", b"<html>404</html>", "a.onnx"),
    model("b.onnx", pickle.dumps(Code()), "b.onnx"),
    model("a.xml", b"<net", "a.xml"),
    model("b.xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><net>&x;</net>', "b.xml"),
    model("a.pt2", b"", "a.pt2"),
    model("b.pt2", pickle.dumps(Code()), "b.pt2"),
    model("c.pt2", zipped(**{"data.pkl": pickle.dumps(Code()), "version": b"3"}), "c.pt2"),
    model("a.txt", b"text", "a.txt"),
    model("a.ckpt", pickle.dumps(Code()), "a.ckpt"),
]
PAGES = [
    Case("port=99999", PLAIN, (app("port=99999"),), "refused", refused("port is 99999")),
    Case("port=a", PLAIN, (app("port=a"),), "refused", refused("port")),
    Case("port=-1", PLAIN, (app("port=-1"),), "refused", refused("port")),
    Case("a host that is none", PLAIN, (app("host=no.such.host.invalid"),), "refused", told("no.such.host.invalid")),
    Case("run= nothing, app", PLAIN, (app(run="DIR/in"),), "refused", refused("(holds|has) no run")),
    Case("run= is missing", PLAIN, (Command("app", ("port=0",)),), "refused", refused("run is missing")),
    Case("an unknown option, app", PLAIN, (app("share=true"),), "refused", refused("share")),
    Case("out= is a file, app", lambda h: put_bytes(h / "o", b""), (app("out=DIR/o"),), "refused", told("DIR|o")),
]
KINDS = {
    "files among the images to inspect": [
        Case(
            f"{name}, inspect",
            parts(make),
            (inspect(),),
            "a page" if error is None else "named as wrong, or refused",
            looked(error is not None),
        )
        for name, (make, error) in FILES.items()
    ],
    "what inspect is given": [
        Case("no such category", parts(lambda f: None), (inspect("category.name=gone"),), "refused", refused("gone")),
        Case("resume=, inspect", parts(lambda f: None), (inspect("resume=RUN"),), "refused", refused("resume")),
        Case("strict=maybe", parts(lambda f: None), (inspect("strict=maybe"),), "refused", refused("strict")),
        Case("an option that is none", parts(lambda f: None), (inspect("data.oops=1"),), "refused", refused("oops")),
        Case("no normal images", lambda h: category(h / "parts", train=0, good=4, bad=4), (inspect(),), "refused", refused("")),
        Case("no test images", lambda h: category(h / "parts", train=12, good=0, bad=0), (inspect(),), "a page", looked(False)),
        Case(
            "one image, inspect", lambda h: category(h / "parts", train=1, good=1, bad=1), (inspect(),), "a page", looked(False)
        ),
    ],
    "what export is given": EXPORTS,
    "damaged and foreign checkpoints to export and to show": [
        Case(f"{command.name}: best.ckpt {name}", damaged(make), (command,), "refused", nothing_left(unharmed(pattern)))
        for name, (make, pattern) in RUNS.items()
        for command in (export(run="DIR/run"), app(run="DIR/run"))
    ],
    "files that are given as a model": MODELS,
    "how the page starts": PAGES,
}

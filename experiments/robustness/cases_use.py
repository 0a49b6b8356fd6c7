"""Cases of a run in use: files that predictions and calibrations meet, what may be named, damaged runs."""

import csv
import json
import math
import os
import pickle
import re
import socket
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from cases_runs import Code, copied
from pictures import picture, put, put_bytes
from PIL import Image
from trial import Case, Check, Command, Ended, every, refused

NORMAL = 12  # images beside the odd one, from which a calibration learns
Make = Callable[[Path], Any]


def predict(*more: str, run: str = "RUN", images: str = "DIR/in", **options: Any) -> Command:
    """A prediction of the images in DIR/in."""
    return Command("predict", (f"run={run}", f"images={images}", *more), hidden=("out=DIR/out",), **options)


def calibrate(*more: str, run: str = "RUN", images: str = "DIR/in", **options: Any) -> Command:
    """A calibration with the images in DIR/in."""
    return Command("calibrate", (f"run={run}", f"images={images}", *more), hidden=("out=DIR/out",), **options)


def rows(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ended.output / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


def decided(count: int, *errors: str) -> Check:
    """The prediction ended well with `count` rows, as many as the table has: one row with each of `errors`, the others with
    finite scores."""

    def check(ended: Sequence[Ended]) -> str:
        last = ended[-1]
        if last.status or "Traceback" in last.out + last.err:
            return f"status {last.status}" + (", a stack trace" if "Traceback" in last.out + last.err else "")
        found = rows(last)
        bad = [row for row in found if row["error"] is not None]
        with (last.output / "predictions.csv").open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        if [len(found), len(bad), len(table)] != [count, len(errors), count]:
            return f"{len(found)} rows, {len(bad)} errors, {len(table)} in the table"
        lost = [pattern for pattern in errors if not any(re.search(pattern, row["error"]) for row in bad)]
        if lost:
            return f"no error says “{lost[0]}”: {bad[0]['error']}"
        good = [row for row in found if row["error"] is None]
        return (
            ""
            if all(math.isfinite(row["score"]) and row["defective"] in (True, False) for row in good)
            else "a score is lacking"
        )

    return check


def calibrated(count: int) -> Check:
    """The calibration ended well, from `count` images."""

    def check(ended: Sequence[Ended]) -> str:
        last = ended[-1]
        if last.status or "Traceback" in last.out + last.err:
            return f"status {last.status}"
        with (last.output / "levels.csv").open(newline="", encoding="utf-8") as file:
            found = len({row["path"] for row in csv.DictReader(file)})
        return "" if found == count else f"{found} images, not {count}"

    return check


def grey(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0]


def saved(name: str, convert: Callable[[np.ndarray], Any] = lambda pixels: pixels, **options: Any) -> Make:
    return lambda folder: put(folder / name, convert(picture(900)[0]), **options)


def tiff(name: str, convert: Callable[[np.ndarray], Any], **options: Any) -> Make:
    return lambda folder: tifffile.imwrite(folder / name, convert(picture(900)[0]), **options)


def raw(name: str, content: bytes) -> Make:
    return lambda folder: put_bytes(folder / name, content)


def cut(name: str, share: float) -> Make:
    def make(folder: Path) -> None:
        path = put(folder / name, picture(900, (200, 200))[0])
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return make


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that announces so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def alpha(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([pixels, np.full(pixels.shape[:2], 128, np.uint8)]), "RGBA")


def palette(pixels: np.ndarray) -> Image.Image:
    found = Image.fromarray(pixels).quantize(256)
    found.info["transparency"] = 3
    return found


def animated(form: str) -> Make:
    def make(folder: Path) -> None:
        frames = [Image.fromarray(picture(900 + i)[0]) for i in range(3)]
        frames[0].save(folder / f"x.{form}", save_all=True, append_images=frames[1:])

    return make


def turned(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    put(folder / "x.jpg", picture(900)[0], exif=exif)


WHOLE = "no complete image file"
# name of a file → (how to make it, the sentence of its error; None: it is read)
FILES: dict[str, tuple[Make, str | None]] = {
    "truncated PNG": (cut("x.png", 0.6), WHOLE),
    "truncated JPEG": (cut("x.jpg", 0.6), WHOLE),
    "truncated TIFF": (cut("x.tif", 0.6), WHOLE),
    "truncated WebP": (cut("x.webp", 0.6), WHOLE),
    "truncated BMP": (cut("x.bmp", 0.6), WHOLE),
    "first ten bytes": (cut("x.png", 0.0005), WHOLE),
    "empty file": (raw("x.png", b""), "is empty"),
    "HTML": (raw("x.jpg", b"<html>404</html>"), WHOLE),
    "git-lfs pointer": (raw("x.png", b"version https://git-lfs.github.com/spec/v1\n"), WHOLE),
    "random bytes": (raw("x.png", np.random.default_rng(0).bytes(5000)), WHOLE),
    "zeros": (raw("x.png", bytes(5000)), WHOLE),
    "a pickle": (raw("x.png", pickle.dumps(Code())), WHOLE),
    "bomb of 60,000 × 60,000": (raw("x.png", bomb(60_000, 60_000)), "too large to decode|no complete"),
    "bomb of 2³¹ − 1": (raw("x.png", bomb(2**31 - 1, 2**31 - 1)), "too large to decode|no complete"),
    "bomb of 1 × 2²⁰ + 1": (raw("x.png", bomb(1, 2**20 + 1)), "too large to decode|no complete"),
    "JPEG called PNG": (saved("x.png", format="JPEG"), None),
    "GIF called PNG": (saved("x.png", lambda p: Image.fromarray(p), format="GIF"), None),
    "16-bit PNG": (saved("x.png", lambda p: grey(p).astype(np.uint16) * 257), None),
    "16-bit TIFF": (tiff("x.tif", lambda p: p.astype(np.uint16) * 257, photometric="rgb"), None),
    "12 bits in 16": (saved("x.png", lambda p: grey(p).astype(np.uint16) * 16), None),
    "float TIFF": (tiff("x.tif", lambda p: p.astype(np.float32), photometric="rgb"), "float32"),
    "float TIFF with NaN": (tiff("x.tif", lambda p: np.full(p.shape, np.nan, np.float32), photometric="rgb"), "float32"),
    "int32 TIFF": (tiff("x.tif", lambda p: grey(p).astype(np.int32)), "int32"),
    "five channels": (
        tiff("x.tif", lambda p: np.dstack([p, p])[..., :5], photometric="minisblack", planarconfig="contig"),
        "no complete|channels|pixels",
    ),
    "CMYK JPEG": (saved("x.jpg", lambda p: Image.fromarray(p).convert("CMYK")), None),
    "palette with transparency": (saved("x.png", palette), None),
    "alpha": (saved("x.png", alpha), None),
    "grey with alpha": (saved("x.png", lambda p: Image.fromarray(grey(p)).convert("LA")), None),
    "one bit": (saved("x.png", lambda p: Image.fromarray(p).convert("1")), None),
    "EXIF rotation": (turned, None),
    "animated PNG": (animated("png"), None),
    "animated WebP": (animated("webp"), None),
    "animated GIF": (animated("gif"), None),
    "pages of a TIFF": (animated("tif"), None),
    "progressive JPEG": (saved("x.jpg", progressive=True), None),
    "PNM": (saved("x.ppm"), None),
    "1 × 1": (saved("x.png", lambda p: p[:1, :1]), None),
    "1 × 20,000": (saved("x.png", lambda p: np.tile(p[:1], (1, 313, 1))[:, :20_000]), None),
    "20,000 × 1": (saved("x.png", lambda p: np.tile(p[:, :1], (313, 1, 1))[:20_000]), None),
    "3 × 5": (saved("x.png", lambda p: p[:3, :5]), None),
    "black": (saved("x.png", lambda p: p * 0), None),
    "white": (saved("x.png", lambda p: p * 0 + 255), None),
    "four times as large": (saved("x.png", lambda p: np.tile(p, (4, 4, 1))), None),
    "link to nowhere": (lambda folder: (folder / "x.png").symlink_to(folder / "gone"), "cannot be read|can't be read"),
    "link to itself": (
        lambda folder: (folder / "x.png").symlink_to(folder / "x.png"),
        "cannot be read|can't be read|leads in a circle",
    ),
    "a pipe": (lambda folder: os.mkfifo(folder / "x.png"), "cannot be read|can't be read|no file"),
    "a socket": (
        lambda folder: socket.socket(socket.AF_UNIX).bind(str(folder / "x.png")),
        "cannot be read|can't be read|no file",
    ),
}
NAMES = {
    "script": "<script>alert(1)<|script>.png",
    "quotes and commas": "a,\"b\";'c'.png",
    "line break": "a\nb.png",
    "formula": "=1+1.png",
    "percent": "%s%n{0}.png",
    "blanks": "  a .png",
    "long": "n" * 240 + ".png",
    "composed": "größe.png",
    "decomposed": "gro\u0308ße.png",
    "right to left": "\u202egnp.png",
    "terminal escape": "\x1b[31ma.png",
    "capital suffix": "A.PNG",
    "dash": "-rf.png",
    "brackets": "[a]*?.png",
}


def among(make: Make) -> Make:
    """DIR/in with `NORMAL` plain images and one odd file."""

    def both(here: Path) -> None:
        for i in range(NORMAL):
            put(here / f"in/{i:02d}.png", picture(700 + i)[0])
        make(here / "in")

    return both


def named(name: str) -> Make:
    return among(lambda folder: put(folder / name.replace("|", "\u2215"), picture(900)[0], format="PNG"))


def listed(*lines: str, encoding: str = "utf-8", ending: str = "\n") -> Make:
    """DIR/list.txt that names images; DIR stands for the folder."""

    def make(here: Path) -> None:
        among(lambda folder: None)(here)
        text = ending.join(line.replace("DIR", str(here)) for line in lines) + ending
        (here / "list.txt").write_bytes(text.encode(encoding))

    return make


PLAIN = among(lambda folder: None)
LIST = "DIR/list.txt"
TAKEN = among(lambda folder: put_bytes(folder.parent / "out/predict.json", b'{"run": "another"}'))
INPUTS = [
    Case("no such path", PLAIN, (predict(images="DIR/gone"),), "refused", refused("gone does not exist")),
    Case("empty folder", lambda h: (h / "in").mkdir(), (predict(),), "refused", refused("holds no image")),
    Case(
        "folder without images", lambda h: put_bytes(h / "in/a.txt", b"a"), (predict(),), "refused", refused("holds no image")
    ),
    Case("a pattern that fits nothing", PLAIN, (predict(images="DIR/in/*.jpg"),), "refused", refused("fits no image")),
    Case("a pattern", PLAIN, (predict(images="DIR/**/0*.png"),), "ten rows", decided(10)),
    Case("one image", PLAIN, (predict(images="DIR/in/00.png"),), "one row", decided(1)),
    Case("a file that is no image", PLAIN, (predict(images="RUN/config.yaml"),), "an error row", decided(1, WHOLE)),
    Case("no names on standard input", PLAIN, (predict(images="-"),), "no rows", decided(0)),
    Case("list", listed("DIR/in/00.png", "", "DIR/in/01.png"), (predict(images=LIST),), "two rows", decided(2)),
    Case("list, an image twice", listed(*["DIR/in/00.png"] * 3), (predict(images=LIST),), "one row", decided(1)),
    Case(
        "list, gone images",
        listed("DIR/in/00.png", "DIR/gone.png"),
        (predict(images=LIST),),
        "an error row",
        decided(2, "gone"),
    ),
    Case(
        "list with BOM and CRLF",
        listed("DIR/in/00.png", encoding="utf-8-sig", ending="\r\n"),
        (predict(images=LIST),),
        "one row",
        decided(1),
    ),
    Case(
        "list in UTF-16",
        listed("DIR/in/00.png", encoding="utf-16"),
        (predict(images=LIST),),
        "refused",
        refused("no text in UTF-8"),
    ),
    Case("list of nothing", listed(""), (predict(images=LIST),), "refused", refused("names no image")),
    Case(
        "list of folders", listed("DIR/in"), (predict(images=LIST),), "an error row", decided(1, "cannot be read|can't be read")
    ),
    Case("a loop of links", among(lambda f: (f / "loop").symlink_to(f)), (predict(),), "each once", decided(NORMAL)),
    Case(
        "folders with points",
        among(lambda f: put(f / ".trash/a.png", picture(1)[0])),
        (predict(),),
        "left out",
        decided(NORMAL),
    ),
    Case("save=all", PLAIN, (predict("save=all"),), "refused", refused("is none of overlays")),
    Case("workers=0", PLAIN, (predict("workers=0"),), "refused", refused("workers")),
    Case("workers=many", PLAIN, (predict("workers=many"),), "refused", refused("workers")),
    Case("threshold=2", PLAIN, (predict("threshold=2"),), "refused", refused("threshold")),
    Case("images= twice", PLAIN, (predict("images=DIR/a"),), "refused", refused("images")),
    Case("watch=true of a file", PLAIN, (predict("watch=true", images="DIR/in/00.png"),), "refused", refused("images=FOLDER")),
    Case("watch=maybe", PLAIN, (predict("watch=maybe"),), "refused", refused("watch")),
    Case("run= nothing", PLAIN, (predict(run="DIR/in"),), "refused", refused("(holds|has) no run")),
    Case("run= a file", PLAIN, (predict(run="DIR/in/00.png"),), "refused", refused("run")),
    Case("out= of other predictions", TAKEN, (predict(),), "refused", refused("another run")),
    Case(
        "out= is a file",
        among(lambda f: put_bytes(f.parent / "out", b"")),
        (predict(),),
        "refused",
        refused("out can.t be read or written"),
    ),
    Case("alpha=2", PLAIN, (calibrate("alpha=2"),), "refused", refused("alpha")),
    Case("alpha=none", PLAIN, (calibrate("alpha=none"),), "refused", refused("alpha")),
    Case("confidence=1", PLAIN, (calibrate("confidence=1"),), "refused", refused("confidence")),
    Case("group=(", PLAIN, (calibrate("group=("),), "refused", refused("group")),
    Case(
        "a rate that few images can't promise",
        PLAIN,
        (calibrate("alpha=.01"),),
        "refused or said",
        lambda e: "" if re.search("99", e[-1].out + e[-1].err) else "99 is not named",
    ),
    Case(
        "one image to calibrate",
        PLAIN,
        (calibrate(images="DIR/in/00.png"),),
        "refused, or said",
        lambda e: "" if e[-1].status in (0, 1) and "Traceback" not in e[-1].err else "a stack trace",
    ),
]


def hyper(change: Callable[[dict[str, Any]], Any]) -> Make:
    """A run whose checkpoint has other hyperparameters."""

    def make(run: Path) -> None:
        content = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
        change(content)
        torch.save(content, run / "checkpoints/best.ckpt")

    return make


def of_bytes(convert: Callable[[bytes], bytes]) -> Make:
    def make(run: Path) -> None:
        path = run / "checkpoints/best.ckpt"
        path.write_bytes(convert(path.read_bytes()))

    return make


def foreign(content: dict[str, Any]) -> None:
    content["hyper_parameters"]["network"] = {"_target_": "os.system", "command": "exit 99"}


def planted(content: dict[str, Any]) -> None:
    content["hyper_parameters"]["scoring"]["pooling"] = {"_target_": "subprocess.run", "args": ["touch", "executed"]}


DAMAGED = r"best\.ckpt is damaged or no checkpoint"
OTHER = "another version of anomaly_lab|may not be built|is no part"
RUNS: dict[str, tuple[Make, str]] = {
    "cut off": (of_bytes(lambda data: data[: len(data) // 2]), DAMAGED),
    "empty": (of_bytes(lambda data: b""), DAMAGED),
    "flipped bytes": (of_bytes(lambda data: data[:3000] + bytes(2000) + data[5000:]), DAMAGED + "|" + OTHER),
    "holds code": (of_bytes(lambda data: pickle.dumps(Code())), DAMAGED),
    "a list": (lambda run: torch.save([1], run / "checkpoints/best.ckpt"), DAMAGED),
    "lacks weights": (hyper(lambda c: c["state_dict"].popitem()), OTHER),
    "weights of another size": (
        hyper(lambda c: c["state_dict"].update({k: torch.zeros(3) for k in list(c["state_dict"])[:1]})),
        OTHER,
    ),
    "lacks a setting": (hyper(lambda c: c["hyper_parameters"].pop("scoring")), OTHER + "|" + DAMAGED),
    "names os.system": (hyper(foreign), "os.system"),
    "names subprocess.run": (hyper(planted), "subprocess"),
    "no threshold": (hyper(lambda c: c["state_dict"].update(threshold=torch.tensor(math.nan))), "has no threshold"),
    "missing": (lambda run: (run / "checkpoints/best.ckpt").unlink(), "has no checkpoints/best.ckpt"),
}


def damaged(change: Make) -> Make:
    return lambda here: (PLAIN(here), copied(change)(here))


def untouched(ended: Sequence[Ended]) -> str:
    """Nothing was executed."""
    return "executed" if any(ended[-1].output.parent.rglob("executed")) else ""


def unharmed(pattern: str) -> Check:
    """Refused, and nothing was executed."""
    return every(refused(pattern), untouched)


def told(pattern: str) -> Check:
    """Status 1, no stack trace, and the last line on stderr is a sentence with `pattern`: libraries may complain too."""

    def check(ended: Sequence[Ended]) -> str:
        last = ended[-1]
        lines = [line for line in last.err.splitlines() if line.strip()]
        if last.status != 1 or "Traceback" in last.out + last.err or "or a bug" in last.err:
            return f"status {last.status}, or no sentence"
        return "" if re.search("^error: .*" + pattern, lines[-1]) else f"the sentence lacks “{pattern}”"

    return check


KINDS = {
    "files among the images to predict": [
        Case(
            name,
            among(make),
            (predict(),),
            "read" if error is None else "an error row",
            decided(NORMAL + 1, *([error] if error else [])),
        )
        for name, (make, error) in FILES.items()
    ],
    "files among the images to calibrate": [
        Case(
            f"{name}, calibrate",
            among(make),
            (calibrate(),),
            "counted" if error is None else "refused",
            calibrated(NORMAL + 1) if error is None else told(error),
        )
        for name, (make, error) in FILES.items()
    ],
    "names of images to predict": [
        Case(f"name: {name}", named(text), (predict("save=overlays,coco"),), "read", decided(NORMAL + 1))
        for name, text in NAMES.items()
    ],
    "what predict and calibrate are given": INPUTS,
    "damaged and foreign checkpoints in use": [
        Case(f"{command.name}: best.ckpt {name}", damaged(make), (command,), "refused", unharmed(pattern))
        for name, (make, pattern) in RUNS.items()
        for command in (predict(run="DIR/run"), calibrate(run="DIR/run"))
        if (name, command.name) != ("no threshold", "calibrate")
    ],
}

"""What reads foreign bytes: for each kind a corpus, ways to spoil it, and the project's function that reads it."""

import contextlib
import functools
import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from omegaconf import OmegaConf
from pictures import category, picture
from PIL import Image
from trial import TINY, run, train

from anomaly_lab.data.folder import read, verify
from anomaly_lab.data.images import image_size, read_image, read_mask
from anomaly_lab.pipeline.assembly import datamodule
from anomaly_lab.report.make import TABLES
from anomaly_lab.report.read.collect import collect
from anomaly_lab.report.read.curves import curves_of
from anomaly_lab.report.read.records import Records, group
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.command_line import CONF, prepared
from anomaly_lab.runs.directory import finished_metrics
from anomaly_lab.runs.trained import load

READER = {"_target_": "anomaly_lab.data.folder.scan"}
One = Callable[[str, Callable[[], Any]], None]  # (what the input is, a function that uses it)


@dataclass(frozen=True)
class Kind:
    """`run(folder, count, seed, one)` gives `count` inputs to `one`."""

    name: str
    count: int
    run: Callable[[Path, int, int, One], None]


def prepare(folder: Path) -> None:
    """FOLDER/run, a trained run, whose files are spoilt; made in a process of its own. And the corpus, for all processes."""
    corpus()
    category(folder / "data/plain")
    ended = run(train(root=str(folder / "data"), output="run"), folder, folder)
    if ended.status:
        raise SystemExit(ended.out + ended.err)


def spoilt(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to four faults."""
    content = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        place, length = int(rng.integers(0, len(content) + 1)), int(rng.integers(1, 9))
        if rng.random() < 0.5:
            place = min(place, int(rng.integers(0, 64)))  # headers decide most
        match int(rng.integers(0, 6)):
            case 0 if place < len(content):
                content[place] ^= 1 << int(rng.integers(0, 8))
            case 1:
                del content[place:]
            case 2:
                content[place:place] = rng.bytes(length)
            case 3:
                del content[place : place + length]
            case 4:
                content[place : place + length] = rng.choice([b"\0", b"\xff", b"\x7f"]) * length
            case _:
                content[place : place + 4] = struct.pack(">I" if rng.random() < 0.5 else "<I", int(rng.integers(0, 2**32)))
    return bytes(content)


def encoded(pixels: Any, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, form, **options)
    return file.getvalue()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def png_header(width: int, height: int, depth: int, kind: int) -> bytes:
    """A PNG file that announces its size and holds nothing."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_zeros(side: int) -> bytes:
    """A whole PNG file of side² black pixels of one bit: a small file of many pixels."""
    rows = zlib.compress(bytes((1 + side // 8) * side))
    return png_header(side, side, 1, 0) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@functools.cache
def corpus() -> Mapping[str, Sequence[bytes]]:
    """Suffix → files, images and masks."""
    colour, mask = picture(1, (24, 32), defect=True)
    grey, pil = colour[..., 0], Image.fromarray(colour)
    deep = grey.astype(np.uint16) * 257
    bombs = [png_header(side, side, *form) for side in (60000, 30000, 16000) for form in ((8, 2), (16, 6), (1, 0))]
    bombs += map(png_of_zeros, (16000, 20000))
    return {
        ".png": [
            *(encoded(x, "PNG") for x in (colour, grey, deep, mask, pil.convert("P"), pil.convert("RGBA"), pil.convert("1"))),
            *bombs,
        ],
        ".jpg": [
            encoded(colour, "JPEG"),
            encoded(mask, "JPEG"),
            encoded(pil.convert("CMYK"), "JPEG"),
            encoded(colour, "JPEG", progressive=True),
        ],
        ".jpeg": [encoded(grey, "JPEG", quality=30)],
        ".webp": [encoded(colour, "WEBP"), encoded(mask, "WEBP", lossless=True)],
        ".bmp": [encoded(x, "BMP") for x in (colour, mask, pil.convert("P"), pil.convert("1"))],
        ".tif": [
            tiff(colour, photometric="rgb"),
            tiff(deep),
            tiff(mask, photometric="miniswhite"),
            tiff(deep.astype(np.float32)),
            tiff(np.stack([grey] * 3), photometric="rgb", planarconfig="separate"),
        ],
        ".tiff": [encoded(colour, "TIFF", compression=c) for c in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")],
    }


def bytes_of_images(folder: Path, count: int, seed: int, one: One) -> None:
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        suffix = str(rng.choice(list(corpus())))
        files = corpus()[suffix]
        data = files[int(rng.integers(len(files)))]
        path = folder / f"x{suffix}"
        path.write_bytes(data if i % 10 == 0 else spoilt(data, rng))
        if i % 3 == 2:  # as a mask
            one(f"mask {i} {suffix}", lambda path=path: read_mask(path, (24, 32)))
        else:
            one(f"image {i} {suffix}", lambda path=path: (read_image(path), image_size(path)))


LETTERS = st.characters(exclude_characters="/\0", codec="utf-8")
FILE = st.one_of(
    st.text(LETTERS, min_size=1, max_size=40).map(str.encode),
    st.binary(min_size=1, max_size=60).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_")),
).filter(lambda name: name not in (b".", b".."))


def hypothesis(strategy: st.SearchStrategy[Any], count: int, seed: int, use: Callable[[Any], None]) -> None:
    """Call `use` with `count` values."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    options = settings(max_examples=count, database=None, deadline=None, suppress_health_check=slow, phases=[Phase.generate])
    options(seeded(seed)(given(strategy)(use)))()


def names(folder: Path, count: int, seed: int, one: One) -> None:
    """Files and folders of any name below a category, among valid ones."""
    image = encoded(picture(0, (8, 8))[0], "PNG")
    places = st.sampled_from([b"train/good", b"test/good", b"test/dent", b"test", b"ground_truth/dent", b"ground_truth", b""])
    suffixes = st.sampled_from([b"", b".png", b".PNG", b"_mask.png", b".jpg", b".gif", b"/x.png"])
    entries = st.lists(st.tuples(places, FILE, suffixes), min_size=1, max_size=4)
    root = os.fsencode(folder) + b"/plain"

    def use(found: list[tuple[bytes, bytes, bytes]]) -> None:
        shutil.rmtree(root, ignore_errors=True)
        category(folder / "plain", train=2, good=1, bad=1, size=(8, 8))
        for place, name, suffix in found:
            path = root + b"/" + place + b"/" + name + suffix
            with contextlib.suppress(OSError):  # too long, or in the place of another file
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "xb") as file:
                    file.write(image)
        one(repr(found), lambda: verify((read(READER, folder, "plain")).test))

    hypothesis(entries, count, seed, use)


def copy_of_run(folder: Path) -> Path:
    return shutil.copytree(folder.parent / "run", folder / "runs/run", ignore=shutil.ignore_patterns("figures", "heatmaps"))


def tables(runs: Path) -> None:
    """All tables of a report, without its pictures."""
    found = collect([runs])
    groups = group(found)
    curves = [made for g in groups for r in g.runs if (made := curves_of(r, g.name))]
    for make in TABLES:
        list(make(Records(found, groups, curves)))


def files_of(name: str, use: Callable[[Path], Any]) -> Callable[[Path, int, int, One], None]:
    """Spoil the file `name` of a run, then use the run."""

    def kind(folder: Path, count: int, seed: int, one: One) -> None:
        path = copy_of_run(folder)
        data = (path / name).read_bytes()
        for i in range(count):
            (path / name).write_bytes(spoilt(data, np.random.default_rng([seed, i])))
            one(f"{name} {i}", lambda: use(path))

    return kind


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "nan", "inf", "1e999", "-1", "good"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def records(name: str, use: Callable[[Path], Any]) -> Callable[[Path, int, int, One], None]:
    """Replace values and keys of a JSON record, then use the run."""

    def kind(folder: Path, count: int, seed: int, one: One) -> None:
        path = copy_of_run(folder)
        data = json.loads((path / name).read_text())

        def changed(changes: dict[str, Any]) -> None:
            lacking = {key for key, value in changes.items() if value == ""}
            (path / name).write_text(json.dumps({k: v for k, v in (data | changes).items() if k not in lacking}))
            one(f"{name} {changes}", lambda: use(path))

        hypothesis(st.dictionaries(st.sampled_from(sorted(data)), VALUES, min_size=1, max_size=3), count, seed, changed)

    return kind


def rows(name: str, use: Callable[[Path], Any]) -> Callable[[Path, int, int, One], None]:
    """Replace cells, columns and rows of a CSV file, then use the run."""
    cells = st.one_of(st.text(max_size=6), st.sampled_from(["", "nan", "inf", "-1", "1e999", "\0", '"', "good", "9" * 400]))

    def kind(folder: Path, count: int, seed: int, one: One) -> None:
        path = copy_of_run(folder)
        lines = [line.split(",") for line in (path / name).read_text().splitlines()]

        def changed(changes: list[tuple[int, int, str]]) -> None:
            table = [list(line) for line in lines]
            for row, column, cell in changes:
                line = table[row % len(table)]
                line[column % len(line)] = cell
            (path / name).write_text("\n".join(",".join(line) for line in table), encoding="utf-8", errors="surrogatepass")
            one(f"{name} {changes}", lambda: use(path))

        places = st.tuples(
            st.integers(0, 6), st.integers(0, 9), cells.filter(lambda cell: not any("\ud800" <= c <= "\udfff" for c in cell))
        )
        hypothesis(st.lists(places, min_size=1, max_size=4), count, seed, changed)

    return kind


def evaluated(path: Path) -> None:
    """What an evaluation reads of a run before it scores."""
    load(path).data()
    finished_metrics(path)


def reported(path: Path) -> None:
    tables(path.parent)


def keys() -> Iterator[str]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", overrides=["+category=carpet"]))

    def leaves(node: Any, above: str) -> Iterator[str]:
        yield above
        if isinstance(node, dict):
            for key, value in node.items():
                yield from leaves(value, f"{above}.{key}" if above else str(key))

    return (key for key in leaves(config, "") if key)


def overrides(folder: Path, count: int, seed: int, one: One) -> None:
    """Values of any kind for the options of `train`, up to the point where the data would be read."""
    values = st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            [
                "null",
                "-1",
                "1e999",
                "nan",
                "[]",
                "{}",
                "[1,2]",
                "{a:1}",
                "true",
                "${seed}",
                "${nowhere}",
                "???",
                "''",
                "${oc.env:HOME}",
                "a,b",
                "1" * 400,
            ]
        ),
        st.integers().map(str),
        st.floats().map(str),
    )
    named = st.tuples(st.sampled_from(["", "+", "++", "~"]), st.sampled_from(sorted(keys())) | st.text(max_size=8), values)
    given_ = st.lists(named.map(lambda parts: f"{parts[0]}{parts[1]}={parts[2]}"), min_size=1, max_size=2)

    def use(found: list[str]) -> None:
        def command() -> None:
            with initialize_config_dir(str(CONF), version_base="1.3"):
                config = compose("train", overrides=["+category=carpet", *TINY, *prepared(found)])
            check(config)
            OmegaConf.resolve(config)
            datamodule(config)

        one(repr(found), command)

    hypothesis(given_, count, seed, use)


KINDS = (
    Kind("images and masks", 1000, bytes_of_images),
    Kind("names of files and folders", 200, names),
    Kind("best.ckpt", 150, files_of("checkpoints/best.ckpt", evaluated)),
    Kind("config.yaml, evaluate", 150, files_of("config.yaml", evaluated)),
    Kind("levels.csv, evaluate", 100, files_of("levels.csv", evaluated)),
    Kind("metrics.json, evaluate", 50, files_of("metrics.json", evaluated)),
    Kind("config.yaml, report", 100, files_of("config.yaml", reported)),
    Kind("metrics.json, report", 50, files_of("metrics.json", reported)),
    Kind("values of metrics.json, report", 150, records("metrics.json", reported)),
    Kind("levels.csv, report", 100, rows("levels.csv", reported)),
    Kind("scores.csv, report", 100, rows("scores.csv", reported)),
    Kind("metrics.csv, report", 50, files_of("metrics.csv", reported)),
    Kind("command line", 300, overrides),
)

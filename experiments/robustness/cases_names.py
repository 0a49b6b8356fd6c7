"""Cases of names: of categories, folders, files and runs, on the command line and on the disk."""

import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

from cases_images import ALL, EVALUATE, changed
from pictures import category, picture, put
from trial import OWN, TINY, Case, Command, accepted, either, evaluate, every, refused, train

SOURCES = {
    "介绍": "hydra 2891",
    "a=b": "hydra 1577",
    "#1": "hydra 2705",
    "a%b": "hydra 962",
    "a@b": "hydra 1074",
    "date=2026-11-25": "hydra 938",
    "back\\": "hydra 1600",
}
NAMES = (
    "a=b",
    "a,b",
    "with space",
    "(v2)",
    "#1",
    "x[1]",
    "date=2026-11-25",
    "größe",
    "it's",
    "$cash$",
    "0123",
    "null",
    "a&b",  # of the specification
    "介绍",
    "a%b",
    "a@b",
    "back\\",
    "a\\b",
    '"quoted"',
    "{a}",
    "~",
    "dot.",
    " blank ",
    "-dash",
    "true",
    "1e3",
    "a:b",
    "*",
    "??",
    "🔩",
    "a;b|c",
    "a..b",
)
ROOTS = ("größe_root", "Bilder (Kopie)", "date=2026-11-25", "C:\\Bilder", "a,b [x]", "~root", "#1", 'it\'s "here"')


def named(name: str) -> Case:
    """A category of this name is trained. Quotes are Hydra's, and null is no name: these may be refused instead."""
    if name in ("null", '"quoted"'):
        check = either(accepted(category=name, n_test=2), refused("category"))
    else:
        check = accepted(category=name, n_test=2)
    return Case(
        f"names/{name}",
        lambda here: category(here / name, train=3, good=1, bad=1),
        (train(name),),
        "trained" if name not in ("null", '"quoted"') else "trained, or refused",
        check,
        SOURCES.get(name, ""),
    )


def below(name: str) -> Case:
    return Case(name, lambda here: category(here / name / "plain"), (train(root=f"DIR/{name}"),), "trained", accepted(**ALL))


def refused_name(name: str, pattern: str) -> Case:
    return Case(f"name {name!r}", lambda here: category(here / "plain"), (train(name),), "refused", refused(pattern))


def copied(name: str) -> Any:
    """A copy of the run that evaluations score, below a name."""
    return lambda here: shutil.copytree(here.parents[1] / "run", here / name)


ODD = "Läufe, α=1 (neu) [2] #3"
REPORT = Command(
    "report", (f"runs=DIR/{ODD}", f"out=DIR/{ODD}/report", "figures=false", "gallery=none"), output=f"{ODD}/report"
)


def page(ended: Any) -> str:
    """The report's page stands, and counts one finished run."""
    last = ended[-1]
    if last.status or "1 finished runs of 1" not in last.out:
        return f"status {last.status}, or not one finished run"
    return "" if (last.output / "report.html").is_file() else "no report.html"


KEYS = [
    *map(named, NAMES),
    *map(below, ROOTS),
    Case(
        "name with a slash at the end",
        lambda h: category(h / "plain"),
        (train("plain/"),),
        "as without it, or refused",
        either(accepted(category="plain"), refused("category.name is 'plain/'")),
    ),
    refused_name("", "category.name"),
    refused_name(".", "category.name|has no category"),
    refused_name("..", "category.name|has no category"),
    refused_name("nothing", "has no category nothing: set category.name to one of plain"),
    Case(
        "root is the category",
        lambda h: category(h / "plain"),
        (train(root="DIR/plain"),),
        "refused",
        refused("is itself a category"),
    ),
    Case("root with a slash", lambda h: category(h / "plain"), (train(root="DIR/"),), "trained", accepted(**ALL)),
    Case(
        "root is a file",
        lambda h: put(h / "plain", picture()[0], format="PNG"),
        (train(root="DIR/plain"),),
        "refused",
        refused("is not a folder"),
    ),
    Case(
        "mvtec_root",
        lambda h: category(h / ODD / "plain"),
        (Command("train", ("category.name=plain", f"mvtec_root=DIR/{ODD}"), hidden=(*OWN, *TINY, "hydra.run.dir=DIR/out")),),
        "trained",
        accepted(**ALL),
    ),
    Case(
        "cache",
        lambda h: category(h / "plain"),
        (train("plain", f"data.cache.folder=DIR/{ODD}"),),
        "trained",
        every(accepted(**ALL), lambda e: "" if (e[-1].output.parent / ODD).is_dir() else "no cache there"),
    ),
    Case("hydra.run.dir", lambda h: category(h / "plain"), (train(output=ODD),), "trained", accepted(**ALL)),
    Case(
        "multirun",
        lambda h: [category(h / name / "plain", good=good) for name, good in (("a (1)", 2), ("b", 3))],
        (train("plain", "-m", "hydra.sweep.dir=DIR/sweep", root="DIR/a (1),DIR/b"),),
        "two jobs",
        lambda e: "" if "2 jobs, 2 finished" in e[-1].out else "not two jobs",
    ),
    Case("evaluate run=", copied(ODD), (evaluate(run=f"DIR/{ODD}"),), "evaluated", accepted(n_test=8)),
    Case("evaluate out=", lambda h: None, (evaluate(output=ODD),), "evaluated", accepted(n_test=8)),
    Case(
        "evaluate data.root=",
        lambda h: category(h / ODD / "plain", train=0),
        (evaluate(f"data.root=DIR/{ODD}"),),
        "evaluated",
        accepted(n_test=4),
    ),
    Case("report runs=", copied(f"{ODD}/run"), (REPORT,), "reported", page),
]


def _latin1(folder: Path) -> None:
    os.rename(folder / "test/good/000.png", os.fsencode(folder / "test/good") + b"/gr\xf6\xdfe.png")


def _latin1_kind(folder: Path) -> None:
    os.rename(folder / "test/dent", os.fsencode(folder / "test") + b"/besch\xe4digt")
    shutil.rmtree(folder / "ground_truth")


def _ev_latin1(here: Path) -> None:
    put(here / "plain/test/new/x.png", picture()[0])
    os.rename(here / "plain/test/new/x.png", os.fsencode(here / "plain/test/new") + b"/caf\xe9.png")


WRITTEN = r"UTF-8|rename"


def refused_or_written(ended: Any) -> str:
    """One sentence about the name, or every result."""
    return either(refused(WRITTEN), accepted())(ended)


BYTES = [
    Case("latin1", changed(_latin1), (train(),), "refused before the training, or escaped", refused_or_written, "dupeguru 210"),
    Case(
        "latin1_kind",
        changed(_latin1_kind),
        (train(),),
        "refused before the training, or escaped",
        refused_or_written,
        "pandas 22610",
    ),
    Case(
        "ev_latin1",
        _ev_latin1,
        (evaluate("data.root=DIR", "test.save_heatmaps=true"),),
        "refused, or escaped",
        refused_or_written,
    ),
]


def _long(folder: Path) -> None:
    (folder / "test/good/000.png").rename(folder / "test/good" / ("n" * 245 + ".png"))


def _long_cjk(folder: Path) -> None:
    (folder / "test/good/000.png").rename(folder / "test/good" / ("名" * 80 + ".png"))


def _ev_long(here: Path) -> None:
    put(here / "plain/test/new" / ("n" * 245 + ".png"), picture()[0])


HEATMAPS = (evaluate("data.root=DIR", "test.save_heatmaps=true"),)
LONG = [
    Case("long_names", changed(_long), (train("plain", "test.save_heatmaps=true"),), "trained", accepted(**ALL), "minet 851"),
    Case("ev_long", _ev_long, HEATMAPS, "evaluated", accepted(n_test=1)),
    Case("long_cjk", changed(_long_cjk, train=0), HEATMAPS, "evaluated", accepted(n_test=4)),
    Case("long_category", lambda h: category(h / ("c" * 250)), (train("c" * 250),), "trained", accepted(**ALL)),
]


def _forms(here: Path) -> None:
    folder = category(here / "plain", bad=0)
    pixels, mask = picture(1, defect=True)
    put(folder / "test/dent" / f"{unicodedata.normalize('NFC', 'größe')}.png", pixels)
    put(folder / "ground_truth/dent" / f"{unicodedata.normalize('NFD', 'größe')}_mask.png", mask)


def _forms_of_kind(here: Path) -> None:
    folder = category(here / "plain", bad=0)
    pixels, mask = picture(1, defect=True)
    put(folder / f"test/{unicodedata.normalize('NFC', 'löcher')}/0.png", pixels)
    put(folder / f"ground_truth/{unicodedata.normalize('NFD', 'löcher')}/0_mask.png", mask)


def _form_of_category(here: Path) -> None:
    category(here / unicodedata.normalize("NFD", "größe"))


FORMS = [
    Case("unicode_nfd", _forms, (train(),), "one name", accepted(n_test=3, n_unmasked=0), "paperbanana 240"),
    Case("nfd_kind", _forms_of_kind, (train(),), "one name", accepted(n_test=3, n_unmasked=0)),
    Case(
        "nfd_category",
        _form_of_category,
        (train(unicodedata.normalize("NFC", "größe")),),
        "one name, or the names that there are",
        either(accepted(n_test=4), refused("has no category")),
    ),
]


def _odd(folder: Path) -> None:
    (folder / "test/good/000.png").rename(folder / "test/good" / "a$b$ 50% [x] #1 & <b>'q\" ;.png")
    (folder / "test/good/001.png").rename(folder / "test/good" / "new\nline.png")


def _kinds(folder: Path) -> None:
    for name in (" ", "dent.", "a b", "-x", "a=b,c", "<script>"):
        put(folder / "test" / name / "0.png", picture(2, defect=True)[0])


def _circle(folder: Path) -> None:
    (folder / "test/dent/again").symlink_to(folder)


FILES = [
    Case("odd_names", changed(_odd), (train("plain", "test.save_heatmaps=true"),), "trained", accepted(**ALL)),
    Case("odd_kinds", changed(_kinds, mask="", train=0), HEATMAPS, "evaluated", accepted(n_test=10)),
    Case("link_in_a_circle", changed(_circle), (train(),), "trained", accepted(**ALL)),
    Case(
        "link_to_itself",
        changed(lambda f: (f / "test/good/x.png").symlink_to("x.png")),
        (train(),),
        "refused",
        refused("x.png"),
    ),
    Case(
        "foreign_extension",
        changed(lambda f: put(f / "test/dent/notes.txt.png.txt", picture()[0], format="PNG"), train=0),
        EVALUATE,
        "left out",
        accepted(silent="not used", n_test=4),
    ),
]
KINDS = {
    "path-valued keys": KEYS,
    "names that reach UTF-8 writers": BYTES,
    "temporary names longer than final ones": LONG,
    "forms of one name": FORMS,
    "odd names of files and folders": FILES,
}

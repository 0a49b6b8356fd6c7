"""The tables of inputs are complete and all right, and quick cases of many kinds are tried again here."""

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import in_process, train_in_process

pytest.importorskip("tifffile", reason="scikit-image, of the extra `dev`, brings it")

import inputs
import trial
from pictures import category
from trial import Case, Command, Ended, tried

FOLDER = Path(inputs.__file__).parent
TRAINING = inputs.TABLES["table"]
ROW = re.compile(r"^\| (?P<case>.*?) \| .* \| (?P<verdict>[^|]*) \|$")
# what the project was asked to answer: kind of fault → members
ASKED = {
    "gradients from a kernel that leaves memory unwritten": "bf16_convolutions bf16_scan bf16_networks",
    "signals": "SIGTERM@in@training SIGHUP@in@training SIGTERM@in@evaluate Ctrl-C@in@evaluate SIGTERM@in@a@sweep",
    "path-valued keys": "größe_root Bilder@(Kopie) date=2026-11-25 names/a=b names/a,b names/größe names/null names/0123",
    "masks that are not two-valued": "jpeg_mask m_jpg inverted_mask label_mask onebit_bmp_mask miniswhite_mask",
    "spelling of the one magic folder name": "ok_test ok_ko Good_test",
    "images that the scan does not reach": "webp some_webp upper nested_all nested_some flat ev_nested ev_flat ad2 twofolders",
    "input unlike the training's": "resized_0.25 resized_2 resized_4 photos black constant",
    "names that reach UTF-8 writers": "latin1 ev_latin1",
    "temporary names longer than final ones": "long_names ev_long",
    "screens that are not UTF-8": "cp1252 ascii",
    "no home directory": "no@home no@home,@W&B",
    "folders that may not be listed": "mode@000 lost+found@in@the@root",
    "identity by place, though a digest of the content exists": "resume@after@a@move sweep@after@a@move",
    "the user's own environment overruled": "WANDB_MODE=disabled advice@on@wandb@sync",
    "forms of one name": "unicode_nfd",
    "other sets' mask names and partly masked sets": "gt_suffix label_suffix partly_masked masks_and_good_masks",
    "small shared memory in containers": "/dev/shm@of@256@KiB",
    "relative paths after a change of directory": "chdir",
    "a run that has ended, to be trained longer": "init=RUN",
    "odd names of files and folders": "odd_names",
    "small and odd sets": "two oblong",
}
# cases that a few tenths of a second decide: most are refused before a training begins
QUICK = (
    *(
        "ok_test",
        "ok_ko",
        "test/good_2",
        "test/good ",
        "good_and_Good",
        "flat",
        "twofolders",
        "all_gif",
        "ev_flat",
        "test_flat",
    ),
    *(
        "truncated_jpeg",
        "png_header_60000",
        "html_as_jpg",
        "float_tiff",
        "one_image",
        "same_stem",
        "grey_palette",
        "empty_mask",
    ),
    *("mask_of_half_size", "mask_of_turned", "gt_suffix", "two_masks", "name '..'", "root is the category", "latin1"),
    *("best.ckpt is cut off", "best.ckpt holds code", "config.yaml in latin1", "levels.csv is binary", "run= is a file"),
    *("init= without a run", "report of a file", "masks_and_good_masks", "label_mask"),
    *("no such path", "list in UTF-16", "empty file", "bomb of 60,000 × 60,000", "predict: best.ckpt lacks a setting"),
    *("calibrate: best.ckpt names os.system", "export: best.ckpt holds code", "size=0x5", "resume=, inspect", "port=a"),
)


def cases(kinds: inputs.Kinds = TRAINING) -> Iterator[tuple[str, Case]]:
    return ((kind, case) for kind, found in kinds.items() for case in found)


def test_every_row_that_was_asked_for_has_its_cases() -> None:
    for kind, members in ASKED.items():
        known = {case.name for case in TRAINING[kind]}
        assert not [name for member in members.split() if (name := member.replace("@", " ")) not in known], kind


def test_there_are_many_others_and_public_reports_among_them() -> None:
    asked = sum(len(members.split()) for members in ASKED.values())
    found = list(cases())
    assert len(found) > asked + 100
    assert len({case.source for _, case in found if case.source}) >= 40
    assert len({(kind, case.name) for kind, case in found}) == len(found)


def test_a_run_in_use_has_many_cases_for_every_command() -> None:
    found = [case for _, case in cases(inputs.TABLES["in_use"])]
    commands = Counter(case.commands[-1].name for case in found)
    assert commands.keys() == {"predict", "calibrate", "inspect", "export", "app"} and min(commands.values()) >= 15
    assert len(found) >= 200 and len({case.name for case in found}) == len(found)


@pytest.mark.parametrize("name", inputs.TABLES)
def test_the_table_has_every_case_and_all_are_right(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    rows = [match for line in text.splitlines() if (match := ROW.match(line)) and match["case"] not in ("case", "---")]
    verdicts = {row["case"]: row["verdict"] for row in rows}
    assert [row["case"] for row in rows] == [inputs.cell(case.name) for _, case in cases(inputs.TABLES[name])], (
        "the table is older than the cases"
    )
    assert not {case: verdict for case, verdict in verdicts.items() if verdict not in ("yes", "–")}
    for kind in inputs.TABLES[name]:
        assert f"## {kind}\n" in text


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run that evaluations score."""
    folder = tmp_path_factory.mktemp("base")
    category(folder / "data/plain")
    overrides = [
        *trial.OWN,
        *trial.TINY,
        "category.name=plain",
        f"data.root={folder / 'data'}",
        f"hydra.run.dir={folder / 'run'}",
    ]
    assert train_in_process(folder, *trial.OWN, *trial.TINY, *overrides).status == 0
    return folder


def run_here(command: Command, here: Path, base: Path) -> Ended:
    """As `trial.run`, without a process."""
    main = importlib.import_module(f"anomaly_lab.{trial.MODULES[command.name]}").main
    ended = in_process(here / command.cwd, main, command.name, *trial.arguments(command, here, base))
    return Ended(ended.status, ended.out, ended.err, here / command.output, 0)


@pytest.mark.parametrize(
    "case",
    [case for kinds in inputs.TABLES.values() for _, case in cases(kinds) if case.name in QUICK],
    ids=lambda case: case.name,
)
def test_a_quick_case_is_right(
    case: Case, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank_pictures: None
) -> None:
    monkeypatch.setattr(trial, "run", run_here)
    (base / "cases").mkdir(exist_ok=True)
    _, wrong = tried(case, base / "cases" / tmp_path.name, base)
    assert not wrong


def test_a_wrong_case_is_called_wrong(tmp_path: Path) -> None:
    """A check that finds nothing wrong in anything would make a table that is right for nothing."""
    well = Ended(0, "", "", tmp_path, 0)
    refused = Ended(1, "", "error: x is 1: give 2\n", tmp_path, 0)
    trace = Ended(1, "", "Traceback (most recent call last)\nerror: x is 1: give 2\n", tmp_path, 0)
    bug = Ended(1, "", "error: KeyError: x (a wrong option, or a bug: …)\n", tmp_path, 0)
    assert not trial.refused("give 2")([refused])
    for ended in (well, trace, bug):
        assert trial.refused("give 2|KeyError")([ended])
    assert trial.refused("give 3")([refused])
    (tmp_path / "metrics.json").write_text('{"n": 1, "aupro": 0.5}')
    assert not trial.accepted(n=1, aupro=lambda value: value > 0.4)([well])
    assert trial.accepted(n=2)([well]) == "n is 1"
    assert trial.accepted(missing=2)([well]) and trial.accepted()([refused]) and trial.accepted(warns="many")([well])
    assert trial.accepted(silent="many")([Ended(0, "[WARNING] many\n", "", tmp_path, 0)])
    other = Ended(0, "", "", tmp_path / "other", 0)
    assert trial.same("aupro")([well, other]) == "aupro is None, not 0.5"

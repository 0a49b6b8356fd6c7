"""Marks on disk: the last one counts, the folders agree with it, and nothing is lost whatever stops the program."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomaly_lab.app import marks as marks_module
from anomaly_lab.app.decide import Judged
from anomaly_lab.app.marks import DEFECTIVE, NORMAL, Marks, Tally, tally
from anomaly_lab.errors import InUse, Refused, UserError

SOURCE = {"run": "/runs/one", "checkpoint": "c0"}


def judged(folder: Path, name: str, level: float | None = 1.0) -> Judged:
    """An image that is called `name`, with its name as its bytes and digest."""
    path = folder / f"{name}.jpg"
    path.write_text(name)
    return Judged(f"{name}.jpg", path, name, None, score=level, level=level)


def held(out: Path, kind: str) -> list[str]:
    return sorted(path.name for path in (out / kind).iterdir()) if (out / kind).is_dir() else []


def lines(out: Path) -> list[tuple[str, str | None]]:
    rows = [json.loads(line) for line in (out / "marks.jsonl").read_text().splitlines()]
    return [(row["digest"], row["mark"]) for row in rows]


def test_marks_are_kept_and_the_last_one_counts(tmp_path: Path) -> None:
    a, b = judged(tmp_path, "a"), judged(tmp_path, "b")
    out = tmp_path / "out"
    with Marks(out, SOURCE) as marks:
        for image, kind in ((a, NORMAL), (b, NORMAL), (a, DEFECTIVE), (b, None), (a, DEFECTIVE)):
            marks.mark(image, kind)
        assert (marks.of("a"), marks.of("b"), marks.of("c")) == (DEFECTIVE, None, None)
    expected = [("a", NORMAL), ("b", NORMAL), ("a", DEFECTIVE), ("b", None)]
    assert lines(out) == expected, "to say the same again adds nothing"
    assert held(out, NORMAL) == [] and held(out, DEFECTIVE) == ["a.jpg"]
    assert (out / "defective/a.jpg").read_text() == "a"
    with Marks(out, SOURCE) as marks:
        assert marks.of("a") == DEFECTIVE and marks.normal_images() == 0
        marks.mark(b, NORMAL)
        assert marks.normal_images() == 1 == len(held(out, NORMAL))
    assert (out / "marks.csv").read_text().splitlines()[-1].startswith("b,normal,b.jpg,1.0,1.0,b.jpg,20")


def test_a_start_mends_what_a_stop_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop between the line and the files, one before the line, and one within a line."""
    out = tmp_path / "out"
    a, b = judged(tmp_path, "a"), judged(tmp_path, "b")
    with Marks(out, SOURCE) as marks:
        marks.mark(a, NORMAL)
        with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
            stopped.setattr(marks_module.os, "replace", stop_at("out/defective/a.jpg"))
            marks.mark(a, DEFECTIVE)
        with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
            stopped.setattr(marks.journal, "append", stop_at(""))
            marks.mark(b, NORMAL)
    with (out / "marks.jsonl").open("a") as file:
        file.write('{"digest": "c", "ma')
    assert held(out, NORMAL) == ["a.jpg"] and held(out, DEFECTIVE) == [], "the last line is not followed"
    with Marks(out, SOURCE) as marks:
        assert held(out, NORMAL) == [] and held(out, DEFECTIVE) == ["a.jpg"]
        assert (out / "defective/a.jpg").read_text() == "a"
        assert marks.last.keys() == {"a"} and not (out / ".staged").exists()


def stop_at(end: str) -> Callable[..., None]:
    """It stops the program where the last argument ends so, and does its work elsewhere."""
    real = os.replace

    def stopping(*given: Any) -> None:
        if str(given[-1]).endswith(end):
            raise KeyboardInterrupt
        real(*given)

    return stopping


def test_files_that_are_not_the_page_s_stay(tmp_path: Path) -> None:
    """In the folders that the page makes, too."""
    out = tmp_path / "out"
    with Marks(out, SOURCE) as marks:
        marks.mark(judged(tmp_path, "a"), NORMAL)
    own = [out / "normal/mine.png", out / "defective/mine.png", out / "defective/a.png"]
    (out / "defective").mkdir()
    for path in own:
        path.write_text("a user's")
    with Marks(out, SOURCE) as marks:
        marks.mark(judged(tmp_path, "a"), None)
    assert [path.read_text() for path in own] == ["a user's"] * 3 and held(out, NORMAL) == ["mine.png"]


@pytest.mark.parametrize("name", ["normal/1.png", "defective/1.png", "notes.txt", ".uploads/1.png"])
def test_a_folder_that_was_never_the_page_s_is_refused_untouched(tmp_path: Path, name: str) -> None:
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("a user's")
    said = rf"{tmp_path} holds {name.split('/')[0]} and no marks of the page: choose an empty or a new directory with out="
    with pytest.raises(Refused, match=said):
        Marks(tmp_path, SOURCE).__enter__()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [own] and own.read_text() == "a user's"


def test_a_page_that_was_stopped_before_its_record_can_be_started_again(tmp_path: Path) -> None:
    (tmp_path / ".claimed").touch()
    (tmp_path / ".app-x1.part.json").touch()
    with Marks(tmp_path, SOURCE) as marks:
        assert marks.last == {}


def test_a_name_without_an_image_s_suffix_gets_one_that_calibrate_finds(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    with Marks(tmp_path / "out", SOURCE) as marks:
        marks.mark(Judged("x.txt", tmp_path / "x.txt", "d1", None, 1.0, 1.0), NORMAL)
    assert held(tmp_path / "out", NORMAL) == ["d1.png"]


def test_several_users_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    images = [judged(tmp_path, f"i{k}") for k in range(8)]
    with Marks(out, SOURCE) as marks:

        def user(number: int) -> None:
            for k in range(16):
                marks.mark(images[k % 8], (NORMAL, DEFECTIVE)[(k + number) % 2])

        threads = [threading.Thread(target=user, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last = dict(lines(out))
        assert {digest: marks.of(digest) for digest in last} == last
    for kind in (NORMAL, DEFECTIVE):
        assert held(out, kind) == sorted(f"{digest}.jpg" for digest, mark in last.items() if mark == kind)


def test_a_folder_is_for_one_run_and_one_process(tmp_path: Path) -> None:
    with Marks(tmp_path, SOURCE), pytest.raises(InUse), Marks(tmp_path, SOURCE):
        pass
    with pytest.raises(Refused, match=r"marks of another run \(/runs/one\): choose another directory with out="):
        Marks(tmp_path, SOURCE | {"run": "/runs/two"}).__enter__()
    with Marks(tmp_path, SOURCE):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="out="):
        Marks(tmp_path / "file", SOURCE).__enter__()


def test_only_what_was_read_is_marked(tmp_path: Path) -> None:
    with Marks(tmp_path / "out", SOURCE) as marks:
        with pytest.raises(ValueError, match="only an image that was read"):
            marks.mark(Judged("x", tmp_path / "x", "x", "it is empty"), NORMAL)
        with pytest.raises(ValueError, match="normal or defective"):
            marks.mark(judged(tmp_path, "a"), "../../etc")
    assert lines(tmp_path / "out") == []


def test_the_tally_by_hand() -> None:
    rows = [
        *({"mark": NORMAL, "level": level} for level in (0.1, 0.2, 0.5, None)),
        *({"mark": DEFECTIVE, "level": level} for level in (0.2, 0.3, None)),
        {"mark": None, "level": 9.0},
    ]
    assert tally(rows, 0.2) == Tally(passed=3, alarms=1, found=1, missed=2), "0.2 is not above 0.2"
    assert tally(rows, 0.2).right == 4
    assert tally(rows, 1.0) == Tally(4, 0, 0, 3)
    assert tally([], 0.0) == Tally(0, 0, 0, 0)

"""The page in a real browser, served as a user starts it: what is dropped, moved and marked shows, and nothing is loaded from
elsewhere."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Finished, in_process, scores_of

from anomaly_lab.app.decide import Judge
from anomaly_lab.app.marks import Marks
from anomaly_lab.app.visit import PLAIN, slider
from anomaly_lab.calibrate import main as calibrate
from anomaly_lab.calibration.rules import promised
from app.served import Served

# Milliseconds: what is dropped in the instant in which the page shows the images before is lost, faster than any hand does it.
# Why is not known: Gradio's file field is made anew then.
HAND = 500


@pytest.fixture
def opened(browser: Any, served: Served) -> Iterator[Callable[[], Any]]:
    """A function that opens the page as a new visitor. `page.asked` lists its requests, `page.errors` its errors."""
    contexts = []

    def visit() -> Any:
        context = browser.new_context(viewport={"width": 1400, "height": 950})
        contexts.append(context)
        page = context.new_page()
        page.asked, page.errors = [], []
        page.set_default_timeout(60_000)
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{served.port}/")
        page.wait_for_selector("#verdict h2")
        return page

    yield visit
    for context in contexts:
        context.close()


def drop(page: Any, *files: Path) -> None:
    before = page.locator("#strip button").count()
    page.set_input_files("#drop input[type=file]", [str(file) for file in files])
    page.wait_for_function("n => document.querySelectorAll('#strip button').length === n", arg=before + len(files))
    page.wait_for_timeout(HAND)


def says(page: Any, place: str, words: str) -> None:
    """Wait until a place of the page says so."""
    page.wait_for_function(
        "([place, words]) => document.querySelector(place)?.innerText.replace(/\\s+/g, ' ').includes(words)", arg=[place, words]
    )


def move(page: Any, value: float) -> None:
    """Type a threshold beside the slider."""
    page.fill("#threshold input[type=number]", f"{value}")
    page.press("#threshold input[type=number]", "Enter")


def test_a_visit(opened: Any, served: Served, finished: Finished, judge: Judge, images: list[Path], tmp_path: Path) -> None:
    """Drop, look, move the threshold, mark, and set a new threshold with the command that the page shows."""
    page = opened()
    says(page, "#verdict", "No image yet")
    parts = sorted((finished.root / "stripes/train").rglob("*.png"))
    levels = {image: judge.judge(image, "").level or 0.0 for image in [*parts, *images]}
    normal = max((part for part in parts if levels[part] <= judge.threshold), key=levels.__getitem__)
    defect = max((image for image in images if "good" not in image.parts), key=levels.__getitem__)
    t = (slider(judge).low + levels[normal]) / 2
    assert slider(judge).low < t < levels[normal] <= judge.threshold < levels[defect], "a lower threshold calls it defective"
    shutil.copy(defect, tmp_path / "defect.png")
    shutil.copy(normal, tmp_path / "part.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    drop(page, tmp_path / "defect.png", tmp_path / "part.png", tmp_path / "broken.png")

    # the first image, with the score that the run's own test gave it
    rows = {finished.root / "stripes" / row["path"]: row for row in scores_of(finished.directory)}
    says(page, "#verdict", "Defective")
    says(page, "#verdict", f"defect.png: level {float(rows[defect]['level']):.4g} is above the threshold {judge.threshold:.4g}")
    says(page, "#verdict", f"Score {float(rows[defect]['score']):.4g}")
    assert page.get_attribute("#picture img", "src").startswith(f"http://127.0.0.1:{served.port}/gradio_api/file=")
    says(page, "#rate", f"At most {promised(judge.threshold, judge.normal):.1%} of new normal images")
    says(page, "#rate", f"in steps of 1/{len(judge.normal) + 1}")

    # keys: the next one is marked as normal
    page.keyboard.press("ArrowRight")
    says(page, "#verdict", "part.png: level")
    page.keyboard.press("n")
    says(page, "#verdict", "You marked it as normal: right.")
    says(page, "#tally", "1 of 1 marked images")
    page.click("#strip button[data-at='0']")
    says(page, "#verdict", "defect.png: level")
    page.click("#mark-defective")
    says(page, "#tally", "2 of 2 marked images")
    page.click("#strip button[data-at='2']")
    says(page, "#verdict", "broken.png is no complete image file")

    # a lower threshold makes the normal image a false alarm; the reset gives the run's own again
    page.click("#strip button[data-at='1']")
    move(page, round(t, slider(judge).digits))
    says(page, "#tally", "1 of 2 marked images")
    says(page, "#tally", "1 false alarm")
    says(page, "#verdict", "Defective")
    says(page, "#rate", f"At most {promised(t, judge.normal):.1%} of new normal images")
    says(page, "#rate", f"moved; the run's own is {judge.threshold:.4g}")
    page.click("#threshold button[aria-label*='eset']")
    says(page, "#rate", "the run's own threshold")
    says(page, "#tally", "2 of 2 marked images")

    # what is marked is on disk, and calibrate takes it
    held = {kind: list((served.out / kind).iterdir()) for kind in ("normal", "defective")}
    assert [path.read_bytes() for path in held["normal"]] == [normal.read_bytes()]
    assert [path.read_bytes() for path in held["defective"]] == [defect.read_bytes()]
    marks = [json.loads(line) for line in (served.out / "marks.jsonl").read_text().splitlines()]
    assert [(row["name"], row["mark"]) for row in marks] == [("part.png", "normal"), ("defect.png", "defective")]
    python, m, module, *arguments = shlex.split(page.inner_text("#command .cm-content"))
    assert (python, m, module) == ("python", "-m", "anomaly_lab.calibrate")
    ended = in_process(tmp_path, calibrate, "calibrate", *arguments)
    assert ended.status == 0 and "from 1 normal images" in ended.out, ended.err

    # another visitor has no images, but sees the marks; an image that is dropped again has its mark
    other = opened()
    says(other, "#tally", "2 of 2 marked images")
    assert other.locator("#strip button").count() == 0
    drop(other, normal)
    says(other, "#verdict", "You marked it as normal")
    other.keyboard.press("u")
    says(other, "#tally", "1 of 1 marked images")
    assert not list((served.out / "normal").iterdir())

    for each in (page, other):
        own = f"http://127.0.0.1:{served.port}/"
        assert not [url for url in each.asked if not url.startswith((own, "data:", "blob:"))], "nothing comes from elsewhere"
        assert each.errors == []


def test_a_name_that_would_be_script_is_only_a_name(opened: Any, images: list[Path], tmp_path: Path) -> None:
    page = opened()
    for name in ("<img src=x onerror=document.title='evil'>.png", "${document.title='evil'}{{7*7}}.png", "&lt;b&gt; ' \".png"):
        shutil.copy(images[0], tmp_path / name)
        drop(page, tmp_path / name)
    says(page, "#strip", ".png")
    assert page.title() != "evil" and page.locator("#strip img[src=x], #verdict img, #strip .name *").count() == 0
    assert "49" not in page.inner_text("#strip .name >> nth=1")
    assert [error for error in page.errors if "evil" in error] == []


def test_a_grey_image_of_sixteen_bits_is_shown(opened: Any, tmp_path: Path) -> None:
    page = opened()
    cv2.imwrite(str(tmp_path / "deep.png"), np.random.default_rng(0).integers(0, 65535, (48, 64), np.uint16))
    drop(page, tmp_path / "deep.png")
    says(page, "#verdict", "deep.png: level")
    says(page, "#verdict", "64 × 48 pixels")
    page.click("#what label >> nth=1")
    page.wait_for_function("() => document.querySelector('#picture img')?.naturalWidth === 64")


def test_controls_have_names_and_fit_a_narrow_screen(opened: Any) -> None:
    page = opened()
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 440
    for button in page.locator("#actions button").all():
        assert button.inner_text().strip()
    assert re.search(r"levels of \d+ held-out normal images", page.get_attribute("svg.histogram", "aria-label"))


def test_a_full_disk_is_said_at_once(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio could not write the picture, and would only say "Error"."""
    gradio = pytest.importorskip("gradio", reason="the extra `app` is not installed")
    from anomaly_lab.app.page import ROOM, Page

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=ROOM - 1))
    with Marks(tmp_path / "<out>", {}) as marks, pytest.raises(gradio.Error, match=r"/&lt;out&gt; has no room .*: free 16 MiB"):
        Page(judge, marks, tmp_path).shown([], 0, None, PLAIN)

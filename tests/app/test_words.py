"""What the page says is true, and no name becomes a part of the page."""

import re
import shlex
from pathlib import Path

import pytest

from anomaly_lab.app import words
from anomaly_lab.app.decide import Judged
from anomaly_lab.app.marks import Tally
from anomaly_lab.calibrate import parse

SCRIPT = '"><img src=x onerror=alert(1)><script>alert(1)</script>.png'
PLAIN = Judged("a.png", Path("/in/a.png"), "d", None, 2.5, 2.0, 0.1, 64, 48)


def bare(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))


def test_the_verdict_follows_the_level() -> None:
    defect = {"box": [0, 0, 1, 1]}
    said = bare(words.verdict(PLAIN, 1.5, [defect, defect], None))
    assert said.startswith("Defective · 2 defects") and "level 2 is above the threshold 1.5" in said
    assert "at most 10.0% of new normal images have a level as high" in said and "48 × 64 pixels" in said
    said = bare(words.verdict(PLAIN, 2.0, [], None))
    assert said.startswith("Normal") and "level 2 is not above the threshold 2" in said


@pytest.mark.parametrize(
    ("threshold", "mark", "agrees"), [(1, "defective", 1), (1, "normal", 0), (3, "defective", 0), (3, "normal", 1)]
)
def test_the_verdict_says_whether_the_mark_agrees(threshold: float, mark: str, agrees: int) -> None:
    assert f"You marked it as {mark}: {('wrong', 'right')[agrees]}." in bare(words.verdict(PLAIN, threshold, [], mark))


def test_what_little_a_decision_says_is_said() -> None:
    odd = words.verdict(PLAIN._replace(unlike=("size", "color")), 1, [], None)
    assert "Unlike the training images in size, color: the decision says little" in odd
    assert "fewer pixels than the smallest defect" in words.verdict(PLAIN._replace(level=None, p_value=None), 1, [], None)


def test_names_are_no_part_of_the_page() -> None:
    unread = Judged(SCRIPT, Path("/in/x"), "d", f"{SCRIPT} is empty")
    strip = words.strip([(PLAIN._replace(name=SCRIPT), Path(f"/t/{SCRIPT}"), None), (unread, Path("/t/x"), None)], 0, 1)
    pages = [strip, words.heading(SCRIPT, Path(SCRIPT)), words.welcome(SCRIPT)]
    pages += [words.verdict(each, 1, [], None) for each in (PLAIN._replace(name=SCRIPT), unread)]
    for page in pages:
        assert "<script" not in page and "<img src=x" not in page and '">&lt;' not in page.replace('="">', "")
        assert "&lt;script&gt;" in page


def test_the_strip_shows_decision_and_mark() -> None:
    strip = words.strip([(PLAIN, Path("/t/ä b.png"), "normal"), (PLAIN._replace(level=0.5), Path("/t/c.png"), "normal")], 1, 1)
    first, second = re.findall(r"<button.*?</button>", strip)
    assert 'class="defective" data-at="0" aria-pressed="false"' in first and "defective ✗" in bare(first)
    assert 'class="normal" data-at="1" aria-pressed="true"' in second and "normal ✓" in bare(second)
    assert 'src="/gradio_api/file=/t/%C3%A4%20b.png"' in first


def test_the_rate_is_a_rank_and_its_resolution_is_said() -> None:
    normal = [1.0, 2.0, 3.0, 4.0]
    said = bare(words.rate(2.5, 4.0, normal))
    assert "At most 60.0% of new normal images are called defective (moved; the run's own is 4)" in said
    assert "2 of 4 held-out normal images lie above it: (2 + 1) / (4 + 1)" in said and "steps of 1/5 = 20.0%" in said
    assert "At most 20.0%" in words.rate(4.0, 4.0, normal).replace("<b>", "").replace("</b>", "")
    assert "unknown" in words.rate(4.0, 4.0, [])


def test_the_tally_counts() -> None:
    said = bare(words.tallied(Tally(3, 1, 1, 2)))
    assert "4 of 7 marked images" in said and "1 false alarm<" not in said and "1 false alarm" in said and "2 missed" in said
    assert "No image is marked yet" in words.tallied(Tally(0, 0, 0, 0))


def test_the_command_is_one_that_calibrate_takes(tmp_path: Path) -> None:
    run, out = tmp_path / "a run; rm -rf $HOME", tmp_path / "it's out"
    (out / "calibrated_1").mkdir(parents=True)
    said, command = words.calibration(run, out, 3)
    assert said.startswith("3 images are marked as normal")
    python, m, module, *arguments = shlex.split(command)
    assert (python, m, module) == ("python", "-m", "anomaly_lab.calibrate")
    options = parse(arguments)
    assert (options.run, options.images, options.out) == (run, str(out / "normal"), out / "calibrated_2")
    assert "None is marked yet" in words.calibration(run, out, 0)[0] and "1 image is" in words.calibration(run, out, 1)[0]

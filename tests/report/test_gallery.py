"""The page's gallery in a real browser: its counts follow from the decision rule at every threshold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_lab.calibration.levels import detect
from anomaly_lab.report.page import write_page
from anomaly_lab.report.tables.table import number
from report.made_up import COUNTS, MIN_AREA, THRESHOLD, made_up, opened

EVERY_STOP = """(slider, ids) => [...Array(Number(slider.max) + 1).keys()].map((v) => {
  slider.value = v;
  slider.dispatchEvent(new Event("input"));
  return ids.map((id) => document.getElementById(id).textContent);
})"""
FIFTY_STEPS = """(slider) => {
  for (let i = 0; i < 50; i++) {
    slider.value = 5 * i;
    slider.dispatchEvent(new Event("input"));
  }
}"""
WHITE = """(canvas) => {
  const rgba = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return rgba.filter((v, i) => i % 4 === 0 && v === 255).length;
}"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[np.ndarray]]:
    """A page with two galleries, the payload of the first one, and its heatmaps."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    first, maps = made_up(48, "carpet")
    second, _ = made_up(9, "wood", seed=1)
    write_page(path, "a report", [], [], [first, second], [])
    return path, first, maps


def counted(images: list[dict[str, Any]], maps: list[np.ndarray], t: float) -> dict[str, int]:
    """The counts by the decision rule itself: is a component of at least MIN_AREA pixels in {h > t}?"""
    found = dict.fromkeys(COUNTS, 0)
    for image, h in zip(images, maps, strict=True):
        predicted = bool(detect(h, t, MIN_AREA).any())
        found[("tp" if predicted else "fn") if image["label"] else ("fp" if predicted else "tn")] += 1
    return found


def shown(page: Any) -> dict[str, int]:
    return {name: int(page.text_content(f"#{name}")) for name in COUNTS}


def slide(page: Any, position: int) -> None:
    page.eval_on_selector("#threshold", "(s, v) => { s.value = v; s.dispatchEvent(new Event('input')); }", str(position))


def test_the_counts_follow_from_the_decision_rule_at_every_stop_of_the_slider(browser: Any, made: Any) -> None:
    path, payload, maps = made
    page = opened(browser, path)
    assert len(payload["stops"]) > 100
    texts = page.eval_on_selector("#threshold", EVERY_STOP, [*COUNTS, "tpr", "tnr", "mean", "f1"])
    seen = set()
    for stop, text in zip(payload["stops"], texts, strict=True):
        t = stop["threshold"]
        expected = counted(payload["images"], maps, t)
        tp, fn, fp, tn = (expected[name] for name in COUNTS)
        seen.add((tp, fn, fp, tn))
        tpr, tnr, f1 = tp / (tp + fn), 1 - fp / (tn + fp), 2 * tp / (2 * tp + fp + fn) if 2 * tp + fp + fn else None
        printed = [number(x) for x in (tpr, tnr, (tpr + tnr) / 2, f1)]
        assert text == [*map(str, (tp, fn, fp, tn)), *printed], t
    assert len(seen) > 30, "the slider changes something"
    assert {fp for _, _, fp, tn in seen} >= {1, 3}, "of 16 normal images: ties, which JavaScript would round up"
    page.click("#reset")
    assert shown(page) == counted(payload["images"], maps, THRESHOLD)
    assert "the run's own" in page.text_content("#value")
    assert page.errors == []


def test_masks_follow_the_threshold_and_are_empty_for_a_normal_image(browser: Any, made: Any) -> None:
    path, payload, maps = made
    page = opened(browser, path)
    page.wait_for_selector(".card canvas[aria-label=mask][width='24']")
    areas = []
    at = [stop["threshold"] for stop in payload["stops"]]
    for t in (at[3], THRESHOLD, at[-1]):
        slide(page, at.index(t))
        drawn = page.eval_on_selector(".card canvas[aria-label=mask]", WHITE)
        expected = int(detect(maps[0], t, MIN_AREA).sum())
        assert abs(drawn - expected) <= 0.1 * expected, "up to the 255 levels of a thumbnail"
        areas.append(drawn)
    assert areas[0] > areas[-1] == 0


def test_filters_follow_the_threshold(browser: Any, made: Any) -> None:
    path, payload, maps = made
    page = opened(browser, path)

    def visible() -> list[str]:
        return page.eval_on_selector_all(".card:not([hidden]) h3", "heads => heads.map(head => head.textContent)")

    assert len(visible()) == 48
    page.select_option("#defect", "hole")
    assert len(visible()) == 16 and all("test/hole/" in title for title in visible())
    page.select_option("#outcome", "miss")
    holes = [(im, h) for im, h in zip(payload["images"], maps, strict=True) if im["defect"] == "hole"]
    expected = [im["path"] for im, h in holes if not detect(h, THRESHOLD, MIN_AREA).any()]
    assert sorted(title.removeprefix("miss") for title in visible()) == sorted(expected)
    slide(page, len(payload["stops"]) - 1)
    assert len(visible()) == 16, "at the highest threshold every hole is missed"
    assert page.text_content("#shown") == "16 of 48 images shown"
    page.select_option("#outcome", "hit")
    assert visible() == []
    page.select_option("#category", "wood (synthetic)")
    page.select_option("#outcome", "")
    assert len(visible()) == 9, "another category's images, with all kinds"
    assert page.errors == []


def test_the_keyboard_reaches_everything(browser: Any, made: Any) -> None:
    path, payload, _ = made
    page = opened(browser, path)
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    for control in ("category", "run", "defect", "outcome", "threshold", "reset"):
        assert control in reached
    page.focus("#threshold")
    before = page.input_value("#threshold")
    page.keyboard.press("ArrowRight")
    assert int(page.input_value("#threshold")) == int(before) + 1
    assert page.get_attribute("#threshold", "aria-valuetext").startswith(
        f"{payload['stops'][int(before) + 1]['threshold']:.4g}"[:4]
    )
    page.keyboard.press("Home")
    assert shown(page)["fn"] == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_controls_are_large_enough_for_a_finger(browser: Any, made: Any, width: int) -> None:
    page = opened(browser, made[0], width=width, height=800)
    small = "els => els.filter(e => e.getBoundingClientRect().height < 24).map(e => e.id)"
    assert page.eval_on_selector_all("#controls select, #controls button, #controls input", small) == []


def test_five_hundred_images_stay_quick(browser: Any, tmp_path: Path) -> None:
    payload, _ = made_up(500, "carpet")
    write_page(tmp_path / "report.html", "many", [], [], [payload], [])
    page = opened(browser, tmp_path)
    measure = page.context.new_cdp_session(page)
    measure.send("Performance.enable", {"timeDomain": "threadTicks"})  # the page's own time, however busy the machine is

    def spent() -> float:
        return {m["name"]: m["value"] for m in measure.send("Performance.getMetrics")["metrics"]}["TaskDuration"]

    page.goto((tmp_path / "report.html").as_uri())
    assert page.text_content("#shown") == "500 of 500 images shown"
    page.wait_for_selector(".card canvas")
    assert spent() < 3, "seconds to load; some tenths are usual"
    drawn = page.eval_on_selector_all(".card canvas", "c => c.length / 2")
    assert drawn < 100, "only what is near the screen is drawn"
    before = spent()
    page.eval_on_selector("#threshold", FIFTY_STEPS)
    assert (spent() - before) / 50 < 0.1, "seconds a step of the slider; some hundredths are usual"
    page.eval_on_selector(".card:last-child", "card => card.scrollIntoView()")
    page.wait_for_selector(".card:last-child canvas[aria-label=mask]")
    assert page.errors == []

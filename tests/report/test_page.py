"""The page in a real browser: its counts are Python's at every threshold; sorting, filters, keyboard, speed."""

import base64
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Finished

from anomaly_lab.calibration.levels import detect
from anomaly_lab.report.make import Report
from anomaly_lab.report.page import embedded, inlined, sort_value, write_page
from anomaly_lab.report.pictures.picture import Picture
from anomaly_lab.report.pictures.thumbnails import decisions, flip, quantised
from anomaly_lab.report.tables.table import Cell, Table, measured, number, plain

THRESHOLD, MIN_AREA, SIDE = 0.3, 5, 24
COUNTS = ("tp", "fn", "fp", "tn")


def opened(browser: Any, path: Path, **size: int) -> Any:
    """The page from disk, offline; any error in it fails the test."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900} | size)
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.errors.append(request.url) if request.url.startswith("http") else None)
    if path.is_file():
        page.goto(path.as_uri())
    return page


def heatmaps(count: int, seed: int = 0) -> list[np.ndarray]:
    """Noise with one blob each, of different heights and sizes; some blobs are smaller than MIN_AREA."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        h = rng.random((SIDE, SIDE), dtype=np.float32) * np.float32(0.1)
        top, left, side = *rng.integers(0, SIDE - 6, 2), int(rng.integers(1, 6))
        h[top : top + side, left : left + side] += np.float32(rng.uniform(0, 1))
        found.append(h)
    return found


def made_up(count: int, category: str, seed: int = 0) -> tuple[dict[str, Any], list[np.ndarray]]:
    """A gallery's payload and its heatmaps, without any network."""

    def encoded(pixels: np.ndarray, suffix: str = ".png") -> str:
        return base64.b64encode(cv2.imencode(suffix, pixels)[1].tobytes()).decode()

    maps, images = heatmaps(count, seed), []
    top = float(max(h.max() for h in maps))
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    for i, h in enumerate(maps):
        defect = ("good", "hole", "stain")[i % 3]
        images.append({
            "path": f"test/{defect}/{i:03d}.png", "defect": defect, "label": int(defect != "good"), "score": float(h.max()),
            "flip": flip(h, MIN_AREA), "shrunk": 1.0, "input": encoded(grey, ".jpg"), "reconstruction": encoded(grey, ".jpg"),
            "truth": encoded(grey[..., 0]) if i % 2 else None, "heatmap": encoded(quantised(h, top)),
        })  # fmt: skip
    payload = {
        "data": "synthetic", "category": category, "setting": "restore λ=0.5", "seed": 0, "threshold": THRESHOLD,
        "minArea": MIN_AREA, "top": top, "range": 1e4, "stops": decisions(images, THRESHOLD),
        "images": images, "changed": 0,
    }  # fmt: skip
    return payload, maps


def counted(images: list[dict[str, Any]], maps: list[np.ndarray], t: float) -> dict[str, int]:
    """By the decision rule itself: any pixel left of {h > t} without small components."""
    found = dict.fromkeys(COUNTS, 0)
    for image, h in zip(images, maps, strict=True):
        predicted = bool(detect(h, t, MIN_AREA).any())
        found[("tp" if predicted else "fn") if image["label"] else ("fp" if predicted else "tn")] += 1
    return found


def shown(page: Any) -> dict[str, int]:
    return {name: int(page.text_content(f"#{name}")) for name in COUNTS}


def slide(page: Any, position: int) -> None:
    page.eval_on_selector("#threshold", "(s, v) => { s.value = v; s.dispatchEvent(new Event('input')); }", str(position))


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
VALUES = {"b": 0.5, "a": None, "d": -0.25, "c": 0.4996, "é": 10.0}
ROWS = [[plain(name), measured(value)] for name, value in VALUES.items()]
TABLE = Table("numbers", "Numbers & <names>", ["name", "value"], ROWS)

FOLDED = Table("long", "A long table", ["name", "value"], 400 * ROWS, ["what it says"], folded=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[np.ndarray]]:
    path = tmp_path_factory.mktemp("page") / "report.html"
    first, maps = made_up(48, "carpet")
    second, _ = made_up(9, "wood", seed=1)
    write_page(path, "A <report>", [TABLE, FOLDED], [], [first, second], ["a note & more"])
    return path, first, maps


def test_the_counts_are_pythons_at_every_stop_of_the_slider(browser: Any, made: Any) -> None:
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


def test_masks_are_drawn_anew_and_empty_where_the_image_counts_as_normal(browser: Any, made: Any) -> None:
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


def test_filters_show_what_fits_and_follow_the_threshold(browser: Any, made: Any) -> None:
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


def test_tables_sort_by_number_or_name_with_gaps_last(browser: Any, made: Any) -> None:
    page = opened(browser, made[0])

    def names() -> list[str]:
        return page.eval_on_selector_all("#table-numbers tbody tr", "rows => rows.map(r => r.cells[0].textContent)")

    value, name = (page.locator("#table-numbers th button").nth(i) for i in (1, 0))
    value.click()
    assert names() == ["d", "c", "b", "é", "a"], "by the full number: 0.4996 before 0.5"
    value.click()
    assert names() == ["é", "b", "c", "d", "a"]
    assert page.get_attribute("#table-numbers th:nth-child(2)", "aria-sort") == "descending"
    name.focus()
    page.keyboard.press("Enter")
    assert names() == ["a", "b", "c", "d", "é"]
    assert page.get_attribute("#table-numbers th:nth-child(2)", "aria-sort") is None


def test_a_long_table_is_folded_and_its_links_open_it(browser: Any, made: Any) -> None:
    page = opened(browser, made[0])
    table, summary = page.locator("#table-long table"), page.locator("#table-long summary")
    link = page.locator('nav a[href="#table-long"]')
    assert not table.is_visible() and page.locator("#table-long h2").is_visible()
    assert page.locator("#table-long .caption").is_visible(), "what it says is read before it is opened"
    assert summary.text_content() == "2000 rows"
    page.click("nav summary")
    for _ in range(2):  # the second time the address stays the same
        link.click()
        assert table.is_visible()
        assert page.evaluate("document.querySelector('#table-long').getBoundingClientRect().top") == pytest.approx(0, abs=2)
        summary.click()
        assert not table.is_visible()
    assert page.locator("#table-numbers details").count() == 0, "short ones are not folded"
    page.goto(made[0].as_uri() + "#nowhere")
    page.goto(made[0].as_uri() + "#table-long")
    assert table.is_visible(), "and so does its address"
    page.reload()
    assert table.is_visible()
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
def test_the_page_fits_phones_and_desks(browser: Any, made: Any, width: int) -> None:
    page = opened(browser, made[0], width=width, height=800)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "wide tables scroll inside themselves"
    small = "els => els.filter(e => e.getBoundingClientRect().height < 24).map(e => e.id)"
    assert page.eval_on_selector_all("#controls select, #controls button, #controls input", small) == []


def test_texts_are_escaped(browser: Any, made: Any) -> None:
    page = opened(browser, made[0])
    assert page.title() == "A <report>"
    assert page.text_content("#table-numbers h2") == "Numbers & <names>"
    assert page.text_content(".notes li") == "a note & more"


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


# ---- without a browser


def test_nothing_in_embedded_json_ends_its_element() -> None:
    text = embedded({"a": "</script><!--"})
    assert "<" not in text and json.loads(text) == {"a": "</script><!--"}


def test_columns_are_sorted_by_the_full_number() -> None:
    assert [sort_value(cell) for cell in (measured(1 / 3), plain(None), plain("a"), Cell("3 of 4", (3,)))] == [
        repr(1 / 3), "", "a", "3",
    ]  # fmt: skip


def test_the_smaller_form_of_a_picture_is_embedded_and_large_ones_as_jpeg(tmp_path: Path) -> None:
    small = Picture("small", "", tmp_path)
    small.svg.write_bytes(b"<svg/>")
    small.png.write_bytes(b"much larger than the other")
    assert inlined(small) == "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode()
    large = Picture("large", "", tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    cv2.imwrite(str(large.png), noise)
    large.svg.write_bytes(large.png.read_bytes() + b"x")
    assert inlined(large).startswith("data:image/jpeg;base64,")


# ---- from a run


def test_page_tables_and_metrics_json_agree_to_the_last_printed_digit(
    browser: Any, reported: Report, finished: Finished
) -> None:
    metrics = json.loads((finished.directory / "metrics.json").read_text())
    page = opened(browser, reported.out / "report.html")
    for name, metric in {"tpr": "tpr", "tnr": "tnr", "mean": "tpr_tnr_mean", "f1": "image_f1"}.items():
        assert page.text_content(f"#{name}") == number(metrics[metric]), name
    rows = list(csv.DictReader(io.StringIO((finished.directory / "scores.csv").read_text())))
    outcomes = {
        c.get_attribute("data-i"): c.query_selector(".outcome").text_content() for c in page.query_selector_all(".card")
    }
    said = {("1", "1"): "hit", ("1", "0"): "miss", ("0", "1"): "false alarm", ("0", "0"): "correct rejection"}
    assert [outcomes[str(i)] for i in range(len(rows))] == [said[row["label"], row["predicted"]] for row in rows]
    labels = {"image AUROC": "image_auroc", "pixel AUROC": "pixel_auroc", "pixel AP": "pixel_ap", "AUPRO": "aupro"}
    labels |= {"mean of TPR and TNR": "tpr_tnr_mean", "image F1": "image_f1", "pixel F1": "pixel_f1"}
    for stem in ("results", "runs"):
        heads = [h.text_content().strip() for h in page.query_selector_all(f"#table-{stem} th")]
        cells = [c.text_content().strip() for c in page.query_selector_all(f"#table-{stem} tbody tr:first-child td")]
        written = (reported.out / f"tables/{stem}.md").read_text()
        read = next(csv.DictReader(io.StringIO((reported.out / f"tables/{stem}.csv").read_text())))
        for label, metric in labels.items():
            assert cells[heads.index(label)] == number(metrics[metric])
            assert f"| {number(metrics[metric])} |" in written
            assert float(read[label]) == metrics[metric]
    assert "in MVTec's layout, not MVTec AD" in page.text_content("#about")
    assert page.errors == []


def test_every_image_of_the_page_is_in_it(reported: Report) -> None:
    text = (reported.out / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', text) == []
    assert "http://" not in re.sub(r"http://www\.w3\.org", "", text) and "https://" not in text

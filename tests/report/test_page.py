"""The page in a real browser: what it counts is what Python counts, at every threshold; sorting, filters, keyboard, speed.

Needs Playwright (the extra `dev`) and a Chromium of the system (Debian: apt-get install chromium).
"""

import base64
import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Finished

from anomaly_lab.calibration.levels import detect
from anomaly_lab.report.make import Options, Report, build_report
from anomaly_lab.report.page import write_page
from anomaly_lab.report.pictures import paper_figures, plots
from anomaly_lab.report.pictures.thumbnails import flip, quantised, stops
from anomaly_lab.report.tables.table import Table, measured, number, plain
from anomaly_lab.show import figures

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
THRESHOLD, MIN_AREA, SIDE = 0.3, 5, 24
COUNTS = ("tp", "fn", "fp", "tn")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    if BROWSER is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # as root, as in containers, Chromium refuses to start with its sandbox
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=BROWSER, args=sandbox)
        yield browser
        browser.close()


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
        "minArea": MIN_AREA, "top": top, "range": 1e4, "stops": stops([im["flip"] for im in images], THRESHOLD),
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
    first, maps = made_up(60, "carpet")
    second, _ = made_up(9, "wood", seed=1)
    write_page(path, "A <report>", [TABLE, FOLDED], [], [first, second], ["a note & more"])
    return path, first, maps


def test_the_counts_are_pythons_at_every_stop_of_the_slider(browser: Any, made: Any) -> None:
    path, payload, maps = made
    page = opened(browser, path)
    assert len(payload["stops"]) > 100
    texts = page.eval_on_selector("#threshold", EVERY_STOP, [*COUNTS, "tpr", "tnr", "mean", "f1"])
    seen = set()
    for t, text in zip(payload["stops"], texts, strict=True):
        expected = counted(payload["images"], maps, t)
        tp, fn, fp, tn = (expected[name] for name in COUNTS)
        seen.add((tp, fn, fp, tn))
        tpr, tnr, f1 = tp / (tp + fn), 1 - fp / (tn + fp), 2 * tp / (2 * tp + fp + fn) if 2 * tp + fp + fn else None
        printed = [number(x) for x in (tpr, tnr, (tpr + tnr) / 2, f1)]
        assert text == [*map(str, (tp, fn, fp, tn)), *printed], t
    assert len(seen) > 30, "the slider changes something"
    page.click("#reset")
    assert shown(page) == counted(payload["images"], maps, THRESHOLD)
    assert "the run's own" in page.text_content("#value")
    assert page.errors == []


def test_numbers_are_rounded_as_python_rounds_them(browser: Any, made: Any) -> None:
    """Ties, which JavaScript would round up: 13 of 16 normal images is a common one on the embedded data."""
    page = opened(browser, made[0])
    values = [k / n for n in (1, 3, 7, 12, 16, 32, 37, 80) for k in range(n + 1)]
    assert page.evaluate("values => values.map(fixed)", values) == [number(v) for v in values]
    assert page.evaluate("fixed(null)") == number(None)


def test_masks_are_drawn_anew_and_empty_where_the_image_counts_as_normal(browser: Any, made: Any) -> None:
    path, payload, maps = made
    page = opened(browser, path)
    page.wait_for_selector(".card canvas[aria-label=mask][width='24']")
    areas = []
    for t in (payload["stops"][3], THRESHOLD, payload["stops"][-1]):
        slide(page, payload["stops"].index(t))
        drawn = page.eval_on_selector(".card canvas[aria-label=mask]", WHITE)
        expected = int(detect(maps[0], t, MIN_AREA).sum())
        assert abs(drawn - expected) <= 0.1 * expected, "but for the thumbnail's 255 levels"
        areas.append(drawn)
    assert areas[0] > areas[-1] == 0


def test_filters_show_what_fits_and_follow_the_threshold(browser: Any, made: Any) -> None:
    path, payload, maps = made
    page = opened(browser, path)

    def visible() -> list[str]:
        return page.eval_on_selector_all(".card:not([hidden]) h3", "heads => heads.map(head => head.textContent)")

    assert len(visible()) == 60
    page.select_option("#defect", "hole")
    assert len(visible()) == 20 and all("test/hole/" in title for title in visible())
    page.select_option("#outcome", "miss")
    holes = [(im, h) for im, h in zip(payload["images"], maps, strict=True) if im["defect"] == "hole"]
    expected = [im["path"] for im, h in holes if not detect(h, THRESHOLD, MIN_AREA).any()]
    assert sorted(title.removeprefix("miss") for title in visible()) == sorted(expected)
    slide(page, len(payload["stops"]) - 1)
    assert len(visible()) == 20, "at the highest threshold every hole is missed"
    assert page.text_content("#shown") == "20 of 60 images shown"
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
    assert page.get_attribute("#threshold", "aria-valuetext").startswith(f"{payload['stops'][int(before) + 1]:.4g}"[:4])
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


# ---- from a run


@pytest.fixture(scope="module")
def reported(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a run, and of a copy of it that says it had objective (3): what the figures compare."""
    folder = tmp_path_factory.mktemp("report")
    for name, objective in (("one", "restore"), ("other", "amplify")):
        shutil.copytree(finished.directory, folder / name)
        for record in ("metrics.json", "config.yaml"):
            text = (folder / name / record).read_text()
            (folder / name / record).write_text(text.replace("restore", objective))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "analysis_plots", lambda *args: [])  # tested elsewhere, and pictures take time
        patch.setattr(paper_figures, "ROWS", 2)
        patch.setattr(figures, "DPI", 50)
        return build_report(Options([folder], folder / "report", "all", figures=True))


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


def test_curves_over_a_min_agree_with_the_run_at_its_own_value(reported: Report, finished: Finished) -> None:
    metrics: Mapping[str, Any] = json.loads((finished.directory / "metrics.json").read_text())
    (table,) = (t for t in reported.tables if t.name == "min_area")
    assert [t.name for t in reported.tables if t.folded] == ["min_area", "alpha"]
    own = [dict(zip(table.columns, row, strict=True)) for row in table.rows if row[-1].text == "the run's own"]
    assert len(own) == len(reported.groups) == 2
    assert own[0]["a_min (px)"].values == (metrics["min_area"],)
    assert own[0]["threshold"].values[0] == pytest.approx(metrics["threshold"], rel=1e-6)
    for label, metric in {"TPR": "tpr", "TNR": "tnr", "image F1": "image_f1"}.items():
        assert own[0][label].text == number(metrics[metric])


def test_the_papers_figures_are_drawn_from_a_run_and_carry_its_data_s_name(reported: Report) -> None:
    names = {path.stem for path in (reported.out / "figures").glob("*.png")}
    assert names == {path.stem for path in (reported.out / "figures").glob("*.svg")}
    for start in ("figure1_7", "figure2_4", "figure3", "figure5", "figure6"):
        (path,) = (reported.out / "figures").glob(f"{start}_*.svg")
        assert re.search(r"not MVTec AD", path.read_text()), "real images are never shown without their source"
        assert "stripes" in path.read_text()


def test_every_image_of_the_page_is_in_it(reported: Report) -> None:
    text = (reported.out / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', text) == []
    assert "http://" not in re.sub(r"http://www\.w3\.org", "", text) and "https://" not in text


def test_missing_checkpoints_and_images_are_said_and_cost_nothing_else(tmp_path: Path, finished: Finished) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.directory, run, ignore=shutil.ignore_patterns("checkpoints", "heatmaps", "truth"))
    report = build_report(Options([run], tmp_path / "a", figures=False))
    assert any("best.ckpt is missing" in note for note in report.notes)
    assert (tmp_path / "a/tables/results.md").is_file()
    shutil.copytree(finished.directory / "checkpoints", run / "checkpoints")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(finished.root), str(tmp_path / "gone")))
    report = build_report(Options([run], tmp_path / "b", figures=False))
    assert any("gone is not a folder" in note for note in report.notes)
    (run / "checkpoints/best.ckpt").write_bytes(b"damaged")
    report = build_report(Options([run], tmp_path / "c", figures=False))
    assert any("cannot be loaded" in note for note in report.notes)

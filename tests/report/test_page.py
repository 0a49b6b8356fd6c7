"""The page in a real browser: tables, links, texts, and numbers that agree with the run's files."""

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

from anomaly_lab.report.make import Report
from anomaly_lab.report.page import embedded, inlined, sort_value, write_page
from anomaly_lab.report.pictures.picture import Picture
from anomaly_lab.report.tables.table import Cell, Table, measured, number, plain
from report.made_up import made_up, opened

VALUES = {"b": 0.5, "a": None, "d": -0.25, "c": 0.4996, "é": 10.0}
ROWS = [[plain(name), measured(value)] for name, value in VALUES.items()]
TABLE = Table("numbers", "Numbers & <names>", ["name", "value"], ROWS)
FOLDED = Table("long", "A long table", ["name", "value"], 400 * ROWS, ["a note"], folded=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with two tables, one of them folded, and a gallery."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, "A <report>", [TABLE, FOLDED], [], [made_up(3, "carpet")[0]], ["a note & more"])
    return path


def test_tables_sort_by_number_or_name_with_gaps_last(browser: Any, made: Any) -> None:
    page = opened(browser, made)

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
    page = opened(browser, made)
    table, summary = page.locator("#table-long table"), page.locator("#table-long summary")
    link = page.locator('nav a[href="#table-long"]')
    assert not table.is_visible() and page.locator("#table-long h2").is_visible()
    assert page.locator("#table-long .caption").is_visible(), "its note can be read before it is opened"
    assert summary.text_content() == "2000 rows"
    page.click("nav summary")
    for _ in range(2):  # the second time the address stays the same
        link.click()
        assert table.is_visible()
        assert page.evaluate("document.querySelector('#table-long').getBoundingClientRect().top") == pytest.approx(0, abs=2)
        summary.click()
        assert not table.is_visible()
    assert page.locator("#table-numbers details").count() == 0, "short ones are not folded"
    page.goto(made.as_uri() + "#nowhere")
    page.goto(made.as_uri() + "#table-long")
    assert table.is_visible(), "and so does its address"
    page.reload()
    assert table.is_visible()
    assert page.errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_phones_and_desks(browser: Any, made: Any, width: int) -> None:
    page = opened(browser, made, width=width, height=800)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "wide tables scroll inside themselves"


def test_texts_are_escaped(browser: Any, made: Any) -> None:
    page = opened(browser, made)
    assert page.title() == "A <report>"
    assert page.text_content("#table-numbers h2") == "Numbers & <names>"
    assert page.text_content(".notes li") == "a note & more"


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
    outcome = {("1", "1"): "hit", ("1", "0"): "miss", ("0", "1"): "false alarm", ("0", "0"): "correct rejection"}
    assert [outcomes[str(i)] for i in range(len(rows))] == [outcome[row["label"], row["predicted"]] for row in rows]
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
    assert "(data=mvtec), not MVTec AD" in page.text_content("#about")
    assert page.errors == []


def test_the_page_needs_no_other_file(reported: Report) -> None:
    text = (reported.out / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', text) == []
    assert "http://" not in re.sub(r"http://www\.w3\.org", "", text) and "https://" not in text

"""inspect.html in a real browser: names are text, nothing is loaded, and phones can show it."""

import re
from pathlib import Path
from typing import Any

import pytest
from report.made_up import opened

from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding
from anomaly_lab.inspect.page import Content, write_page
from anomaly_lab.inspect.pictures import Shown, histogram

SCRIPT = "<script>document.title = 'broken'</script>"
PICTURE = Shown("data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==", f"test: {SCRIPT}.png")


def content(**changes: Any) -> Content:
    findings = [Finding("a", FINE, "all is well"), Finding("b", NOTE, SCRIPT), Finding("c", WRONG, "it is broken & bad")]
    known: dict[str, Any] = {
        "title": f"Inspection of {SCRIPT}",
        "source": f"/data/{SCRIPT}",
        "findings": findings,
        "counts": [("train", "good", 12, 0), ("test", SCRIPT, 3, 3)],
        "histograms": {"brightness": histogram({"training": [0.1, 0.2]}), "sharpness": ""},
        "pairs": [(PICTURE, PICTURE, "copies")],
        "samples": {f"test, {SCRIPT}": [PICTURE]},
    }
    return Content(**known | changes)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inspection") / "inspect.html"
    write_page(path, content())
    return path


def test_names_that_would_be_script_are_text(browser: Any, page: Path) -> None:
    shown = opened(browser, page)
    assert shown.title() == f"Inspection of {SCRIPT}" and shown.locator("script").count() == 0
    first = shown.query_selector(".findings li")
    assert first.text_content().split() == ["wrong", "it", "is", "broken", "&", "bad"]
    assert [li.get_attribute("class") for li in shown.query_selector_all(".findings li")] == ["wrong", "note", "fine"]
    assert shown.locator("#pairs").count() == 1 and shown.locator("svg rect").count() > 2
    assert shown.text_content("h3") == f"test, {SCRIPT}" and shown.errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_phones_and_desks(browser: Any, page: Path, width: int) -> None:
    shown = opened(browser, page, width=width, height=800)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_it_needs_no_other_file_and_no_script(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', text) == [] and "http" not in re.sub("http-equiv", "", text)
    assert "<script" not in text and "script-src" not in text and "default-src 'none'" in text


def test_without_pairs_there_is_no_empty_section(tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", content(pairs=[]))
    assert 'id="pairs"' not in (tmp_path / "a.html").read_text()

"""docs/extending.md as printed: written outside the package, selected on the command line, found in the result."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ended, Finished, in_process, metrics_of, stripes, write_category
from shown_commands import ROOT, shown

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
SECTIONS = {title: text for title, text in re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)}
RUNS = [title for title in SECTIONS if "report" not in title]


def write_files(section: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what the section prints, as a reader would, and let Python find it."""
    for name, content in re.findall(r"```(?:python|yaml)\n# (\S+)\n(.+?)```", SECTIONS[section], flags=re.DOTALL):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("ANOMALY_LAB_EXTENSIONS", "mine")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "mine", raising=False)


def test_the_page_covers_what_it_promises() -> None:
    assert len(RUNS) == 11 and len(SECTIONS) == 12
    for text in SECTIONS.values():
        (code,) = re.findall(r"```python\n(.+?)```", text, flags=re.DOTALL)
        assert len(code.splitlines()) <= 25, "an example is short"


@pytest.mark.parametrize("section", RUNS)
def test_a_part_is_a_file_and_a_yaml(
    section: str, data_root: Path, tmp_path: Path, train: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(section, tmp_path, monkeypatch)
    (command,) = shown(SECTIONS[section])
    arguments = command.split()[3:]
    if "data=flat" in arguments:
        for number, path in enumerate(sorted(write_category(tmp_path / "written").glob("t*/*/*.png"))):
            kind = "train" if "train" in path.parts else path.parent.name
            (tmp_path / "parts").mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / f"parts/{kind}_{number}.png")
    else:  # a small category in place of the embedded carpet
        arguments = [a for a in arguments if a != "+category=carpet"]
        arguments = [*arguments[:2], *stripes(data_root), *arguments[2:]]
    metrics = metrics_of(train(*arguments, "trainer.precision=32-true", "trainer.max_time=null").directory)
    expected = re.findall(r'"(\w+)": ("?[\w.]+"?)', SECTIONS[section].rpartition("    python")[2])
    expected += [(name, None) for name in re.findall(r"holds `(\w+)`", SECTIONS[section])]
    assert expected
    for name, value in expected:
        assert name in metrics and (value is None or metrics[name] == (value.strip('"') if '"' in value else float(value)))


def test_a_table_of_the_report_is_a_file(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anomaly_lab.report.__main__ import main

    section = next(title for title in SECTIONS if "report" in title)
    write_files(section, tmp_path, monkeypatch)
    shutil.copytree(finished.directory.parent, tmp_path / "runs")
    (command,) = shown(SECTIONS[section])
    ended = in_process(tmp_path, main, "report", *command.split()[3:], "gallery=none", "figures=false")
    assert ended.status == 0, ended.err
    assert "Slowest runs" in (tmp_path / "runs/report/report.html").read_text(encoding="utf-8")


def test_code_that_is_not_named_as_an_extension_is_refused(
    data_root: Path, tmp_path: Path, train: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files("An objective", tmp_path, monkeypatch)
    monkeypatch.setenv("ANOMALY_LAB_EXTENSIONS", "")
    ended = train("--config-dir", "conf", *stripes(data_root), "objective=cubed")
    assert ended.status == 1
    assert "mine.cubed.cubed is not part of anomaly_lab: if the code is yours, set ANOMALY_LAB_EXTENSIONS=mine" in ended.err

"""Cells, tables and their forms."""

import csv
import io
import re
from pathlib import Path

from fake_runs import fake_run, official_run, records_of

from anomaly_lab.report.make import TABLES
from anomaly_lab.report.read.records import Statistic
from anomaly_lab.report.tables.table import (
    Cell,
    Table,
    averaged,
    latex,
    latex_text,
    markdown,
    measured,
    number,
    plain,
    to_csv,
    write,
)


def test_numbers_have_three_digits_and_none_is_a_gap() -> None:
    assert [number(0.9947916), number(0.8125), number(None), number(2.5, 0)] == ["0.995", "0.812", "–", "2"]


def test_a_cell_keeps_what_it_was_printed_from() -> None:
    assert averaged(Statistic(0.12345, 0.01, 3)) == Cell("0.123 ± 0.010", (0.12345, 0.01))
    assert averaged(Statistic(0.12345, None, 1)).text == "0.123"
    assert measured(0.12345, 1) == Cell("0.1", (0.12345,))
    assert [plain(x).values for x in (None, 0.5, 3, "a")] == [(None,), (0.5,), (3,), ("a",)]
    assert [plain(x).text for x in (None, 1e-05, 3, "a")] == ["–", "1e-05", "3", "a"]


def test_a_column_is_numeric_if_a_cell_holds_a_number() -> None:
    table = Table("t", "", ["a", "b", "c"], [[plain("x"), measured(None), Cell("y")], [plain("x"), measured(0.5), Cell("y")]])
    assert [table.is_numeric(i) for i in range(3)] == [False, True, False]


AWKWARD = Table("t", "50 % of a_b & {x}", ["a|b", "v"], [[Cell("x_1 | y", ("x_1 | y",)), Cell("0.5 ± 0.1", (0.5, 0.1), True)]], ["λ ≤ 1"], {"v": ("sd",)})  # fmt: skip  # noqa: E501


def test_markdown_escapes_bars_and_marks_the_best() -> None:
    lines = markdown(AWKWARD).splitlines()
    assert lines[2] == "| a\\|b | v |"
    assert lines[3] == "|---|---:|"
    assert lines[4] == "| x_1 \\| y | **0.5 ± 0.1** |"


def test_latex_escapes_commands() -> None:
    text = latex(AWKWARD)
    assert r"\caption{50 \% of a\_b \& \{x\}. $\lambda$ $\le$ 1}" in text
    assert r"x\_1 | y & \textbf{0.5 $\pm$ 0.1} \\" in text
    assert text.count("{") == text.count("}") and r"\begin{tabular}{lr}" in text


def test_csv_has_one_field_per_value() -> None:
    assert to_csv(AWKWARD) == "a|b,v,v (sd)\nx_1 | y,0.5,0.1\n"


def test_csv_rounds_nothing_and_leaves_gaps_empty() -> None:
    table = Table("t", "", ["name", "v"], [[plain("a"), measured(1 / 3)], [plain("b"), measured(None)]])
    assert list(csv.reader(io.StringIO(to_csv(table)))) == [["name", "v"], ["a", repr(1 / 3)], ["b", ""]]


def test_each_form_is_written_to_a_file_of_its_own(tmp_path: Path) -> None:
    write(AWKWARD, tmp_path)
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert texts == {"t.md": markdown(AWKWARD), "t.tex": latex(AWKWARD), "t.csv": to_csv(AWKWARD)}


def test_latex_opens_and_closes_quotes() -> None:
    assert latex_text("folder “mine”, not ours") == "folder ``mine'', not ours"


def test_latex_of_a_report_holds_ascii_only(tmp_path: Path) -> None:
    """Other letters compile with some LaTeX engines only."""
    official_run(tmp_path / "a", "carpet")
    fake_run(tmp_path / "b", objective="amplify", lam=0.99)
    fake_run(tmp_path / "c", objective="amplify", lam=0.5)
    fake_run(tmp_path / "d", data="mvtec", root="/pictures/a_b")
    for table in [t for made in TABLES for t in made(records_of(tmp_path))]:
        assert latex(table).isascii(), set(re.findall(r"[^\x00-\x7f]", latex(table)))

"""Cells: how numbers are printed."""

from anomaly_lab.report.read.groups import Statistic
from anomaly_lab.report.tables.table import Cell, Table, averaged, measured, number, plain


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

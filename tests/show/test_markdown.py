"""Tables in Markdown."""

from anomaly_lab.show.markdown import pipe_table


def test_cells_are_separated_and_numbers_stand_right() -> None:
    assert pipe_table(["a", "b"], [["x", 1], ["y", 2.5]], right=[1]) == "| a | b |\n|---|---:|\n| x | 1 |\n| y | 2.5 |"


def test_what_would_break_a_row_is_escaped() -> None:
    assert pipe_table(["a|b"], [["c\nd"]]).splitlines() == ["| a\\|b |", "|---|", "| c d |"]

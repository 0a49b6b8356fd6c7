"""A table and its cells. One function prints every number, so that a number looks the same everywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from anomaly_lab.report.read.groups import Statistic

DIGITS = 3  # after the point; the spread over seeds is rarely below .001
GAP = "–"


def number(value: float | None, digits: int = DIGITS) -> str:
    """0.9947916 → "0.995"; None → a gap."""
    return GAP if value is None else f"{value:.{digits}f}"


@dataclass(frozen=True)
class Cell:
    """`text`: what is printed, without markup. `values`: what it was printed from, for sorting and for CSV."""

    text: str
    values: tuple[float | str | None, ...] = ()
    bold: bool = False


def plain(value: object) -> Cell:
    """Words, or a number with as many digits as it has; None is a gap."""
    if value is None:
        return Cell(GAP, (None,))
    if isinstance(value, float):
        return Cell(f"{value:g}", (value,))
    return Cell(str(value), (value if isinstance(value, int) else str(value),))


def measured(value: float | None, digits: int = DIGITS) -> Cell:
    """A single measurement."""
    return Cell(number(value, digits), (value,))


def averaged(s: Statistic, digits: int = DIGITS) -> Cell:
    """Mean ± sample standard deviation; only the mean if there is one run."""
    text = number(s.mean, digits) + ("" if s.spread is None else f" ± {number(s.spread, digits)}")
    return Cell(text, (s.mean, s.spread))


@dataclass(frozen=True)
class Table:
    """A table of a report.

    name:    the stem of its files
    columns: the headings; each row has one cell for each
    notes:   the protocol and the footnotes, below the table
    parts:   column → names of a cell's further values; each of them is a column of its own in CSV
    folded:  the page shows its rows on demand, because there are many
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folded: bool = False

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds numbers."""
        values = [row[column].values[0] for row in self.rows if row[column].values]
        return any(isinstance(v, int | float) for v in values)

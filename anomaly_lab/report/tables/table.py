"""A table, its cells and its forms. One function prints every number, so that a number looks the same everywhere."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomaly_lab.files import write_text
from anomaly_lab.report.read.records import Statistic
from anomaly_lab.show.markdown import pipe_table

DIGITS = 3  # after the point; the spread over seeds is rarely below .001
GAP = "–"
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "±": r"$\pm$", "≤": r"$\le$", "–": "--",
    "†": r"$\dagger$", "α": r"$\alpha$", "−": "$-$", "σ": r"$\sigma$", "²": "$^2$", "×": r"$\times$", "<": "$<$", ">": "$>$",
    "≥": r"$\ge$", "Δ": r"$\Delta$", "…": r"\ldots{}", "“": "``", "”": "''", '"': "''",
}  # fmt: skip


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
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return Cell(text, (value if isinstance(value, int | float) else text,))


def measured(value: float | None, digits: int = DIGITS) -> Cell:
    """A single measurement."""
    return Cell(number(value, digits), (value,))


def averaged(s: Statistic, digits: int = DIGITS) -> Cell:
    """Mean ± sample standard deviation; only the mean if there is one run."""
    return Cell(number(s.mean, digits) + ("" if s.spread is None else f" ± {number(s.spread, digits)}"), (s.mean, s.spread))


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
        return any(isinstance(row[column].values[0], int | float) for row in self.rows if row[column].values)


def write(table: Table, folder: Path) -> None:
    """Write <folder>/<name>.md, .tex and .csv."""
    for suffix, form in ((".md", markdown), (".tex", latex), (".csv", to_csv)):
        write_text(folder / f"{table.name}{suffix}", form(table))


def markdown(table: Table) -> str:
    """The title, a pipe table, and the notes."""
    rows = [[f"**{c.text}**" if c.bold else c.text for c in row] for row in table.rows]
    body = pipe_table(table.columns, rows, right=[i for i in range(len(table.columns)) if table.is_numeric(i)])
    return "\n".join([f"**{table.title}**", "", body, "", *(f"{note}\n" for note in table.notes)])


def latex(table: Table) -> str:
    """A table environment; it needs the package booktabs."""
    alignment = "".join("r" if table.is_numeric(i) else "l" for i in range(len(table.columns)))
    rows = [[rf"\textbf{{{latex_text(c.text)}}}" if c.bold else latex_text(c.text) for c in row] for row in table.rows]
    lines = [
        *(r"\begin{table}", r"\centering"),
        rf"\caption{{{latex_text(table.title)}. {latex_text(' '.join(table.notes))}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(map(latex_text, table.columns)) + r" \\",
        r"\midrule",
        *(" & ".join(cells) + r" \\" for cells in rows),
        *(r"\bottomrule", r"\end{tabular}", r"\end{table}", ""),
    ]
    return "\n".join(lines)


def latex_text(text: str) -> str:
    """`text` with every letter escaped that LaTeX would read as a command."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def to_csv(table: Table) -> str:
    """One value per field in full precision; a gap is an empty field. Title and notes stand in the Markdown file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for c in table.columns for name in (c, *(f"{c} ({part})" for part in table.parts.get(c, ())))])
    for row in table.rows:
        fields: list[float | str | None] = []
        for column, cell in zip(table.columns, row, strict=True):
            width = 1 + len(table.parts.get(column, ()))
            fields += [*(cell.values or (cell.text,)), *[None] * width][:width]
        writer.writerow(fields)
    return text.getvalue()

"""A table, and what it is as Markdown, LaTeX and CSV. One function prints all numbers, so that they agree everywhere."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomaly_lab.files import write_text
from anomaly_lab.report.read.groups import Statistic

DIGITS = 3  # of a metric; the seeds' spread is rarely below .001
GAP = "–"


def number(value: float | None, digits: int = DIGITS) -> str:
    """0.9947916 → "0.995"; None → a gap."""
    return GAP if value is None else f"{value:.{digits}f}"


@dataclass(frozen=True)
class Cell:
    """`text` as it is printed, without markup; `values` what it was printed from, for sorting and for CSV."""

    text: str
    values: tuple[float | str | None, ...] = ()
    bold: bool = False


def plain(value: object) -> Cell:
    """Words, or a number that is shown as it is; None is a gap."""
    if value is None:
        return Cell(GAP, (None,))
    if isinstance(value, float):
        return Cell(f"{value:g}", (value,))
    return Cell(str(value), (value if isinstance(value, int) else str(value),))


def measured(value: float | None, digits: int = DIGITS) -> Cell:
    """A single figure."""
    return Cell(number(value, digits), (value,))


def averaged(s: Statistic, digits: int = DIGITS) -> Cell:
    """Mean ± sample standard deviation; the mean alone where there is but one run."""
    text = number(s.mean, digits) + ("" if s.spread is None else f" ± {number(s.spread, digits)}")
    return Cell(text, (s.mean, s.spread))


@dataclass(frozen=True)
class Table:
    """`name` is the files' stem; `notes` are the protocol and the footnotes; a column of CSV for each value of a cell:
    `parts` names those after the first, by column. `folded`: long, and shown on the page only when asked for."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folded: bool = False


def markdown(table: Table) -> str:
    """A pipe table under its title, the notes below."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    right = ["---:" if _numeric(table, i) else "---" for i in range(len(table.columns))]
    lines = [f"**{table.title}**", "", line(table.columns), "|" + "|".join(right) + "|"]
    lines += [line([f"**{c.text}**" if c.bold else c.text for c in row]) for row in table.rows]
    return "\n".join([*lines, "", *(f"{note}\n" for note in table.notes)])


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "±": r"$\pm$", "≤": r"$\le$", "–": "--",
    "†": r"$\dagger$", "α": r"$\alpha$", "−": "$-$", "σ": r"$\sigma$", "²": "$^2$", "×": r"$\times$", "<": "$<$", ">": "$>$",
    "≥": r"$\ge$", "Δ": r"$\Delta$", "…": r"\ldots{}", "“": "``", "”": "''", '"': "''",
}  # fmt: skip


def latex_text(text: str) -> str:
    """`text` with what LaTeX would read as a command escaped."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def latex(table: Table) -> str:
    """A table environment; needs the package booktabs."""
    alignment = "".join("r" if _numeric(table, i) else "l" for i in range(len(table.columns)))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(table.title)}. {latex_text(' '.join(table.notes))}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(map(latex_text, table.columns)) + r" \\",
        r"\midrule",
    ]
    for row in table.rows:
        cells = [rf"\textbf{{{latex_text(c.text)}}}" if c.bold else latex_text(c.text) for c in row]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def to_csv(table: Table) -> str:
    """Full precision, one value a field; a gap is empty. Title and notes are in the Markdown file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for c in table.columns for name in (c, *(f"{c} ({part})" for part in table.parts.get(c, ())))])
    for row in table.rows:
        fields: list[str] = []
        for column, cell in zip(table.columns, row, strict=True):
            width = 1 + len(table.parts.get(column, ()))
            values = (cell.values or (cell.text,))[:width]
            fields += ["" if v is None else repr(v) if isinstance(v, float) else str(v) for v in values]
            fields += [""] * (width - len(values))
        writer.writerow(fields)
    return text.getvalue()


def write(table: Table, folder: Path) -> None:
    """<folder>/<name>.md, .tex and .csv."""
    for suffix, form in ((".md", markdown), (".tex", latex), (".csv", to_csv)):
        write_text(folder / f"{table.name}{suffix}", form(table))


def _numeric(table: Table, column: int) -> bool:
    values = [row[column].values[0] for row in table.rows if row[column].values]
    return any(isinstance(v, int | float) for v in values)

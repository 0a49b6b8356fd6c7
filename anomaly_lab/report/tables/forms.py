"""A table as Markdown, LaTeX and CSV."""

import csv
import io
from pathlib import Path

from anomaly_lab.files import write_text
from anomaly_lab.report.tables.table import Table
from anomaly_lab.show.markdown import pipe_table

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "±": r"$\pm$", "≤": r"$\le$", "–": "--",
    "†": r"$\dagger$", "α": r"$\alpha$", "−": "$-$", "σ": r"$\sigma$", "²": "$^2$", "×": r"$\times$", "<": "$<$", ">": "$>$",
    "≥": r"$\ge$", "Δ": r"$\Delta$", "…": r"\ldots{}", "“": "``", "”": "''", '"': "''",
}  # fmt: skip


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


def latex_text(text: str) -> str:
    """`text` with every letter escaped that LaTeX would read as a command."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def to_csv(table: Table) -> str:
    """One value per field in full precision; a gap is an empty field. Title and notes stand in the Markdown file."""
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

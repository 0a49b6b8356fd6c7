"""Tables in Markdown."""

from collections.abc import Collection, Iterable, Sequence


def pipe_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[int] = ()) -> str:
    """A table in GitHub's Markdown, without a line break at its end. `right`: indices of right-aligned columns."""

    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    rule = "|".join("---:" if i in right else "---" for i in range(len(columns)))
    return "\n".join([line(columns), f"|{rule}|", *map(line, rows)])

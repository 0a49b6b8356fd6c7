"""The paper's tables 2, 3 and 4 with our columns beside the published ones, and the same tables of our other data."""

import functools
import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomaly_lab.report.read.official import OFFICIAL, SYNTHETIC, lacking
from anomaly_lab.report.read.protocol import choices
from anomaly_lab.report.read.records import NONE, Group, Records, Statistic, statistic
from anomaly_lab.report.tables.table import GAP, Cell, Table, number

DIGITS = 2  # as the paper prints
AVERAGES = ("textures", "objects", "all")
TABLES = ("table2", "table3", "table4")
ROUNDING = 0.0101  # a printed average of printed values can differ so much from the computed one
Value = tuple[Statistic, ...]  # one per metric: tables 2 and 3 have one metric, table 4 has two
Column = Mapping[str, Value]  # category, or one of AVERAGES → value


@functools.cache
def published() -> dict[str, Any]:
    """paper.toml."""
    return tomllib.loads(Path(__file__).with_name("paper.toml").read_text(encoding="utf-8"))


def columns(record: Mapping[str, Any]) -> dict[str, Column]:
    """{method: column} of a table of paper.toml."""
    return {m: {category: _value(row[i]) for category, row in record["rows"].items()} for i, m in enumerate(record["methods"])}


def averages(column: Column, width: int) -> dict[str, Value]:
    """The means over textures, objects and all categories, of `width` metrics; None if a category is missing."""
    textures, objects = published()["textures"], published()["objects"]
    members = {"textures": textures, "objects": objects, "all": textures + objects}

    def mean(categories: list[str], i: int) -> Statistic:
        values = [column[c][i].mean if c in column else None for c in categories]
        return NONE if None in values else Statistic(statistic(values).mean, None, 1)

    return {name: tuple(mean(members[name], i) for i in range(width)) for name in AVERAGES}


def misprints(record: Mapping[str, Any], columns: Mapping[str, Column]) -> str:
    """A sentence with the averages that the paper prints but that do not follow from its rows; empty if there are none."""
    found = []
    for (i, method), name in itertools.product(enumerate(record["methods"]), AVERAGES):
        for printed, computed in zip(_value(record["averages"][name][i]), columns[method][name], strict=True):
            if printed.mean is not None and computed.mean is not None and abs(printed.mean - computed.mean) > ROUNDING:
                found.append(f"{method}, {name}: {printed.mean:.2f}")
    return f"The paper prints other averages for {'; '.join(found)}." if found else ""


def tables(records: Records) -> list[Table]:
    """Tables 2, 3 and 4 with one column per setting that ran on the complete MVTec AD; none without such a setting.

    Then the same three tables for each other data, without published columns.
    """
    groups, sources = records.groups, dict.fromkeys(g.source for g in records.groups)
    by_data = {data: [g for g in groups if g.source == data] for data in sources}
    official = by_data.pop(OFFICIAL, [])
    found = [_beside_published(name, official) for name in TABLES if official]
    for i, (data, groups) in enumerate(by_data.items(), start=1):
        found += [_on_other_data(name, groups, data, f"{name}_other{i}") for name in TABLES]
    return found


def _beside_published(name: str, groups: Sequence[Group]) -> Table:
    record = published()[name]
    ours = {f"ours: {setting}": column for setting, column in our_columns(groups, record["metrics"]).items()}
    every = {title: {**c, **averages(c, len(record["metrics"]))} for title, c in (columns(record) | ours).items()}
    footnotes = record.get("footnotes", {})
    order = [*published()["textures"], "textures", *published()["objects"], "objects", "all"]
    notes = [
        f"Data: {OFFICIAL}, complete. Published columns: {published()['source']}, table {name[-1]}, which quotes the other "
        "methods. The best value of a row is bold, compared at two digits. All averages are computed from the rows; an average "
        f"is a gap if a category is missing. {misprints(record, every)}".strip(),
        f"Ours: {_protocol(groups)} The paper does not state a_min, smoothing and optimiser, so our protocol may differ.",
        *(f"† {category.replace('_', ' ')}: {text}." for category, text in footnotes.items()),
    ]
    rows = [_row(row, every, footnotes) for row in order]
    return Table(name, f"{record['title']} (the paper's table {name[-1]})", ["category", *every], rows, notes)


def _on_other_data(name: str, groups: Sequence[Group], data: str, stem: str) -> Table:
    record = published()[name]
    ours = our_columns(groups, record["metrics"])
    order = dict.fromkeys(str(g["category"]) for g in groups)
    example = next(filter(None, (lacking(run) for g in groups for run in g.runs)))
    where = f"{data}, not {OFFICIAL}" if data == SYNTHETIC else f"{data} (for example: {example})"
    notes = [f"Data: {where}; not comparable with published columns. {_protocol(groups)}"]
    rows = [[Cell(category.replace("_", " ")), *(_cell(c.get(category), []) for c in ours.values())] for category in order]
    return Table(stem, f"{record['title']}, data: {data}", ["category", *ours], rows, notes)


def our_columns(groups: Sequence[Group], metrics: Sequence[str]) -> dict[str, Column]:
    """{setting: column}. A setting gets a column for each of its groups on the same category, such as those of two folders."""
    found: dict[str, dict[str, Value]] = {}
    for g in groups:
        titles = itertools.chain([g.name], (f"{g.name} #{count}" for count in itertools.count(2)))
        title = next(title for title in titles if str(g["category"]) not in found.get(title, {}))
        found.setdefault(title, {})[str(g["category"])] = tuple(g.statistic(metric) for metric in metrics)
    return dict(found)


def _row(name: str, every: Mapping[str, Column], footnotes: Mapping[str, str]) -> list[Cell]:
    values = [column.get(name) for column in every.values()]
    label = f"average of {name}" if name in AVERAGES else name.replace("_", " ")
    return [Cell(label + (" †" if name in footnotes else "")), *(_cell(value, _best(values)) for value in values)]


def _best(values: Sequence[Value | None]) -> list[str]:
    """The highest value of each metric in a row, as printed."""
    of_metrics = zip(*(value for value in values if value is not None), strict=True)
    return [max((number(s.mean, DIGITS) for s in metric if s.mean is not None), default=GAP) for metric in of_metrics]


def _cell(value: Value | None, best: Sequence[str]) -> Cell:
    """A cell of one or two metrics; it is bold if its first metric is the best of its row."""
    if value is None or all(s.mean is None for s in value):
        return Cell(GAP, (None,))
    texts = [number(s.mean, DIGITS) + (f" ± {number(s.spread, DIGITS)} ({s.n})" if s.spread is not None else "") for s in value]
    bold = [number(value[0].mean, DIGITS)] == list(best[:1])
    return Cell(" / ".join(texts), tuple(s.mean for s in value), bold)


def _protocol(groups: Sequence[Group]) -> str:
    def values(name: str) -> str:
        found = {run.metrics.get(name) for g in groups for run in g.runs} - {None}
        numbers = sorted(v for v in found if isinstance(v, int | float))
        if len(numbers) > 3:
            return f"{numbers[0]}–{numbers[-1]}"
        return ", ".join(map(str, numbers)) or ", ".join(sorted(map(str, found))) or "unknown"

    seeds = sorted({len(g.runs) for g in groups})
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]}–{seeds[-1]}"
    return (
        f"Mean ± sample standard deviation (n) over n = {n} seeds; {values('model')}, {values('image_size')} px, "
        f"{values('steps')} steps on {values('device')}; image score {values('score_pooling')}, a_min {values('min_area')} px. "
        + choices(run for g in groups for run in g.runs)
    )


def _value(printed: Any) -> Value:
    values = printed if isinstance(printed, list) else [printed]
    return tuple(NONE if math.isnan(v) else Statistic(v, None, 1) for v in values)

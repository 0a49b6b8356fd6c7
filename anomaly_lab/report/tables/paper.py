"""The paper's tables 2, 3 and 4 with our columns beside the published ones, and our other data in tables of their own."""

import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomaly_lab.report.read.groups import Group, Statistic, across_categories, key, names, statistic
from anomaly_lab.report.read.official import OFFICIAL, SYNTHETIC, lacking, source
from anomaly_lab.report.read.protocol import choices
from anomaly_lab.report.tables.table import GAP, Cell, Table, number

DIGITS = 2  # as the paper prints
AVERAGES = ("textures", "objects", "all")
Value = tuple[Statistic, ...]  # one figure a metric: tables 2 and 3 have one, table 4 two
Column = Mapping[str, Value]  # category or kind of average → value
NONE = Statistic(None, None, 0)


@functools.cache
def published() -> dict[str, Any]:
    """paper.toml."""
    return tomllib.loads(Path(__file__).with_name("paper.toml").read_text(encoding="utf-8"))


def paper_tables(groups: Sequence[Group]) -> list[Table]:
    """Table 2, 3 and 4 with a column for each of our settings on the complete MVTec AD, if there is any; then the same three
    for each other source of data, without published columns."""
    official = [g for g in groups if all(lacking(run) is None for run in g.runs)]
    others: dict[str, list[Group]] = {}
    for g in groups:
        if g not in official:
            others.setdefault(_source(g), []).append(g)
    tables = [_beside_published(name, official) for name in ("table2", "table3", "table4") if official]
    for number_, (data, members) in enumerate(others.items(), start=1):
        for name in ("table2", "table3", "table4"):
            tables.append(_on_other_data(name, members, data, f"{name}_other{number_}"))
    return tables


def _source(g: Group) -> str:
    """A group with one run on incomplete data is on incomplete data."""
    return next((source(run) for run in g.runs if lacking(run) is not None), source(g.runs[0]))


def _beside_published(name: str, groups: Sequence[Group]) -> Table:
    record = published()[name]
    textures, objects = published()["textures"], published()["objects"]
    metrics = record["metrics"]
    columns: dict[str, Column] = {m: _published_column(record, i) for i, m in enumerate(record["methods"])}
    ours = our_columns(groups, metrics)
    columns |= {f"ours: {setting}": column for setting, column in ours.items()}
    width = len(metrics)
    columns = {title: {**column, **_averages(column, textures, objects, width)} for title, column in columns.items()}
    order = [*textures, "textures", *objects, "objects", "all"]
    rows = _rows(order, columns, record.get("footnotes", {}))
    notes = [
        f"Data: {OFFICIAL}, complete. Published columns: {published()['source']}, table {name[-1]}, other methods as quoted "
        "there. Best of a row in bold, at two digits. All averages are recomputed from the rows; one over categories that are "
        f"not all there is a gap. {_misprints(record, columns)}".strip(),
        f"Ours: {_protocol(groups)} The paper leaves a_min, smoothing and optimiser open, so that ours can't be its protocol "
        "exactly.",
        *(f"† {category.replace('_', ' ')}: {text}." for category, text in record.get("footnotes", {}).items()),
    ]
    return Table(name, f"{record['title']} (the paper's table {name[-1]})", ["category", *columns], rows, notes)


def _on_other_data(name: str, groups: Sequence[Group], data: str, stem: str) -> Table:
    record = published()[name]
    columns = our_columns(groups, record["metrics"])
    order = list(dict.fromkeys(str(g["category"]) for g in groups))
    example = next(filter(None, (lacking(r) for g in groups for r in g.runs)))
    where = f"{data}, not {OFFICIAL}" if data == SYNTHETIC else f"{data} (for example: {example})"
    rows = _rows(order, columns, {}, marks=False)
    notes = [f"Data: {where}; not comparable with published columns. {_protocol(groups)}"]
    return Table(stem, f"{record['title']}, data: {data}", ["category", *columns], rows, notes)


def our_columns(groups: Sequence[Group], metrics: Sequence[str]) -> dict[str, Column]:
    """Setting → category → figures. Settings that share a name but differ within a category get a column each."""
    named = names(groups)
    columns: dict[str, dict[str, Value]] = {}
    for g in groups:
        name = title = named[key(across_categories(g.setting))]
        count = 1
        while str(g["category"]) in columns.setdefault(title, {}):
            count += 1
            title = f"{name} #{count}"
        columns[title][str(g["category"])] = tuple(g.statistic(metric) for metric in metrics)
    return dict(columns)


def _published_column(record: Mapping[str, Any], i: int) -> dict[str, Value]:
    return {category: _published(values[i]) for category, values in record["rows"].items()}


def _published(value: Any) -> Value:
    values = value if isinstance(value, list) else [value]
    return tuple(NONE if math.isnan(v) else Statistic(v, None, 1) for v in values)


def _averages(column: Column, textures: list[str], objects: list[str], width: int) -> dict[str, Value]:
    """Means over categories; a gap where one of them is missing."""

    def mean(categories: list[str], i: int) -> Statistic:
        values = [column[c][i].mean if c in column else None for c in categories]
        return NONE if None in values else Statistic(statistic(values).mean, None, 1)

    members = {"textures": textures, "objects": objects, "all": textures + objects}
    return {name: tuple(mean(categories, i) for i in range(width)) for name, categories in members.items()}


def _rows(
    order: Sequence[str], columns: Mapping[str, Column], footnotes: Mapping[str, str], marks: bool = True
) -> list[list[Cell]]:
    rows = []
    for name in order:
        values = [column.get(name) for column in columns.values()]
        best = _best(values) if marks else []
        label = f"average of {name}" if name in AVERAGES and marks else name.replace("_", " ")
        rows.append([Cell(label + (" †" if name in footnotes else "")), *(_cell(value, best) for value in values)])
    return rows


def _best(values: Sequence[Value | None]) -> list[str]:
    """The highest figure of each metric in a row, as printed."""
    known = [value for value in values if value is not None]
    width = max((len(value) for value in known), default=0)
    printed = [[number(v[i].mean, DIGITS) for v in known if v[i].mean is not None] for i in range(width)]
    return [max(p, default=GAP) for p in printed]


def _cell(value: Value | None, best: Sequence[str]) -> Cell:
    if value is None or all(s.mean is None for s in value):
        return Cell(GAP, (None,))
    texts = [number(s.mean, DIGITS) + (f" ± {number(s.spread, DIGITS)} ({s.n})" if s.spread is not None else "") for s in value]
    printed = [number(s.mean, DIGITS) for s in value]
    bold = any(p == b for p, b in zip(printed, best, strict=False)) if len(value) == 1 else printed[:1] == list(best[:1])
    return Cell(" / ".join(texts), tuple(s.mean for s in value), bold)


def _misprints(record: Mapping[str, Any], columns: Mapping[str, Column]) -> str:
    """Where the paper prints another average than its rows have."""
    found = []
    for i, method in enumerate(record["methods"]):
        for name in AVERAGES:
            for printed, computed in zip(_published(record["averages"][name][i]), columns[method][name], strict=True):
                if printed.mean is not None and computed.mean is not None and abs(printed.mean - computed.mean) > 0.0101:
                    found.append(f"{method}, {name}: {printed.mean:.2f}")
    return f"The paper prints other averages for {'; '.join(found)}." if found else ""


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

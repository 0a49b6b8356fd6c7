"""The published columns of the paper's tables 2, 3 and 4, with averages that are computed from their rows."""

import functools
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_lab.report.read.groups import Statistic, statistic

AVERAGES = ("textures", "objects", "all")
TABLES = ("table2", "table3", "table4")
ROUNDING = 0.0101  # a printed average of printed values can differ so much from the computed one
NONE = Statistic(None, None, 0)
Value = tuple[Statistic, ...]  # one per metric: tables 2 and 3 have one metric, table 4 has two
Column = Mapping[str, Value]  # category, or one of AVERAGES → value


@functools.cache
def published() -> dict[str, Any]:
    """paper.toml."""
    return tomllib.loads(Path(__file__).with_name("paper.toml").read_text(encoding="utf-8"))


def columns(record: Mapping[str, Any]) -> dict[str, Column]:
    """{method: column} of a table of paper.toml."""
    return {
        method: {category: _value(values[i]) for category, values in record["rows"].items()}
        for i, method in enumerate(record["methods"])
    }


def averages(column: Column, width: int) -> dict[str, Value]:
    """The means over textures, objects and all categories, of `width` metrics; None if a category is missing."""
    textures, objects = published()["textures"], published()["objects"]

    def mean(categories: list[str], i: int) -> Statistic:
        values = [column[c][i].mean if c in column else None for c in categories]
        return NONE if None in values else Statistic(statistic(values).mean, None, 1)

    members = {"textures": textures, "objects": objects, "all": textures + objects}
    return {name: tuple(mean(members[name], i) for i in range(width)) for name in AVERAGES}


def misprints(record: Mapping[str, Any], columns: Mapping[str, Column]) -> str:
    """A sentence with the averages that the paper prints but that do not follow from its rows; empty if there are none."""
    found = []
    for i, method in enumerate(record["methods"]):
        for name in AVERAGES:
            for printed, computed in zip(_value(record["averages"][name][i]), columns[method][name], strict=True):
                if printed.mean is not None and computed.mean is not None and abs(printed.mean - computed.mean) > ROUNDING:
                    found.append(f"{method}, {name}: {printed.mean:.2f}")
    return f"The paper prints other averages for {'; '.join(found)}." if found else ""


def _value(printed: Any) -> Value:
    values = printed if isinstance(printed, list) else [printed]
    return tuple(NONE if math.isnan(v) else Statistic(v, None, 1) for v in values)

"""Rows on disk: complete after any cut, never twice, and the table follows the lines."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import UserError
from anomaly_lab.runs.journal import Journal


def journal(folder: Path) -> Journal:
    return Journal(folder / "rows", ("name", "value"), lambda row: {"name": row["name"], "value": row.get("value", "")}, "name")


def row(name: str) -> dict[str, Any]:
    return {"name": name, "value": f'{name}, "quoted"\nand ü'}


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "rows.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_is_in_both_files_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    with journal(tmp_path) as rows:
        rows.append(row("a"))
        assert [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()] == [row("a")]
        assert table(tmp_path) == [row("a")]
        assert "a" in rows and "b" not in rows


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_cut_off_the_next_start_has_whole_rows(tmp_path: Path, data: st.DataObject) -> None:
    """A power cut may leave both files with any length."""
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    names = [f"image {i}" for i in range(5)]
    with journal(folder) as rows:
        for name in names:
            rows.append(row(name))
    for path in (folder / "rows.jsonl", folder / "rows.csv"):
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with journal(folder) as rows:
        kept = [r["name"] for r in rows.rows()]
        assert kept == names[: len(kept)] and rows.count == len(kept)
        assert table(folder) == [row(name) for name in kept]
        for name in names:
            if name not in rows:
                rows.append(row(name))
    assert table(folder) == [row(name) for name in names]


def test_a_long_line_that_was_cut_off_is_removed(tmp_path: Path) -> None:
    with journal(tmp_path) as rows:
        rows.append(row("a"))
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"name": "' + "x" * 200_000)
    with journal(tmp_path) as rows:
        assert [r["name"] for r in rows.rows()] == ["a"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"name": "a"}\n{"nam\n')
    with pytest.raises(UserError, match=r"rows.jsonl is damaged in line 2"), journal(tmp_path):
        pass


def of_things(folder: Path) -> Journal:
    """A journal in which a thing has one row."""
    return Journal(folder / "rows", ("name", "value"), lambda row: row, "name", lambda row: row["value"])


def values(folder: Path) -> list[str]:
    found = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert [{**row} for row in found] == table(folder)
    return [row["name"] + row["value"] for row in found]


def test_a_later_row_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with of_things(tmp_path) as rows:
        for name, value in ("a1", "b1", "c1", "b2", "b3", "a1"):
            rows.append({"name": name, "value": value})
        assert rows.has("b", "3") and not rows.has("b", "1") and not rows.has("d", "1")
        assert values(tmp_path)[-2:] == ["b3", "a1"], "as they come"
    assert values(tmp_path) == ["a1", "b3", "c1"] and rows.count == 3


def test_a_kill_before_a_row_takes_its_place_is_mended(tmp_path: Path) -> None:
    whole = [{"name": name, "value": value} for name, value in ("a1", "b1", "a2")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in whole) + '{"name": "b", "va')
    with of_things(tmp_path) as rows:
        assert values(tmp_path) == ["a2", "b1"] and rows.count == 2
        rows.append({"name": "c", "value": "1"})
    assert values(tmp_path) == ["a2", "b1", "c1"]


def test_a_forgotten_row_stays_until_another_one_comes(tmp_path: Path) -> None:
    with of_things(tmp_path) as rows:
        rows.append({"name": "a", "value": "1"})
        rows.append({"name": "b", "value": "1"})
        rows.forget("a")
        rows.forget("b")
        assert "a" not in rows and not rows.has("a", "1")
        rows.append({"name": "a", "value": "2"})
    assert values(tmp_path) == ["a2", "b1"]


def test_without_a_state_all_rows_of_a_key_stay(tmp_path: Path) -> None:
    with journal(tmp_path) as rows:
        rows.append(row("a"))
        rows.append(row("a"))
    with journal(tmp_path) as rows:
        assert rows.count == 2 and table(tmp_path) == [row("a"), row("a")]

"""Which images need a row, after whatever happened to their files."""

from pathlib import Path
from typing import Any

from anomaly_lab.pipeline.fresh import Fresh, stamp_of
from anomaly_lab.runs.journal import Journal


def journal(folder: Path) -> Journal:
    return Journal(folder / "rows", ("path",), lambda row: {"path": row["path"]}, "path", stamp_of)


def scored(folder: Path, paths: list[Path], error: str | None = None) -> list[str]:
    """The names of those of `paths` that a start gives rows to."""
    found = []
    with journal(folder) as rows:
        fresh = Fresh(rows)
        count = fresh.count(dict.fromkeys(paths))
        for path in fresh.of(paths):
            row: dict[str, Any] = {"path": str(path), "error": error}
            rows.append(fresh.stamped(row))
            found.append(path.name)
        assert len(found) == count
    names = [row["path"] for row in rows.rows()]
    assert len(names) == len(set(names)), "an image has one row"
    return found


def test_a_file_that_changed_is_scored_again_and_one_that_is_gone_keeps_its_row(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png", "d.png")]
    for path in paths:
        path.write_text("1")
    assert scored(tmp_path, [*paths, *paths]) == ["a.png", "b.png", "c.png", "d.png"], "each once"
    assert scored(tmp_path, paths) == []
    state = paths[0].stat()
    paths[0].write_text("2")
    paths[0].touch()
    assert paths[0].stat().st_size == state.st_size
    paths[1].write_text("longer")
    paths[2].unlink()
    assert scored(tmp_path, paths) == ["a.png", "b.png"]
    assert [Path(row["path"]).name for row in journal(tmp_path).rows()] == [path.name for path in paths], "in their places"
    assert scored(tmp_path, paths) == []


def test_what_could_not_be_read_is_tried_once_in_each_start(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "gone.png"]
    paths[0].write_text("1")
    for _ in range(2):
        assert scored(tmp_path, [*paths, *paths], "it is damaged") == ["a.png", "gone.png"]
    assert scored(tmp_path, paths) == ["a.png", "gone.png"]
    assert scored(tmp_path, paths) == []


def test_the_state_is_that_before_the_file_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("1")
    with journal(tmp_path) as rows:
        fresh = Fresh(rows)
        for found in fresh.of([path]):
            path.write_text("it comes while the first content is scored")
            rows.append(fresh.stamped({"path": str(found), "error": None}))
    assert scored(tmp_path, [path]) == ["a.png"]

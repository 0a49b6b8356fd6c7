"""engine=ray: two workers on this machine give the rows of the local engine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Finished, in_process, sentence

from anomaly_lab.predict import main


def rows(out: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert len({row["path"] for row in found}) == len(found)
    return {row["path"]: {key: value for key, value in row.items() if key != "ms"} for row in found}


def test_a_parquet_list_by_two_workers_has_the_rows_of_the_local_engine(finished: Finished, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    import pyarrow
    from pyarrow import parquet

    paths = [str(path) for path in sorted((finished.root / "stripes/test").rglob("*.png"))]
    (tmp_path / "broken.png").write_bytes(b"no image")
    names = [*paths, str(tmp_path / "broken.png"), paths[0]]  # one of them twice
    parquet.write_table(pyarrow.table({"size": range(len(names)), "path": names}), tmp_path / "list.parquet")
    given = [f"run={finished.directory}", "images=list.parquet"]
    assert in_process(tmp_path, main, "predict", *given, "out=local").status == 0
    command = [sys.executable, "-m", "anomaly_lab.predict", *given, "engine=ray", "workers=2", "save=masks", "out=ray"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    local, found = rows(tmp_path / "local"), rows(tmp_path / "ray")
    assert local.keys() == found.keys() and len(found) == len(paths) + 1
    for path, row in local.items():
        for key, value in row.items():
            same = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
            assert found[path][key] == same or key == "defects", (path, key)
    assert len(list((tmp_path / "ray/masks").iterdir())) == len(paths)
    assert (tmp_path / "ray/contact.png").is_file() and "Traceback" not in ended.stderr


def test_a_stream_is_for_the_local_engine(finished: Finished, tmp_path: Path) -> None:
    ended = in_process(
        tmp_path, main, "predict", f"run={finished.directory}", "images=.", "watch=true", "engine=ray", "out=out"
    )
    assert "leave engine=ray out" in sentence(ended)


def test_ray_that_is_not_installed_is_named(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    image = next((finished.root / "stripes/test").rglob("*.png"))
    ended = in_process(tmp_path, main, "predict", f"run={finished.directory}", f"images={image}", "engine=ray", "out=out")
    assert "pip install 'anomaly_lab[ray]'" in sentence(ended)

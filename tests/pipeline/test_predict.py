"""What a prediction does around its rows: warnings of drift, and folders that it watches."""

import json
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Ended, Finished, in_process, sentence

from anomaly_lab.calibration import drift
from anomaly_lab.data import inputs
from anomaly_lab.pipeline import predict as module
from anomaly_lab.predict import main


def predict(folder: Path, *options: str) -> Ended:
    return in_process(folder, main, "predict", *options)


def test_a_stream_that_drifts_is_told_as_it_comes_and_after_a_restart(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The held-out images are made to have lower levels than the stream."""
    run = shutil.copytree(finished.directory, tmp_path / "run")
    checkpoint = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["calibration"]["levels"] = [0.001 * i for i in range(20)]
    checkpoint["state_dict"]["threshold"].fill_(1e3)
    torch.save(checkpoint, run / "checkpoints/best.ckpt")
    monkeypatch.setattr(drift, "WINDOW", 3)
    monkeypatch.setattr(drift, "RATE", 0.01)
    assert predict(tmp_path, "run=run", f"images={finished.root / 'stripes/test'}", "out=out").status == 0
    windows = json.loads((tmp_path / "out/summary.json").read_text())["windows"]
    assert len(windows) == 2 and all(window["warns"] for window in windows)
    assert caplog.text.count("are not like the held-out normal ones") == 2
    caplog.clear()
    again = predict(tmp_path, "run=run", f"images={finished.root / 'stripes/test'}", "out=out")
    assert "2 of 2 windows of the stream are not like" in again.out and not caplog.text, "it was told before"
    assert json.loads((tmp_path / "out/summary.json").read_text())["windows"] == windows


def test_watching_needs_a_folder(finished: Finished, tmp_path: Path) -> None:
    assert "watch=true needs images=FOLDER" in sentence(
        predict(tmp_path, f"run={finished.directory}", "images=none.png", "watch=true")
    )


def test_a_watched_image_that_is_replaced_is_scored_again_and_an_unreadable_one_is_not_until_it_changes(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, hole = (finished.root / "stripes/test" / name / "000.png" for name in ("good", "hole"))
    (tmp_path / "in").mkdir()
    image, broken = tmp_path / "in/a.png", tmp_path / "in/b.png"
    shutil.copy(good, image)
    broken.write_bytes(b"no image")
    monkeypatch.setattr(inputs, "SETTLED", 0.1)
    monkeypatch.setattr(inputs, "PAUSE", 0.02)
    real, came = module.Journal.append, []

    def append(journal: Any, row: Any) -> None:
        real(journal, row)
        came.append(Path(row["path"]).name)
        if came == ["a.png", "b.png"]:
            threading.Timer(1.0, shutil.copy, (hole, image)).start()
        elif came == ["a.png", "b.png", "a.png"]:
            shutil.copy(good, broken)
        elif len(came) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.Journal, "append", append)
    ended = predict(tmp_path, f"run={finished.directory}", "images=in", "out=out", "watch=true")
    assert ended.status == 130 and came == ["a.png", "b.png", "a.png", "b.png"]
    rows = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == ["in/a.png", "in/b.png"] and not any(row["error"] for row in rows)
    assert rows[0]["score"] != rows[1]["score"], "each is scored as it is now"


def test_images_that_are_gone_make_no_rows_of_errors(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network drive goes away after the first image, and comes back before the next start."""
    images = shutil.copytree(finished.root / "stripes/test", tmp_path / "in")
    real = module.opened

    def opened(paths: Iterable[Path], *rest: Any) -> Iterator[Any]:
        given = list(paths)
        yield from real(given[:1], *rest)
        images.rename(tmp_path / "away")
        yield from real(given[1:], *rest)

    monkeypatch.setattr(module, "opened", opened)
    said = sentence(predict(tmp_path, f"run={finished.directory}", "images=in", "out=out"))
    assert "in is gone: the rows so far are kept; start the same command again when it is back" in said
    assert len((tmp_path / "out/predictions.jsonl").read_text().splitlines()) == 1
    (tmp_path / "away").rename(images)
    monkeypatch.setattr(module, "opened", real)
    again = predict(tmp_path, f"run={finished.directory}", "images=in", "out=out")
    rows = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    assert again.status == 0 and len(rows) == len(list(images.rglob("*.png"))) and not any(row["error"] for row in rows)


def test_of_large_images_one_is_decided_at_a_time(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps all cores busy; small ones are decided three side by side."""
    real, under_way, most, lock = module.row_of, [0], [0], threading.Lock()
    together = threading.Barrier(3)

    def row_of(*given: Any) -> Any:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        if module.LARGE > 1:
            with suppress(threading.BrokenBarrierError):
                together.wait(2)
        else:
            assert threading.current_thread() is threading.main_thread(), "on all cores"
        found = real(*given)
        with lock:
            under_way[0] -= 1
        return found

    monkeypatch.setattr(module, "row_of", row_of)
    options = [f"run={finished.directory}", f"images={finished.root / 'stripes/test'}", "parallel=3"]
    assert predict(tmp_path, *options, "out=small").status == 0 and most[0] == 3
    monkeypatch.setattr(module, "LARGE", 1)
    most[0] = 0
    assert predict(tmp_path, *options, "out=large").status == 0 and most[0] == 1

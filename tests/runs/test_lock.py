"""The lock on a run's directory."""

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anomaly_lab.errors import InUse, UserError
from anomaly_lab.runs import lock

HOLD = """
import sys, time
from pathlib import Path
from anomaly_lab.runs.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_only_one_of_many_holds_a_directory_at_a_time(tmp_path: Path) -> None:
    inside = []

    def attempt(_: int) -> bool:
        try:
            with lock.held(tmp_path / "run"):
                inside.append(1)
                assert len(inside) == 1
                time.sleep(0.01)
                inside.pop()
        except InUse as error:
            assert f"{tmp_path}/run is in use by another process" in str(error)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert 1 <= sum(pool.map(attempt, range(40))) <= 40
    with lock.held(tmp_path / "run"):
        assert lock.in_use(tmp_path / "run")
    assert not lock.in_use(tmp_path / "run")


def test_the_claim_stays_when_the_lock_is_released(tmp_path: Path) -> None:
    """A report takes a folder with a claim in it as a run."""
    with lock.held(tmp_path / "run"):
        assert (tmp_path / "run/.claimed").is_file()
    assert (tmp_path / "run/.claimed").is_file()


def test_a_process_that_is_killed_leaves_the_directory_free(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert lock.in_use(tmp_path)
        with pytest.raises(InUse), lock.held(tmp_path):
            pass
    finally:
        process.kill()
        process.communicate()
    assert not lock.in_use(tmp_path)
    with lock.held(tmp_path):
        pass


def test_a_worker_process_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    """Data-loading workers are forked while the lock is held, and inherit its open file."""
    with lock.held(tmp_path):
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        worker.start()
    try:
        assert not lock.in_use(tmp_path)
    finally:
        worker.kill()
        worker.join()


def test_in_use_makes_no_file_and_waits_for_no_one(tmp_path: Path) -> None:
    assert not lock.in_use(tmp_path)
    assert not lock.in_use(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_another_user_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its claim can be read but not written to."""
    with lock.held(tmp_path):
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        assert lock.in_use(tmp_path)
    assert not lock.in_use(tmp_path)


def test_someone_who_looks_keeps_no_one_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """in_use() holds the lock for an instant, so that only the first attempt fails."""
    attempts = []

    def busy_at_first(file: int, blocking: bool) -> bool:
        attempts.append(file)
        return len(attempts) > 1

    monkeypatch.setattr(lock, "lock_descriptor", busy_at_first)
    with lock.held(tmp_path):
        assert len(attempts) == 2


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"file/run cannot be written to \(Not a directory\)"),
        lock.held(tmp_path / "file/run"),
    ):
        pass
    (tmp_path / "run" / lock.CLAIM).mkdir(parents=True)
    with pytest.raises(UserError, match=r"/run cannot be written to \(Is a directory\)"), lock.held(tmp_path / "run"):
        pass


def test_a_file_system_that_can_lock_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(file: int, blocking: bool) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "lock_descriptor", unsupported)
    with pytest.raises(UserError, match=r"can't lock files \(No locks available\)"), lock.held(tmp_path):
        pass
    assert not lock.in_use(tmp_path), "a report goes on"

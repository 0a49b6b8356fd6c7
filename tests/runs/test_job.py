"""How a command starts and how its jobs end: in one sentence, with a stack trace for developers."""

import contextvars
import errno
import json
import os
import pickle
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ended, Finished, in_process, sentence
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.runs import job, whole

Train = Callable[..., Ended]
CARPET = "+category=carpet"


def failing(error: BaseException) -> Callable[[Any], Any]:
    """A command's way that does nothing but raise `error`."""

    def run(config: Any) -> Any:
        raise error

    return run


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/there/file")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM])
def test_what_the_system_refuses_is_a_sentence(
    train: Train, tmp_path: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", failing(os_error(number)))
    monkeypatch.setattr("anomaly_lab.pipeline.evaluate.evaluate", failing(os_error(number)))
    ended = train(CARPET)
    said = sentence(ended)
    assert said.startswith("error: /there/file c") and os.strerror(number) in said and "directory" in said
    (run,) = ended.directories
    assert (run / "error.txt").read_text() == f"{said.removeprefix('error: ')}\n"

    from anomaly_lab.evaluate import main

    evaluated = in_process(tmp_path, main, "evaluate", f"run={finished.directory}", "out=out")
    assert sentence(evaluated) == said
    assert not (tmp_path / "out/error.txt").exists(), "the directory may be another run's"


BUG = "ZeroDivisionError: by zero (a wrong option, or a bug: ANOMALY_LAB_DEBUG=1 shows where)"


def test_a_bug_ends_a_single_run_in_a_sentence_and_the_log_keeps_its_stack_trace(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", failing(ZeroDivisionError("by\nzero")))
    ended = train(CARPET)
    assert sentence(ended) == f"error: {BUG}"
    (run,) = ended.directories
    assert (run / "error.txt").read_text() == f"{BUG}\n"
    assert "Traceback" in (run / "train.log").read_text()


@pytest.mark.parametrize("several", [False, True])
def test_developers_see_the_stack_trace(train: Train, monkeypatch: pytest.MonkeyPatch, several: bool) -> None:
    monkeypatch.setenv("ANOMALY_LAB_DEBUG", "1")
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", failing(UserError("the lamp is off: switch it on")))
    ended = train(CARPET, *(["seed=0", "-m"] if several else []))
    assert "Traceback" in ended.err and "error: the lamp is off: switch it on\n" in ended.err


def test_a_name_that_is_no_text_is_escaped_in_every_file(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", failing(UserError("gr\udcf6n is odd: rename it")))
    ended = train(CARPET)
    assert r"gr\udcf6n" in sentence(ended)
    assert (ended.directories[0] / "error.txt").read_text() == "gr\\udcf6n is odd: rename it\n"


def test_the_log_takes_what_is_no_text(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", lambda config: job.log.warning("λ gr\udcf6n") or (0.5, True))
    (run,) = train(CARPET).directories
    assert (run / "train.log").read_text(encoding="utf-8") == "[WARNING] λ gr\\udcf6n\n"


SHM = """Caught RuntimeError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "worker.py", line 1, in fetch
RuntimeError: unable to allocate shared memory(shm) for file </torch_1_2_0>: No space left on device (28)
"""


@pytest.mark.parametrize("said", [SHM, "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that"])
def test_small_shared_memory_is_a_sentence_in_the_record_too(train: Train, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """As torch reports it in a container with a /dev/shm of 256 KiB."""
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", failing(RuntimeError(said)))
    ended = train(CARPET)
    assert "use data.num_workers=0" in sentence(ended) and "--shm-size=1g" in ended.err
    assert f"error: {(ended.directories[0] / 'error.txt').read_text()}" == ended.err


def test_with_another_working_directory_relative_paths_keep_their_meaning(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", lambda config: seen.append(Path.cwd()) or (0.5, True))
    assert train(CARPET, "hydra.job.chdir=true").status == 0
    assert train("-m", CARPET, "hydra.job.chdir=true").status == 0
    assert seen == [tmp_path, tmp_path]


def test_what_hydra_says_is_one_sentence(train: Train) -> None:
    for option, named in (
        ("objective.lamm=1", "lamm"),
        ("seed", "seed"),
        ("trainer=null", "trainer"),
        ("seed=${none}", "none"),
    ):
        said = sentence(train(CARPET, option))
        assert named in said and "HYDRA_FULL_ERROR" not in said


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_bug_in_one_job_does_not_end_a_multirun(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    seen = []

    def run(config: Any) -> tuple[float, bool]:
        seen.append(config)
        if len(seen) == 1:
            raise ZeroDivisionError("by\nzero")
        return 0.5, True

    monkeypatch.setattr("anomaly_lab.pipeline.train.run", run)
    monkeypatch.setattr("anomaly_lab.pipeline.evaluate.evaluate", run)
    if command == "train":
        ended = train("-m", CARPET, "seed=0,1")
    else:
        from anomaly_lab.evaluate import main

        ended = in_process(tmp_path, main, command, "-m", "run=somewhere", "scoring.sigma=1,2")
    assert (ended.status, len(seen)) == (1, 2)
    assert "2 jobs, 1 finished, 1 failed\n" in ended.out
    assert f"error: {BUG}\n" in ended.err and "Traceback" not in ended.err + ended.out
    logs = [log.read_text() for log in ended.directories[0].glob(f"*/{command}.log")]
    assert ["Traceback" in log for log in sorted(logs, key=len)] == [False, True], "it can be looked up"
    assert not list(ended.directories[0].glob(".jobs"))


def test_ctrl_c_ends_in_a_sentence(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly_lab.pipeline.train.run", failing(KeyboardInterrupt()))
    ended = train(CARPET)
    assert sentence(ended) == "error: stopped: start the same command again"
    assert not (ended.directories[0] / "error.txt").exists()
    several = train("-m", CARPET, "seed=0,1")
    assert several.status == 130
    assert "1 jobs, 1 cut off\n" in several.out, "the second one never started"
    assert several.err.startswith("cut off: ")
    assert several.err.endswith("before its end\nerror: stopped: start the same command again\n"), "the last line"


@pytest.mark.parametrize("options", [[CARPET], ["-m", CARPET, "seed=0,1"]])
def test_an_error_that_a_signal_has_caused_fails_no_job(
    train: Train, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    def run(config: Any) -> Any:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as stop:
            raise RuntimeError("Error calling __set_name__") from stop

    monkeypatch.setattr("anomaly_lab.pipeline.train.run", run)
    ended = train(*options)
    assert ended.status == 128 + signal.SIGTERM
    assert ended.err.endswith("error: stopped: start the same command again\n") and "Traceback" not in ended.err
    assert not list(ended.directories[0].rglob("error.txt"))


def multirun(folder: Path) -> Any:
    """As much of Hydra's configuration as the callback looks at."""
    hydra = {"sweep": {"dir": str(folder)}, "job": {"num": 0}, "runtime": {"output_dir": str(folder / "job")}}
    return OmegaConf.create({"hydra": {**hydra, "launcher": {"_target_": job.BASIC}}})


def test_records_of_other_machines_and_half_written_ones_are_left_alone(tmp_path: Path) -> None:
    host = socket.gethostname()
    other, dead = (tmp_path / f"runs/s/.jobs/{name}-999999999-1" for name in (f"{host}-2", host))
    for folder in (other, dead):
        folder.mkdir(parents=True)
        (folder / "0.json").write_text("{}")
    jobs = job.Jobs()
    with job.concluded():
        jobs.on_multirun_start(multirun(tmp_path / "runs/s"))
        assert other.is_dir() and not dead.is_dir()
        assert jobs.folder is not None
        (jobs.folder / ".0-abcd.part.json").write_text("{")
    assert other.is_dir() and not jobs.folder.exists()


def test_a_sweeper_gets_the_value_of_a_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also when the callback was sent to another process and back."""
    jobs, config = job.Jobs(), multirun(tmp_path)
    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = job.Ending(job.FINISHED, value=0.75)
    with job.concluded():
        jobs.on_multirun_start(config)
        there = pickle.loads(pickle.dumps(jobs))
        there.on_job_start(config)
        there.on_job_end(config, returned)
    assert returned.return_value == 0.75
    assert capsys.readouterr().out == f"{tmp_path}: 1 jobs, 1 finished\n"


def test_a_job_that_never_ended_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs, config = job.Jobs(), multirun(tmp_path)
    with pytest.raises(SystemExit) as end, job.concluded():
        jobs.on_multirun_start(config)
        jobs.on_job_start(config)
    assert end.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path}: 1 jobs, 1 cut off\n"
    assert captured.err == f"cut off: {tmp_path}/job: stopped or killed before its end\n"


def test_a_job_in_another_process_is_named_once_it_has_imported_what_it_needs(tmp_path: Path) -> None:
    """A multirun that is stopped does not wait for imports."""

    def there(jobs: job.Jobs) -> None:
        assert jobs.folder is not None
        jobs.process = ["elsewhere", 1]
        jobs.on_job_start(multirun(tmp_path))
        record = jobs.folder / "0.json"
        with job.importing():
            assert json.loads(record.read_text())["process"] is None
        assert json.loads(record.read_text())["process"] == whole.this_process()
        (jobs.folder / whole.STOPPED).touch()
        with pytest.raises(KeyboardInterrupt), job.importing():
            pass

    with pytest.raises(SystemExit), job.concluded():
        jobs = job.Jobs()
        jobs.on_multirun_start(multirun(tmp_path))
        contextvars.copy_context().run(there, jobs)


def test_a_stopped_multirun_still_says_how_its_jobs_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), job.concluded():
        jobs = job.Jobs()
        jobs.on_multirun_start(multirun(tmp_path))
        raise KeyboardInterrupt
    assert capsys.readouterr().out.startswith(f"{tmp_path}: 0 jobs")
    with job.concluded():
        pass
    assert not capsys.readouterr().out, "there was no multirun this time"

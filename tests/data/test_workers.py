"""How many worker processes, and that Ctrl-C passes them."""

import signal

import pytest

from anomaly_lab.data.workers import default_workers, ignore_interrupt

CASES = [
    (1, False, 0),
    (2, False, 0),
    (4, False, 2),
    (16, False, 4),
    (1, True, 0),
    (4, True, 2),
    (16, True, 14),
    (64, True, 16),
]


@pytest.mark.parametrize(("cores", "gpu", "expected"), CASES)
def test_workers_leave_cores_to_the_training(cores: int, gpu: bool, expected: int) -> None:
    assert default_workers(cores, gpu) == expected


def test_a_worker_passes_what_stops_a_program() -> None:
    passed = [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]
    before = {each: signal.getsignal(each) for each in (*passed, signal.SIGTERM)}
    try:
        ignore_interrupt(0)
        assert [signal.getsignal(each) for each in passed] == [signal.SIG_IGN] * 3
        signal.raise_signal(signal.SIGTERM)
        assert 0 < signal.alarm(0) <= 10, "it ends later"
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

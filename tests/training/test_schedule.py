"""The share of a training that is done and the learning rate at that share, computed by hand."""

import math
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.callbacks import Timer

from anomaly_lab.training.schedule import Fall, time_share, warmup_cosine


@pytest.mark.parametrize(
    ("done", "factor"),
    [
        (0.0, 0.01),  # not zero, or the first step would change nothing
        (0.05, 0.5),
        (0.1, 1.0),
        (0.55, 0.5),  # halfway between warm-up and end
        (0.325, 0.5 + math.sqrt(0.5) / 2),
        (1.0, 0.0),
        (1.7, 0.0),  # the last step may end after the time limit
    ],
)
def test_the_rate_rises_over_the_warm_up_and_falls_along_a_cosine(done: float, factor: float) -> None:
    assert warmup_cosine(done, warmup=0.1) == pytest.approx(factor, abs=1e-12)


def test_without_a_warm_up_the_rate_begins_at_its_maximum() -> None:
    assert warmup_cosine(0.0, warmup=0.0) == 1.0


@pytest.mark.parametrize(("done", "lam"), [(0, 1), (0.3, 1), (0.4, 0.8), (0.5, 0.6), (0.7, 0.2), (0.9, 0.2), (1, 0.2)])
def test_lambda_falls_along_a_line(done: float, lam: float) -> None:
    assert Fall(0.2, 0.3, 0.7)(done) == pytest.approx(lam)


def test_lambda_may_fall_at_once() -> None:
    fall = Fall(0.2, 0.5, 0.5)
    assert (fall(0.49), fall(0.5)) == (1, pytest.approx(0.2))


def trainer_with(*callbacks: Any) -> Any:
    return SimpleNamespace(callbacks=list(callbacks))


def test_time_share_is_the_passed_share_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    timer = Timer(duration=timedelta(seconds=40))
    assert time_share(trainer_with(object(), timer)) == 0.0, "before the start"
    monkeypatch.setattr(timer, "time_elapsed", lambda stage=None: 10.0)
    assert time_share(trainer_with(timer)) == pytest.approx(0.25)
    monkeypatch.setattr(timer, "time_elapsed", lambda stage=None: 50.0)
    assert time_share(trainer_with(timer)) == 1.0


def test_without_a_limit_no_share_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Timer()
    monkeypatch.setattr(counting, "time_elapsed", lambda stage=None: 10.0)
    assert time_share(trainer_with(counting)) == 0.0
    assert time_share(trainer_with()) == 0.0

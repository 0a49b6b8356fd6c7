"""The small progress bar, and that nothing of it is seen where the output is not a terminal."""

import io
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from rich.progress import Progress

from anomaly_lab import progress


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_is_shown_on_a_terminal_only_and_from_the_first_update(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    bars: list[Progress] = []

    def kept(*columns: Any, **options: Any) -> Progress:
        bars.append(Progress(*columns, **options))
        return bars[0]

    output = io.StringIO()
    output.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(progress, "Progress", kept)
    with progress.bar("Counting") as update:
        assert not bars[0].tasks
        update(1, 7)
        update(6, 7)
    (task,) = bars[0].tasks
    assert (task.description, task.completed, task.total) == ("Counting", 6, 7)
    assert bars[0].disable != terminal and bars[0].live.transient


@pytest.mark.parametrize(("speed", "shown"), [(None, ""), (7.42, "7.4/s")])
def test_the_rate_is_that_of_the_last_items(speed: float | None, shown: str) -> None:
    assert progress.Rate().render(SimpleNamespace(speed=speed)).plain == shown  # type: ignore[arg-type]


def test_a_stream_has_no_total(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    output.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", output)
    assert list(progress.watched("abc", "Counting", None)) == ["a", "b", "c"]


def test_nothing_is_shown_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar("Counting") as update:
        update(1, 2)
    assert list(progress.watched("abc", "Counting", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().out.strip() == ""


def test_what_is_watched_comes_one_by_one_and_counts_when_it_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    class Bar:
        def __enter__(self) -> object:
            return lambda done, total: seen.append((done, total))

        def __exit__(self, *args: object) -> None:
            seen.append("closed")

    monkeypatch.setattr(progress, "bar", lambda what: Bar())
    for item in progress.watched(iter("ab"), "Counting", 2):
        seen.append(item)
    assert seen == ["a", (1, 2), "b", (2, 2), "closed"]


def test_it_starts_without_torch() -> None:
    code = "import sys, anomaly_lab.progress; assert not {'torch', 'lightning', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

"""Arguments key=value: what is understood, and the sentence for what is not."""

from pathlib import Path

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.runs.arguments import given, path, share, switch, whole


def test_values_keep_equal_signs_and_commas() -> None:
    assert given(["runs=a=1,b", "runs=c", "out=d"], ("runs", "out"), ["runs"]) == {"runs": ["a=1,b", "c"], "out": ["d"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs"], "runs is not understood: give runs=, out="),
        (["runs="], "runs= is not understood"),
        (["size=3"], "size=3 is not understood"),
        (["out=a", "out=b"], "out= is given 2 times: give it once"),
        (["out=gr\udcf6n"], "is no text in UTF-8"),
    ],
)
def test_anything_else_is_a_mistake(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        given(arguments, ("runs", "out"), ["runs"])


def test_kinds_of_values() -> None:
    assert path("~/x") == Path.home() / "x"
    assert switch("watch", "true") and not switch("watch", "false")
    assert whole("workers", "12", 1) == 12
    assert share("alpha", "0.05") == 0.05
    for text in ("", "0", "1", "nan", "inf", "five"):
        with pytest.raises(UserError, match=r"alpha is .*: it must be a number between 0 and 1"):
            share("alpha", text)
    for text in ("", "0", "-1", "1.5", "²", "9" * 20):
        with pytest.raises(UserError, match=r"workers is .*: it must be a whole number of at least 1"):
            whole("workers", text, 1)

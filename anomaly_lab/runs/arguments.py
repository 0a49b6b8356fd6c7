"""Arguments key=value of the commands that Hydra does not parse: the paths of runs contain = and commas."""

from collections.abc import Collection, Sequence
from pathlib import Path

from anomaly_lab.errors import UserError, is_text


def given(arguments: Sequence[str], keys: Sequence[str], repeated: Collection[str] = ()) -> dict[str, list[str]]:
    """key → its values. UserError for what is not key=value, another key, and a key twice that is not in `repeated`."""
    found: dict[str, list[str]] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not is_text(argument):
            raise UserError(f"{argument!a} is no text in UTF-8: rename it")
        if not equals or name not in keys or not value:
            raise UserError(f"{argument} is not understood: give {', '.join(f'{k}=' for k in keys)} (see --help)")
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if len(values) > 1 and name not in repeated:
            raise UserError(f"{name}= is given {len(values)} times: give it once")
    return found


def path(text: str) -> Path:
    """The path that a user has written; ~ is the user's own folder."""
    return Path(text).expanduser()


def switch(name: str, text: str) -> bool:
    """true or false. UserError for anything else."""
    if text not in ("true", "false"):
        raise UserError(f"{name} is {text}: it must be true or false")
    return text == "true"


def whole(name: str, text: str, least: int) -> int:
    """A whole number of at least `least`. UserError for anything else."""
    if not text.isascii() or not text.isdigit() or not least <= int(text) < 2**31:
        raise UserError(f"{name} is {text}: it must be a whole number of at least {least}")
    return int(text)


def share(name: str, text: str) -> float:
    """A number between 0 and 1. UserError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise UserError(f"{name} is {text}: it must be a number between 0 and 1")
    return value

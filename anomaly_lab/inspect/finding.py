"""A finding: what was found, how bad it is, and what to do."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

WRONG, NOTE, FINE = "wrong", "note", "fine"  # results would mislead, or training is refused; worth knowing; as it should be
ORDER = {WRONG: 0, NOTE: 1, FINE: 2}


class Finding(NamedTuple):
    """One sentence, which names the remedy unless it is fine. `numbers`: plain values for findings.json. `files`: examples."""

    name: str
    severity: str
    sentence: str
    numbers: Mapping[str, Any] = MappingProxyType({})
    files: tuple[Path, ...] = ()


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, the wrong ones first; those of one severity in their order."""
    return sorted(findings, key=lambda finding: ORDER[finding.severity])


def counted(n: int, what: str, plural: str = "") -> str:
    """ "1 image", "2 images"."""
    return f"{n:,} {what if n == 1 else plural or what + 's'}"

"""The jobs of a multirun that have not started. They have no directory, and never get one if the multirun ends early."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError


def unstarted(record: Path) -> Iterator[tuple[str, ...]]:
    """The overrides of each job of the multirun `record` (a multirun.yaml) that has no directory.

    Only the jobs of Hydra's BasicSweeper are known beforehand; nothing is yielded for another sweeper or a damaged record.
    """
    try:
        config: Any = OmegaConf.load(record)
        sweeper = config.hydra.sweeper
        if not str(sweeper._target_).endswith(".BasicSweeper"):
            return
        given = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        jobs = _jobs([*given, *config.hydra.overrides.task])
        # Hydra's own record of a job identifies it; the name of its directory is shortened
        started = {frozenset(OmegaConf.load(path)) for path in record.parent.glob("*/.hydra/overrides.yaml")}
    except (OSError, YAMLError, OmegaConfBaseException, HydraException, ValueError, AttributeError, KeyError, TypeError):
        return
    for job in jobs:
        if frozenset(job) not in started:
            yield job


def _jobs(overrides: list[str]) -> list[tuple[str, ...]]:
    """The overrides of each job in Hydra's order: every combination, the last key changing fastest."""
    values: dict[str, list[str]] = {}
    for override in OverridesParser.create().parse_overrides(overrides):
        swept = override.is_sweep_override()
        key = override.get_key_element()
        values[key] = list(override.sweep_string_iterator()) if swept else [override.get_value_element_as_str()]
    return [tuple(f"{k}={v}" for k, v in zip(values, job, strict=True)) for job in itertools.product(*values.values())]

"""The configuration that a training command would have, for commands that don't train."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.runs import command_line
from anomaly_lab.runs.checks import check

FOLDER = ("--config-dir", "-cd")


def composed(arguments: Sequence[str]) -> DictConfig:
    """The checked configuration of `python -m anomaly_lab.train ARGUMENTS`; --config-dir DIR is understood too.

    UserError for a mistake, and for what makes several runs, or none.
    """
    for require in (
        command_line.require_names,
        command_line.require_rule,
        command_line.require_choice,
        command_line.require_kept,
        command_line.require_readable,
    ):
        require(arguments)
    folders = [value for option, value in pairwise(arguments) if option in FOLDER]
    folders += [value for option, _, value in (a.partition("=") for a in arguments) if option in FOLDER and value]
    before = ("", *arguments)
    overrides = [a for option, a in zip(before, arguments, strict=False) if not {option, a.partition("=")[0]} & {*FOLDER}]
    for argument in overrides:
        if argument.startswith("-"):
            raise UserError(f"{argument} is not understood here: give the data of one training (see --help)")
    overrides = [command_line.quoted(argument) for argument in overrides]
    if folders:
        paths = ",".join(f"'file://{Path(folder).expanduser().resolve()}'" for folder in folders)
        overrides.append(f"hydra.searchpath=[{paths}]")
    try:
        with initialize_config_dir(str(command_line.CONF), version_base="1.3"):
            config = compose("train", overrides=overrides)
    except HydraException as error:
        raise UserError(f"the arguments can't be understood: {' '.join(str(error).split())}") from error
    finally:
        GlobalHydra.instance().clear()
    check(config)
    OmegaConf.resolve(config)
    return config

"""The command line before Hydra reads it: quotes around paths, a directory for the run, and mistakes named in a sentence."""

import importlib.util
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from anomaly_lab.errors import UserError

# the configuration lies in the package if that was installed from a wheel, else beside it
CONF = next(folder / "conf" for folder in Path(__file__).parents[1:3] if (folder / "conf").is_dir())
# hydra/launcher=<key> needs a module, which a command installs
LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "pip install 'anomaly_lab[joblib]'"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "pip install 'anomaly_lab[submitit]'"),
    "submitit_slurm": ("hydra_plugins.hydra_submitit_launcher", "pip install 'anomaly_lab[submitit]'"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "pip install hydra-ray-launcher, in an environment of its own"),
}
PATHS = ("resume", "init", "run", "out", "hydra.run.dir", "hydra.sweep.dir")  # options whose value is a run's directory
TEXTS = ("data.root", "mvtec_root", "category.name", "data.cache.folder")  # other options whose value is a path or a name
NO_SINGLE_RUN = ("-m", "--multirun", "-c", "--cfg", "-h", "--help", "--hydra-help")  # they ask for several runs, or for none
STORED = {(option, name) for option in ("--config-name", "-cn") for name in ("config", "config.yaml")}


def prepared(arguments: Sequence[str]) -> list[str]:
    """The arguments as Hydra needs them. UserError for a mistake that Hydra would answer without a remedy."""
    require_launcher(arguments)
    require_multirun(arguments)
    require_rule(arguments)
    several = bool({"-m", "--multirun"} & set(arguments))
    return placed([quoted(argument, several) for argument in arguments])


def quoted(argument: str, several: bool = False) -> str:
    """The argument with quotes around a path or a name, whose characters can have a meaning in Hydra.

    A run's directory always gets them: its name contains "=" and ",". Another path or name gets them where Hydra would not read
    it as one value. In a multirun (`several`), commas separate several of them. A value that has quotes or an interpolation
    stays as it is.
    """
    option, equals, value = argument.partition("=")
    name = option.lstrip("+")
    if name not in (*PATHS, *TEXTS) or not equals or value.startswith(("'", '"')) or "${" in value:
        return argument
    if name in TEXTS and _is_read(argument, several):
        return argument
    values = value.split(",") if several and name in TEXTS else [value]
    return f"{option}={','.join(map(_in_quotes, values))}"


def _in_quotes(value: str) -> str:
    """The value in single quotes. Hydra takes a backslash as it is, except before a quote."""
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + found[2].replace("'", r"\'"), value)
    return f"'{escaped}'"


def _is_read(argument: str, several: bool) -> bool:
    """Whether Hydra's grammar reads the argument as one value, or as one or more if `several`."""
    try:
        override = OverridesParser.create().parse_override(argument)
        return several if override.is_sweep_override() else not isinstance(override.value(), list | dict)
    except HydraException:
        return False


def placed(arguments: list[str]) -> list[str]:
    """The arguments with a hydra.run.dir= if they use a run's config.yaml, which doesn't name a directory."""
    # Hydra takes `--config-name config`, `--config-name=config`, `-cn config` and `-cn=config`
    options = {*pairwise(arguments), *(argument.partition("=")[::2] for argument in arguments)}
    if not STORED & options or any(argument.startswith("hydra.run.dir=") for argument in arguments):
        return arguments
    return [*arguments, f"hydra.run.dir=runs/{datetime.now():%Y-%m-%d_%H-%M-%S-%f}_again"]


def require_launcher(arguments: Sequence[str]) -> None:
    """UserError if a launcher is not installed: Hydra's own message doesn't say how to install it."""
    for argument in arguments:
        key, _, name = argument.partition("=")
        if key == "hydra/launcher" and name in LAUNCHERS:
            module, remedy = LAUNCHERS[name]
            if not is_installed(module):
                raise UserError(f"{argument} is not installed: {remedy}")


def is_installed(module: str) -> bool:
    """Whether a module can be imported; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def require_rule(arguments: Sequence[str]) -> None:
    """UserError if a parameter of a calibration rule is given without the rule: Hydra's own message doesn't name the remedy."""
    keys = [argument.split("=", 1)[0] for argument in arguments]
    for key in keys:
        if key.startswith("calibration.") and "calibration" not in keys:
            raise UserError(f"{key} belongs to a rule: name that too, as in calibration=quantile calibration.q=0.9")


def require_multirun(arguments: Sequence[str]) -> None:
    """UserError if a grid (sweep=) is given without -m: Hydra would ignore the grid and make one run of the defaults."""
    grids = [argument for argument in arguments if argument.lstrip("+").startswith("sweep=")]
    if grids and not any(a in NO_SINGLE_RUN or a.startswith(("hydra.mode=", "--cfg=", "-c=")) for a in arguments):
        raise UserError(f"{grids[0]} is a grid of several runs: add -m")

"""The command line before Hydra reads it: quotes, places, and mistakes that Hydra would answer with its own insides."""

import importlib.util
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from anomaly_lab.errors import UserError

# hydra/launcher=… → (the module that must be there, what installs it)
PACKAGES = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "pip install 'anomaly_lab[joblib]'"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "pip install 'anomaly_lab[submitit]'"),
    "submitit_slurm": ("hydra_plugins.hydra_submitit_launcher", "pip install 'anomaly_lab[submitit]'"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "pip install hydra-ray-launcher, in an environment of its own"),
}


def require(arguments: Sequence[str]) -> None:
    """UserError where a launcher is asked for that is not installed: Hydra would only list those that are."""
    for argument in arguments:
        key, _, name = argument.partition("=")
        if key == "hydra/launcher" and name in PACKAGES:
            module, remedy = PACKAGES[name]
            if not _is_there(module):
                raise UserError(f"hydra/launcher={name} is not installed: {remedy}")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even hydra_plugins
        return False


def quoted(argument: str) -> str:
    """A command-line argument as Hydra understands it: a run directory given as it is called gets quotes around it."""
    name, equals, value = argument.partition("=")
    named = name in ("resume", "run", "out", "hydra.run.dir", "hydra.sweep.dir")
    if not named or not equals or value.startswith(("'", '"')) or "${" in value:
        return argument
    escaped = value.replace("'", r"\'")
    return f"{name}='{escaped}'"


def placed(arguments: list[str]) -> list[str]:
    """The command line with a place for the run where its configuration is another run's config.yaml: it holds none."""
    given = "--config-name config" in " ".join(arguments).replace("=", " ")
    if not given or any(argument.startswith("hydra.run.dir=") for argument in arguments):
        return arguments
    return [*arguments, f"hydra.run.dir=runs/{datetime.now():%Y-%m-%d_%H-%M-%S-%f}_again"]


def require_whole_rule(arguments: Sequence[str]) -> None:
    """UserError for the parameter of a rule without the rule, which Hydra would answer with its own insides."""
    keys = [argument.split("=", 1)[0] for argument in arguments]
    for key in keys:
        if key.startswith("calibration.") and "calibration" not in keys:
            raise UserError(f"{key} belongs to a rule: name that too, as in calibration=quantile calibration.q=0.9")


def require_multirun(arguments: Sequence[str]) -> None:
    """UserError for a grid without -m: Hydra would leave it aside and make one run of the defaults."""
    grids = [a for a in arguments if a.lstrip("+").startswith("sweep=")]
    asked = any(a in ("-m", "--multirun") or a.startswith(("hydra.mode=", "-c", "--cfg", "-h", "--h")) for a in arguments)
    if grids and not asked:
        raise UserError(f"{grids[0]} is a grid of several runs: add -m")


# in a checkout beside the package, in an installed wheel inside it
PACKAGE = Path(__file__).parent.parent
CONF = next(p for p in (PACKAGE / "conf", PACKAGE.parent / "conf") if p.is_dir())

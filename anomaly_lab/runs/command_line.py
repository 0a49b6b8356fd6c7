"""The command line before Hydra reads it: quotes around paths, a directory for the run, and mistakes named in a sentence."""

import contextlib
import importlib.util
import os
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, QuotedString
from hydra.errors import HydraException

from anomaly_lab.errors import UserError, is_text

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
# other options whose value is a path or a name: data.root, category.name, model.encoder_file, logger.wandb.group …
TEXTS = re.compile(
    r"(\w+\.)*(\w+_)?(root|folder|file|dir|subdir|filename|name|project|entity|group|notes)|data\.(normal|defects|masks)"
)
LISTS = ("logger.wandb.tags", "hydra.searchpath")  # options whose value is a list of names or paths
VALUED = frozenset(("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p", "--cfg", "-c"))
SOURCE = re.compile(r"file://([^,\]'\"]+)")  # a folder in hydra.searchpath
OPTIONAL = ("callbacks", "logger", "metrics", "hydra")  # groups whose parts may be taken away with ~
NO_NAME = re.compile(r"null|true|false|nan|inf|[\d.e_+-]*|\[[\d., ]*\]", re.IGNORECASE)  # what names no choice
NO_SINGLE_RUN = ("-m", "--multirun", "-c", "--cfg", "-h", "--help", "--hydra-help")  # they ask for several runs, or for none
STORED = {(option, name) for option in ("--config-name", "-cn") for name in ("config", "config.yaml")}


def prepared(arguments: Sequence[str]) -> list[str]:
    """The arguments as Hydra needs them. UserError for a mistake that Hydra would answer without a remedy."""
    require_names(arguments)
    require_launcher(arguments)
    require_multirun(arguments)
    require_rule(arguments)
    require_choice(arguments)
    require_kept(arguments)
    require_readable(arguments)
    require_plain(arguments)
    several = bool({"-m", "--multirun"} & set(arguments))
    before = ("", *arguments)  # the value of an option such as --config-dir is no key=value
    return placed([a if option in VALUED else quoted(a, several) for option, a in zip(before, arguments, strict=False)])


def require_names(arguments: Sequence[str]) -> None:
    """UserError for a name that is no text, in an argument, the current folder or a variable: no file of ours holds it."""
    try:
        here = os.getcwd()
    except OSError as error:
        raise UserError(f"the current folder does not exist any more ({error.strerror}): change to another one") from error
    places = {"the current folder": here}
    places |= {name: os.environ[name] for name in ("ANOMALY_LAB_CACHE", "HOME") if name in os.environ}
    for said in (*arguments, *(f"{name} {place}" for name, place in places.items())):
        if not is_text(said):
            raise UserError(f"{said!a} is no text in UTF-8: rename the file or folder")


def quoted(argument: str, several: bool = False) -> str:
    """The argument with quotes around a path or a name, whose characters can have a meaning in Hydra.

    A run's directory always gets them: its name contains "=" and ",". Another path or name gets them where Hydra would not read
    it as one value, and any other value that Hydra can't read at all, except a list, a mapping or a call. In a multirun
    (`several`), commas separate several of them, except in Hydra's own options. A value that has quotes or an interpolation
    stays as it is. UserError for a path or a name that is empty, which a variable of the shell may be: it would mean the
    current folder.
    """
    option, equals, value = argument.partition("=")
    name = option.lstrip("+")
    if not equals or option.startswith(("-", "~", "/", ".")) or "${" in value:
        return argument
    if not value and (name in PATHS or TEXTS.fullmatch(name)):
        raise UserError(f"{argument} has no value after the sign: give a path or a name, or leave the option out")
    if name in LISTS and value.startswith("[") and value.endswith("]") and value != "[]":
        return f"{option}=[{','.join(quoted(f'x={part}')[2:] for part in value[1:-1].split(','))}]"
    if name in PATHS:
        return argument if _in_quotes_already(value) else f"{option}={_in_quotes(os.path.expanduser(value))}"
    text, several = TEXTS.fullmatch(name) is not None, several and not name.startswith("hydra.")
    if _is_read(argument, several, text) or (not text and re.match(r"[\[{]|\w+\(", value)):
        return argument
    values = value.split(",") if several else [value]
    return f"{option}={','.join(map(_in_quotes, values))}"


def _in_quotes(value: str) -> str:
    """The value in single quotes. Hydra takes a backslash as it is, except before a quote."""
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + found[2].replace("'", r"\'"), value)
    return f"'{escaped}'"


def _in_quotes_already(value: str) -> bool:
    return value.startswith(("'", '"')) and _is_read(f"x={value}", several=False, text=True)


def _is_read(argument: str, several: bool, text: bool) -> bool:
    """Whether Hydra's grammar reads the argument; a `text` as one text or null, or as one or more if `several`."""
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    if not text:
        return True
    found = override.value()
    values = (found.list if several and isinstance(found, ChoiceSweep) else [found]) or []
    kept = argument == argument.strip() and "= " not in argument  # Hydra drops the blanks around a value
    return kept and all(value is None or isinstance(value, str | QuotedString) for value in values)


def placed(arguments: list[str]) -> list[str]:
    """The arguments with a hydra.run.dir= if they use a run's config.yaml, which doesn't name a directory."""
    # Hydra takes `--config-name config`, `--config-name=config`, `-cn config` and `-cn=config`
    options = {*pairwise(arguments), *(argument.partition("=")[::2] for argument in arguments)}
    if not STORED & options or any(argument.startswith("hydra.run.dir=") for argument in arguments):
        return arguments
    return [*arguments, f"hydra.run.dir=runs/{datetime.now():%Y-%m-%d_%H-%M-%S-%f}_again"]


def require_readable(arguments: Sequence[str]) -> None:
    """UserError for a file of settings that Hydra would misread: with other bytes than UTF-8, or with a byte order mark.

    After such a mark Hydra does not see `# @package _global_`, and the file would change nothing.
    """
    options = [*pairwise(arguments), *(argument.partition("=")[::2] for argument in arguments)]
    folders = [Path(value) for option, value in options if option in ("--config-dir", "-cd")]
    folders += [Path(found) for option, value in options if "searchpath" in option for found in SOURCE.findall(value)]
    for path in (path for folder in folders for depth in ("*", "*/*", "*/*/*") for path in folder.glob(f"{depth}.yaml")):
        try:
            marked = path.read_text(encoding="utf-8").startswith("\ufeff")
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is no text in UTF-8: save it as UTF-8") from error
        if marked:
            raise UserError(f"{path} begins with a byte order mark: save it as UTF-8 without one")


def require_plain(arguments: Sequence[str]) -> None:
    """UserError for a run's config.yaml, possibly a stranger's, with settings of Hydra: these can name any code."""
    options = {*pairwise(arguments), *(argument.partition("=")[::2] for argument in arguments)}
    folders = [Path(value) for option, value in options if option in ("--config-dir", "-cd")] if STORED & options else []
    for path in (path for folder in folders if (path := folder / "config.yaml").is_file()):
        with contextlib.suppress(yaml.YAMLError):  # Hydra tells where the mistake is
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            if isinstance(content, dict) and (found := content.keys() & {"hydra", "defaults"}):
                raise UserError(
                    f"{path} is no run's configuration, since it has {min(found)}: give one of your own another name"
                )


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


def require_choice(arguments: Sequence[str]) -> None:
    """UserError if nothing, a switch or a number is chosen of a group, as in trainer=null: Hydra would not name the group."""
    for argument in arguments:
        group, equals, value = argument.lstrip("+~").partition("=")
        if equals and not group:
            raise UserError(f"{argument} has no option before the sign: write option=value")
        if group == "hydra/job_logging" and value in ("disabled", "none", "stdout"):
            raise UserError(f"{argument} can't be used: a run keeps its log; hydra.job_logging.root.level=ERROR says less")
        if not equals or not NO_NAME.fullmatch(value) or not (group == "hydra" or (CONF / group).is_dir()):
            continue
        known = ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        if group in OPTIONAL and value == "null" and group != "hydra":
            raise UserError(f"{argument} can't be used: write ~{group} to leave it out")
        if not (group == "debug" and value == "null"):  # the default
            choose = f"name one of {known}, or your own" if known else f"set one of its parts, {group}.PART=VALUE"
            raise UserError(f"{argument} chooses nothing: {choose}")


def require_kept(arguments: Sequence[str]) -> None:
    """UserError if an option that is needed is taken away, as in ~batch_size. Parts that add something may be."""
    for argument in arguments:
        if argument.startswith("~") and argument[1:].partition("=")[0].split(".")[0] not in OPTIONAL:
            raise UserError(f"{argument} takes away an option that is needed: set it to another value")


def require_multirun(arguments: Sequence[str]) -> None:
    """UserError if a grid (sweep=) is given without -m: Hydra would ignore the grid and make one run of the defaults."""
    grids = [argument for argument in arguments if argument.lstrip("+").startswith("sweep=")]
    if grids and not any(a in NO_SINGLE_RUN or a.startswith(("hydra.mode=", "--cfg=", "-c=")) for a in arguments):
        raise UserError(f"{grids[0]} is a grid of several runs: add -m")

"""Search λ and the strength of the corruption with Optuna, by the validation proxy. Test images choose nothing.

    python -m anomaly_lab.search +category=carpet objective=restore trials=20
    python -m anomaly_lab.search +category=carpet objective=restore trials=40     # continues with 20 more

trials= is the number of trials in the end, study= their folder. All other options are for anomaly_lab.train; they are the same
for all trials of a study. If the search is stopped or killed, the same command continues it, and the trial that was cut off;
for trials that failed it makes others. Several processes may share a study.
"""

from anomaly_lab.signals import at_once, deferred

at_once(__name__)

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.files import make_folder, read_json, write_json
from anomaly_lab.runs import command_line, directory, fingerprint, lock
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.command_line import CONF

# key → (format of its value, minimum, maximum)
SPACE = {
    "objective.lam": ("{:.4f}", 0.05, 0.99),
    "corruption.size": ("[0.1,{:.4f}]", 0.2, 0.8),  # the largest patch, as a share of the crop's sides
    "corruption.brightness": ("[0.05,{:.4f}]", 0.1, 0.5),  # the largest shift of a patch's brightness
}
DEFAULT_TRIALS = 20
JOURNAL, TRAINING = "journal.log", "training.json"  # files of a study: its trials, and the configuration that they share


def main() -> None:
    """The command line."""
    with ending_in_a_sentence("stopped: start the same command again"):
        if {"-h", "--help"} & set(sys.argv[1:]):
            print(__doc__)
        else:
            search(sys.argv[1:])


def search(arguments: list[str]) -> None:
    """Make trials until the study has as many as trials= says, and print the best. UserError if none succeeds."""
    command_line.require_names(arguments)
    command_line.require_choice(arguments)
    own = dict(a.split("=", 1) for a in arguments if a.startswith(("trials=", "study=")))
    training = [command_line.quoted(a) for a in arguments if not a.startswith(("trials=", "study="))]
    if not (wanted := own.get("trials", str(DEFAULT_TRIALS))).isdigit() or int(wanted) < 1:
        raise UserError(f"trials is {wanted}: it must be a number of at least 1")
    if not command_line.is_installed("optuna"):
        raise UserError("optuna is not installed: pip install 'anomaly_lab[optuna]'")
    config = require_searchable(training)
    folder = Path(own.get("study") or f"runs/search_{directory.search_directory(training, config)}")
    make_folder(folder, "study=")
    require_same(folder, config)
    with deferred():
        study = _study(folder)
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():  # it was cut off, or another process works at it: _run finds out
            _run(study, trial.number, trial.params, training, folder)
    # what failed at an earlier start is made up for, since its cause may be gone: a network drive that is back
    before = sum(trial.state.name == "FAIL" for trial in study.get_trials(deepcopy=False))
    while len(study.get_trials(deepcopy=False)) - before < int(wanted):
        with deferred():  # else the journal can stay locked
            trial = study.ask()
            drawn = {name: trial.suggest_float(name, low, high) for name, (_, low, high) in SPACE.items()}
        _run(study, trial.number, drawn, training, folder)
    trials = study.get_trials(deepcopy=False)
    unfinished = (trial.number for trial in trials if not trial.state.is_finished())
    if elsewhere := [str(number) for number in unfinished if lock.in_use(_place(folder, number))]:
        print(f"another process trains trial {', '.join(elsewhere)}: start the same command again when it has ended")
    if all(trial.value is None for trial in trials):
        if elsewhere:
            return
        raise UserError(f"none of {len(trials)} trials in {folder} has succeeded: their error.txt say why")
    best = study.best_trial
    print(f"{folder}: of {len(trials)} trials number {best.number} has the highest proxy, {best.value:.4f}, with")
    print(f"  python -m anomaly_lab.train {' '.join([*training, *overrides(best.params)])}")


def require_searchable(training: list[str]) -> DictConfig:
    """The training command's configuration. UserError, before any trial, if it is wrong or lacks a key that is searched."""
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=training)
    except HydraException as error:
        raise UserError(f"the training command can't be understood: {' '.join(str(error).split())}") from error
    check(config)
    for name in SPACE:
        part = name.partition(".")[0]
        if OmegaConf.select(config, name) is None:
            raise UserError(f"{part}={config[part].name} has no {name} to search: use another {part}=")
    return config


def require_same(folder: Path, config: DictConfig) -> None:
    """Record the training command's configuration in the study. UserError if the study has another one, or other data."""
    here = fingerprint.flatten(fingerprint.normalised(config)) | {"data.root": directory.place_of_data(config)}
    here = {key: value for key, value in here.items() if key not in SPACE}  # these are drawn
    path = folder / TRAINING
    if not path.is_file() and not (folder / JOURNAL).is_file():
        write_json(path, here)
    there = read_json(path) if path.is_file() else {}
    for key in sorted(there.keys() | here.keys()):
        if there.get(key) != here.get(key):
            what = f"{key} is {there.get(key, 'not set')} there, not {here.get(key, 'left unset')}"
            raise UserError(f"{folder} holds the trials of another training command: {what}; choose another folder with study=")


def overrides(parameters: dict[str, float]) -> list[str]:
    """A trial's parameters as options of the training command."""
    return [f"{name}={SPACE[name][0].format(value)}" for name, value in parameters.items()]


def _study(folder: Path) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))  # one that goes on must not draw the same again
    return study


def _place(folder: Path, number: int) -> Path:
    return folder / f"trial_{number:03d}"


def _run(study: Any, number: int, parameters: dict[str, float], training: list[str], folder: Path) -> None:
    """Train a trial, unless it has finished, and tell the study its proxy, or that it failed."""
    from optuna.trial import TrialState

    run = _place(folder, number)
    if not (run / "metrics.json").is_file():
        if not parameters or lock.in_use(run):  # it was killed before it drew parameters, or another process works at it
            return
        print(f"trial {number}: {' '.join(overrides(parameters))}", flush=True)
        target = command_line.quoted(f"hydra.run.dir={run}")
        status = _train([*training, *overrides(parameters), target])
        if status < 0 or (status and not (run / directory.FAILURE).is_file()):
            raise UserError(f"trial {number} was stopped in {run}: the same command continues it")
        if status:
            with deferred():
                study.tell(number, state=TrialState.FAIL)
            return
    with deferred():
        study.tell(number, json.loads((run / "metrics.json").read_text())["proxy_ap"], skip_if_finished=True)


def _train(options: list[str]) -> int:
    """Run the training command and return its status. If the search is stopped, the training stops with a checkpoint."""
    # in a group of its own, so that Ctrl-C of the terminal reaches the search alone: the training must get one signal, as a
    # second one stops it without a checkpoint
    training = None
    try:
        with deferred():
            training = subprocess.Popen([sys.executable, "-m", "anomaly_lab.train", *options], process_group=0)
        return training.wait()
    finally:  # at once if it has ended
        if training is not None:
            training.terminate()
            try:
                training.wait()
            except KeyboardInterrupt:  # Ctrl-C again, or it takes long
                training.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    training.wait(2)
            training.kill()


if __name__ == "__main__":
    main()

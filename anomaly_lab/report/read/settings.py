"""What a setting is: everything that a run was asked to do, except its seed and what changes no number; and its name."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from anomaly_lab.report.read.run import Run
from anomaly_lab.runs.fingerprint import NEUTRAL, flatten, is_below

IGNORED = (*NEUTRAL, "seed", "scoring.detector.seed", "test")  # change no number, or follow from the seed
OF_CATEGORY = ("category.name", "category.kind", "category.augmentation")  # follow from the choice of the category
EVALUATION = "evaluated again, trained on"  # a key that only the settings of evaluations have
RECALIBRATED = "recalibrated on"  # a key of evaluations whose threshold the command `calibrate` has set
AGAIN = {EVALUATION: "evaluated again", RECALIBRATED: "recalibrated"}  # key → its word where all settings share the value
RECORDED = ("data", "category", "objective", "lam", "corruption", "model", "image_size", "score_pooling", "sigma", "min_area")
UNTRAINED = "none"  # the objective of a model that is used without training
INLINE, BRIEF = 2, 24  # at most so many values, each of at most so many characters, fit into a column's heading
PARTS = ("objective", "corruption", "model")
NAMED = ("lam", *PARTS, "objective.lam", *(f"{part}.name" for part in PARTS))  # every name tells these


def setting_of(run: Run) -> dict[str, Any]:
    """The setting of a finished run as a flat mapping: {"objective.lam": 0.5, …}.

    A run without config.yaml has the values RECORDED in its metrics.json. A run on other than synthetic data has their
    root folder in its setting, since two folders may have the same name. An evaluation never has the setting of a training.
    """
    flat = flatten(run.config) if run.config else {name: run.metrics.get(name) for name in RECORDED}
    setting = {k: v for k, v in flat.items() if not is_below(k, IGNORED)}
    if run.metrics.get("data") != "synthetic":
        setting["data.root"] = flat.get("data.root")
    if run.metrics.get("source_run") is not None:
        setting[EVALUATION] = run.metrics.get("trained_on")
    if run.metrics.get("calibrated_on") is not None:
        setting[RECALIBRATED] = run.metrics["calibrated_on"]
    return setting


def across_categories(setting: Mapping[str, Any]) -> dict[str, Any]:
    """A setting without the keys that say which data and which category it is on."""
    if RECALIBRATED in setting:
        parts = ("*" if part == setting.get("category.name") else part for part in Path(str(setting[RECALIBRATED])).parts)
        setting = {**setting, RECALIBRATED: Path(*parts).as_posix()}
    return {k: v for k, v in setting.items() if not is_below(k, (*OF_CATEGORY, "data.root", "data.name", "data.reader"))}


def key(setting: Mapping[str, Any]) -> str:
    """A setting as a string; equal settings have equal strings."""
    return json.dumps(setting, sort_keys=True, default=str)


class Name(NamedTuple):
    """`text`: the name. `differing`: the keys of the configuration, with their values, that tell this setting from another."""

    text: str
    differing: Mapping[str, Any]


def names(runs: Sequence[Run]) -> dict[str, Name]:
    """The names of the runs' settings, by `key(across_categories(setting))`.

    A name has the model (if models vary), objective and λ, the corruption (if it does not go without saying), then what else
    differs: one or two short values in words. If that is too long, equal names get a letter, and the table of settings lists
    what differs.
    """
    firsts: dict[str, tuple[Run, dict[str, Any]]] = {}
    for run in runs:
        setting = across_categories(setting_of(run))
        firsts.setdefault(key(setting), (run, setting))
    every = [setting for _, setting in firsts.values()]
    several = len({str(run.metrics.get("model")) for run in runs}) > 1
    texts, differing = {}, {}
    for label, (run, setting) in firsts.items():
        differing[label] = {k: setting[k] for k in _differing(setting, every)}
        words = [f"{k} {v}" if k in AGAIN else f"{k.rpartition('.')[2]}={v}" for k, v in differing[label].items()]
        words = [word for k, word in AGAIN.items() if k in setting and k not in differing[label]] + words
        brief = len(words) <= INLINE and all(len(word) <= BRIEF or word.startswith(tuple(AGAIN)) for word in words)
        model = [str(run.metrics.get("model"))] if several else []
        goal = short(run.metrics["objective"], run.metrics.get("lam"))
        texts[label] = ", ".join([*model, goal, *_corruption(run, runs), *(words if brief else [])])
    return {label: Name(text, differing[label]) for label, text in distinct(texts).items()}


def short(objective: str, lam: float | None) -> str:
    """ "amplify λ=0.99"; "untrained" if the network has no objective."""
    if objective == UNTRAINED:
        return "untrained"
    return str(objective) if lam is None else f"{objective} λ={lam:g}"


def distinct(texts: Mapping[str, str]) -> dict[str, str]:
    """The same mapping with a letter (a, b, …, z, 26, 27, …) after each text that occurs more than once."""
    count, seen = Counter(texts.values()), Counter[str]()
    result = {}
    for label, text in texts.items():
        i = seen[text]
        seen[text] += 1
        result[label] = f"{text} ({chr(97 + i) if i < 26 else i})" if count[text] > 1 else text
    return result


def _corruption(run: Run, runs: Sequence[Run]) -> list[str]:
    """The corruption's name if it differs among settings of the same objective or trainings of the same model; else nothing.

    An untrained model has no corruption.
    """
    m, every = run.metrics, [other.metrics for other in runs]
    untrained = m["objective"] == UNTRAINED
    trained = [] if untrained else [o for o in every if o.get("model") == m.get("model") and o["objective"] != UNTRAINED]
    alike = [o for o in every if o["objective"] == m["objective"]]
    if len({str(o.get("corruption")) for o in (*alike, *trained)}) == 1:
        return []
    if m.get("corruption") == "none":
        return [] if untrained else ["no corruption"]
    return [str(m.get("corruption"))]


def _differing(setting: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys of `setting` that another setting has too, with another value.

    The parts of an objective, a corruption or a model are only compared with those of the same name.
    """
    found = []
    for k in (k for k in setting if k not in NAMED):
        part = f"{k.partition('.')[0]}.name" if k.partition(".")[0] in PARTS else ""
        if any(k in o and o[k] != setting[k] and o.get(part) == setting.get(part) for o in others):
            found.append(k)
    return found

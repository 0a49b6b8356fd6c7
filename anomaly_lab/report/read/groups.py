"""Runs of equal settings and different seeds as one group, with mean and spread; and the names that settings go by."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly_lab.report.read.collect import FINISHED, Run
from anomaly_lab.runs.fingerprint import NEUTRAL, flatten, is_below

# parts of a configuration that change no number, or that a group is not told apart by
OTHER = (*NEUTRAL, "seed", "scoring.detector.seed", "data.root", "test")
OF_CATEGORY = ("category.name", "category.kind", "category.augmentation")  # follow from the category chosen

UNTRAINED = "none"  # the objective of a model that is taken as it is
EVALUATION = "evaluated again, trained on"
INLINE, BRIEF = 2, 24  # so many keys, of so many characters, still read well in the heading of a column


@dataclass(frozen=True)
class Statistic:
    """Mean and sample standard deviation (None for fewer than two) of the n runs that have the figure; mean None for n = 0."""

    mean: float | None
    spread: float | None
    n: int


def statistic(values: Iterable[float | None]) -> Statistic:
    """Of the values that are not None. One value is returned as it is."""
    known = [value for value in values if value is not None]
    if not known:
        return Statistic(None, None, 0)
    if len(known) == 1:
        return Statistic(known[0], None, 1)
    return Statistic(statistics.fmean(known), statistics.stdev(known), len(known))


@dataclass(frozen=True)
class Group:
    """Finished runs that differ in their seeds only: the newest of each seed, in the order of the seeds. `earlier` are runs
    that were repeated with the same seed: they are listed, and count nowhere."""

    setting: Mapping[str, Any]
    runs: tuple[Run, ...]
    earlier: tuple[Run, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """A value of metrics.json that all runs share, such as "data", "category", "objective" or "lam"."""
        return self.runs[0].metrics.get(name)

    def statistic(self, metric: str) -> Statistic:
        return statistic(run.metrics.get(metric) for run in self.runs)

    def by_seed(self, metric: str) -> dict[int, Run]:
        """Seed → run, of the runs that have the figure."""
        return {r.metrics["seed"]: r for r in self.runs if r.metrics.get(metric) is not None}

    @property
    def seeds(self) -> list[int]:
        return [run.metrics["seed"] for run in self.runs]


def group(runs: Iterable[Run]) -> list[Group]:
    """The finished ones among `runs`, grouped; in the order of data, category, objective and λ."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.state == FINISHED:
            found.setdefault(key(setting_of(run)), []).append(run)
    groups = []
    for members in found.values():
        newest = {run.metrics["seed"]: run for run in sorted(members, key=_date)}
        kept = tuple(newest[seed] for seed in sorted(newest, key=str))
        groups.append(Group(setting_of(kept[0]), kept, tuple(run for run in members if run not in kept)))
    return sorted(groups, key=lambda g: [str(g[k]) for k in ("data", "category", "objective", "lam", "corruption", "model")])


def setting_of(run: Run) -> dict[str, Any]:
    """What a run was asked to do, but for seed, machine and records: {"objective.lam": 0.5, …}. Where there is no
    configuration, what metrics.json says of it. Real data are told apart by their folder: their name could be anything's."""
    known = ("data", "category", "objective", "lam", "corruption", "model", "image_size", "score_pooling", "sigma", "min_area")
    flat = flatten(run.config) if run.config else {name: run.metrics.get(name) for name in known}
    setting = {k: v for k, v in flat.items() if not is_below(k, OTHER)}
    if run.metrics.get("data") != "synthetic":
        setting["data.root"] = flat.get("data.root")
    if run.metrics.get("source_run") is not None:  # never taken together with what was measured right after a training
        setting[EVALUATION] = run.metrics.get("trained_on")
    return setting


def across_categories(setting: Mapping[str, Any]) -> dict[str, Any]:
    """A setting without what says which category of which data it is."""
    return {k: v for k, v in setting.items() if not is_below(k, (*OF_CATEGORY, "data.root", "data.name"))}


def key(setting: Mapping[str, Any]) -> str:
    """A setting as a string, equal for equal settings."""
    return json.dumps(setting, sort_keys=True, default=str)


def names(groups: Sequence[Group]) -> dict[str, str]:
    """A name for the setting of each group, by `key(across_categories(setting))`: model, where models vary, objective and λ,
    corruption, and what else tells it from the others: one or two short values in words, more as a letter (see `legend`)."""
    found, several = {}, len({str(g["model"]) for g in groups}) > 1
    for label, (g, others) in _told_apart(groups).items():
        words = [f"{k.rpartition('.')[2]}={v}" for k, v in others.items()]
        words = ["evaluated again", *words] if EVALUATION in g.setting else words
        brief = len(words) <= INLINE and all(len(w) <= BRIEF for w in words)
        model = [str(g["model"])] if several else []
        found[label] = ", ".join([*model, short(g["objective"], g["lam"]), *_corruption(g, groups), *(words if brief else [])])
    return _distinct(found)


def _corruption(g: Group, groups: Sequence[Group]) -> list[str]:
    """Its name where settings of the same objective, or trainings of the same model, differ in it: else it goes without saying.
    An untrained model has none to speak of."""
    untrained = g["objective"] == UNTRAINED
    trained = [] if untrained else [o for o in groups if o["model"] == g["model"] and o["objective"] != UNTRAINED]
    alike = [o for o in groups if o["objective"] == g["objective"]]
    if len({str(o["corruption"]) for o in (*alike, *trained)}) == 1:
        return []
    if g["corruption"] == "none":
        return [] if untrained else ["no corruption"]
    return [str(g["corruption"])]


def legend(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    """Name of a setting → the keys of its configuration, and their values, that tell it from the others in these groups."""
    named = names(groups)
    return {named[label]: others for label, (_, others) in _told_apart(groups).items()}


def _told_apart(groups: Sequence[Group]) -> dict[str, tuple[Group, dict[str, Any]]]:
    settings = {key(across_categories(g.setting)): across_categories(g.setting) for g in groups}
    firsts = {key(across_categories(g.setting)): g for g in reversed(groups)}
    every = list(settings.values())
    return {label: (firsts[label], {k: s[k] for k in _differing(s, every)}) for label, s in settings.items()}


def short(objective: str, lam: float | None) -> str:
    """amplify λ=0.99; untrained where nothing was asked of the network"""
    if objective == UNTRAINED:
        return "untrained"
    return str(objective) if lam is None else f"{objective} λ={lam:g}"


def _differing(setting: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys of `setting` whose value tells it from another one with this key: the parts of a corruption, a model or an
    objective are only compared with those of the same name."""
    untold = [k for k in setting if k not in _TOLD]
    return [k for k in untold if any(k in o and o[k] != setting[k] and _part(o, k) == _part(setting, k) for o in others)]


_TOLD = (
    EVALUATION, "objective", "objective.name", "objective.lam", "lam", "corruption", "corruption.name", "model", "model.name",
)  # fmt: skip


def _part(setting: Mapping[str, Any], name: str) -> Any:
    head = name.partition(".")[0]
    return setting.get(f"{head}.name") if head in ("objective", "corruption", "model") else None


def _distinct(named: dict[str, str]) -> dict[str, str]:
    """Names that several settings have get a letter: a, b, …, z, 26, 27, …"""
    shared = {name for name in named.values() if list(named.values()).count(name) > 1}
    seen: dict[str, int] = {}
    result = {}
    for label, name in named.items():
        i = seen[name] = seen.get(name, -1) + 1
        result[label] = f"{name} ({chr(97 + i) if i < 26 else i})" if name in shared else name
    return result


def _date(run: Run) -> tuple[float, str]:
    """When a run ended: its metrics.json is written last."""
    return (run.path / "metrics.json").stat().st_mtime, run.path.name

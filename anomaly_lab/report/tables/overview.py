"""The tables of everything: results by setting, single runs, kinds of defect, and what has not finished."""

from collections.abc import Sequence
from pathlib import Path

from anomaly_lab.report.read.collect import FINISHED, NOT_STARTED, Run
from anomaly_lab.report.read.groups import Group, across_categories, key, names, statistic
from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.protocol import MEASURES, PROXY, choices
from anomaly_lab.report.tables.table import Cell, Table, averaged, measured, number, plain

METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "aupro": "AUPRO",
    "tpr_tnr_mean": "mean of TPR and TNR",
    "tpr": "TPR",
    "tnr": "TNR",
    "image_f1": "image F1",
    "pixel_f1": "pixel F1",
}
FLAT = {"flat_image_auroc": "flat grey: image AUROC", "flat_pixel_auroc": "flat grey: pixel AUROC"}
MINUTES = "minutes of training"


def results(groups: Sequence[Group]) -> Table:
    """A row a setting and category: mean ± sample standard deviation over the seeds."""
    named = names(groups)
    rows = []
    for g in groups:
        first = (source(g.runs[0]), g["category"], named[key(across_categories(g.setting))])
        cells = [plain(value) for value in first]
        cells += [plain(len(g.runs)), Cell(", ".join(map(str, g.seeds)))]
        cells += [averaged(g.statistic(m)) for m in (*METRICS, *FLAT)]
        minutes = statistic(_minutes(run) for run in g.runs)
        steps = statistic(run.metrics.get("steps") for run in g.runs)
        size = {run.metrics.get("image_size") for run in g.runs}
        rows.append([*cells, averaged(minutes, 1), Cell(number(steps.mean, 0), (steps.mean,)), Cell(_joined(size))])
    spread = ("standard deviation",)
    columns = ["data", "category", "setting", "n", "seeds", *METRICS.values(), *FLAT.values(), MINUTES, "steps", "px"]
    parts = {c: spread for c in (*METRICS.values(), *FLAT.values(), MINUTES)}
    protocol = f"{choices(run for g in groups for run in g.runs)} {MEASURES}"
    notes = [f"Mean ± sample standard deviation over n seeds (none is given for n = 1). {protocol}", *_cautions(groups)]
    return Table("results", "Results by setting", columns, rows, notes, parts)


def single_runs(groups: Sequence[Group], folders: Sequence[Path]) -> Table:
    """A row a run, with what its own metrics.json says; runs repeated later with the same seed included, and named so."""
    named = names(groups)
    rows = []
    for g in groups:
        for run in (*g.runs, *g.earlier):
            m = run.metrics
            setting = named[key(across_categories(g.setting))]
            cells = [plain(value) for value in (source(run), m["category"], setting, m["seed"])]
            cells += [measured(m.get(name)) for name in (*METRICS, *FLAT)]
            cells += [measured(m.get("proxy_ap")), measured(_minutes(run), 1), plain(m.get("steps")), plain(m.get("device"))]
            counts = [m.get(n) for n in ("n_train", "n_validation", "n_test")]
            cells += [Cell("/".join(str(c) if c is not None else "–" for c in counts)), Cell(run.commit)]
            note = "repeated later, counts nowhere" if run in g.earlier else ""
            if m.get("source_run"):
                note = f"evaluation of {Path(m['source_run']).name}, trained on {m.get('trained_on')}. {note}".strip()
            rows.append([*cells, plain(shown(run, folders)), Cell(note)])
    columns = ["data", "category", "setting", "seed", *METRICS.values(), *FLAT.values(), "proxy AP", MINUTES, "steps"]
    columns += ["device", "train/validation/test", "code", "run", "note"]
    protocol = f"{choices(run for g in groups for run in (*g.runs, *g.earlier))} {MEASURES} {PROXY}"
    return Table("runs", "Single runs", columns, rows, [f"As in each run's metrics.json. {protocol}"])


def kinds(groups: Sequence[Group]) -> Table:
    """How many images of each kind were called defective, over all seeds of a setting."""
    named, rows = names(groups), []
    for g in groups:
        scores = [row for run in g.runs for row in run.scores]
        found = sorted({(row["label"], row["defect"]) for row in scores})
        for label, defect in found:
            predicted = [row["predicted"] == "1" for row in scores if row["defect"] == defect]
            share = sum(predicted) / len(predicted)
            what = "false alarms" if label == "0" else "found"
            first = (source(g.runs[0]), g["category"], named[key(across_categories(g.setting))], defect)
            rows.append(
                [*map(plain, first), Cell(f"{sum(predicted)} of {len(predicted)} {what}", (sum(predicted),)), measured(share)]
            )
    protocol = choices(run for g in groups for run in g.runs)
    note = f"Images called defective at the calibrated threshold, all seeds taken together. {protocol}"
    return Table("kinds", "By kind of defect", ["data", "category", "setting", "kind", "images", "share"], rows, [note])


def left_out(runs: Sequence[Run], folders: Sequence[Path]) -> Table:
    """Runs that are in no other table, with what is known of them."""
    rows = [
        [plain(shown(r, folders)), Cell(r.state), Cell(" ".join(r.overrides)), Cell(r.note)]
        for r in runs
        if r.state != FINISHED
    ]
    return Table("left_out", "Runs without a result", ["run", "state", "overrides", "what is known"], rows)


def shown(run: Run, folders: Sequence[Path]) -> str | None:
    """A run's path from the folder that was searched; where that is the run itself, its name. None before it has started."""
    if run.state == NOT_STARTED:
        return None
    for folder in folders:
        if run.path.is_relative_to(folder.resolve()) and run.path != folder.resolve():
            return run.path.relative_to(folder.resolve()).as_posix()
    return run.path.name


def _cautions(groups: Sequence[Group]) -> list[str]:
    """What a reader must know of seeds that are not quite comparable."""
    notes = []
    mixed = [g for g in groups if len({run.commit for run in g.runs}) > 1]
    if mixed:
        notes.append(f"Seeds of {len(mixed)} settings come from different states of the code: see the column code of the runs.")
    if repeated := sum(len(g.earlier) for g in groups):
        notes.append(f"{repeated} runs were repeated later with the same setting and seed: only the newest counts.")
    if unknown := sum(not run.config for g in groups for run in g.runs):
        notes.append(f"{unknown} runs have no config.yaml: they are grouped by what metrics.json says.")
    return notes


def _minutes(run: Run) -> float | None:
    seconds = run.metrics.get("train_seconds")
    return None if seconds is None else seconds / 60


def _joined(values: set[object]) -> str:
    return ", ".join(sorted(str(v) for v in values if v is not None)) or "–"

"""Makes every input, tries it by a command in a process of its own, and writes tables. Exit status 1 if one is not right.

python experiments/robustness/inputs.py                     # all cases: table.md, in_use.md, faults.md
python experiments/robustness/inputs.py --table in_use      # the cases of one table
python experiments/robustness/inputs.py --only webp black   # these, without a table
"""

import argparse
import contextlib
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cases_commands
import cases_environment
import cases_faults
import cases_gradients
import cases_images
import cases_masks
import cases_names
import cases_runs
import cases_use
import torch
from pictures import category
from trial import OWN, ROOT, TINY, Case, clean, run, said, train, tried, warm

Kinds = dict[str, list[Case]]
TRAINING = (cases_gradients, cases_environment, cases_names, cases_masks, cases_images, cases_runs)
TABLES: dict[str, Kinds] = {  # table → kind of fault → cases
    "table": {kind: cases for module in TRAINING for kind, cases in module.KINDS.items()},
    "in_use": cases_use.KINDS | cases_commands.KINDS,
    "faults": cases_faults.KINDS,
}
TITLES = {
    "table": "Inputs and situations that go wrong elsewhere",
    "in_use": "What a run in use meets: images, lists, names, damaged runs",
    "faults": "What each command does when something around it fails",
}
HEAD = ("case", "source", "command", "status", "it said", "right is", "right?")
COMMANDS = (
    "pipeline.train",
    "pipeline.predict",
    "pipeline.calibrate",
    "show.overlay",
    "pipeline.evaluate",
    "pipeline.ending",
    "report.make",
    "report.pictures.plots",
)


def prepare(base: Path) -> None:
    """The run that evaluations score: BASE/run, trained on BASE/data/plain. What it imported is imported here too."""
    category(base / "data/plain", train=12, good=4, bad=4)
    for name in COMMANDS:
        importlib.import_module(f"anomaly_lab.{name}")
    os.environ["ROBUSTNESS_MODULES"] = str(base / "modules.txt")
    ended = run(train(root=str(base / "data"), output="run"), base, base)
    if ended.status:
        sys.exit(ended.out + ended.err)
    warm(Path(os.environ.pop("ROBUSTNESS_MODULES")))


def results(cases: Sequence[tuple[str, Case]], base: Path, jobs: int) -> Iterator[dict[str, Any]]:
    """The rows of the cases, in the order of their ends; `jobs` of them at a time, each in a child of this process."""
    waiting, running = list(enumerate(cases)), dict[int, tuple[int, Path]]()
    while waiting or running:
        if waiting and len(running) < jobs:
            number, (kind, case) = waiting.pop(0)
            record = base / f"{number}.json"
            if pid := os.fork():
                running[pid] = (number, record)
                continue
            try:
                record.write_text(json.dumps(row(number, kind, case, base)))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        pid, _ = os.wait()
        number, record = running.pop(pid)
        kind, case = cases[number]
        if record.is_file():
            yield json.loads(record.read_text())
        else:
            known = {"number": number, "kind": kind, "case": case.name, "source": case.source, "right": case.right}
            yield known | {"command": "", "status": "", "said": "", "wrong": "could not be tried"}


def row(number: int, kind: str, case: Case, base: Path) -> dict[str, Any]:
    """Try a case and return its row of the table."""
    known = {"number": number, "kind": kind, "case": case.name, "source": case.source, "right": case.right}
    known["command"] = case.commands[-1].shown()
    if case.impossible:
        return known | {"status": "–", "said": f"not possible here: {case.impossible}", "wrong": "", "seconds": 0}
    here, began = base / "cases" / str(number), time.monotonic()
    ended, wrong = tried(case, here, base)
    line = said(ended[-1], case, here, base)
    if wrong and "--keep" in sys.argv:
        print(case.name, wrong, *(f"{e.out[-3000:]}\n{e.err[-3000:]}" for e in ended), sep="\n")
    else:
        clean(here)
    return known | {"status": ended[-1].status, "said": line, "wrong": wrong, "seconds": time.monotonic() - began}


def cell(text: Any) -> str:
    """Text for a cell of a Markdown table, in one line."""
    text = str(text).encode(errors="backslashreplace").decode().replace("\n", "\\n")
    return text.replace("|", "\\|").replace("<", "&lt;")[:400]


def table(name: str, rows: Sequence[dict[str, Any]], minutes: float) -> str:
    """NAME.md."""
    untried = [r for r in rows if r["status"] == "–"]
    wrong = [r for r in rows if r["wrong"]]
    text = f"""# {TITLES[name]}

    python experiments/robustness/inputs.py --table {name}

{len(rows)} cases in {len(TABLES[name])} kinds: {len(rows) - len(wrong) - len(untried)} right, {len(wrong)} not right, \
{len(untried)} not possible here. {len({r["source"] for r in rows} - {""})} sources are public reports (repository and number).

Each command ran in a process of its own; {minutes:.0f} minutes on {len(os.sched_getaffinity(0))} cores, torch \
{torch.__version__}, {time.strftime("%Y-%m-%d")}. DIR is the case's folder and RUN a run that was trained on 12 images of the
category "plain". Every training also has `{" ".join((*OWN, *TINY))}`. "It said" is the first error or warning, else
the first line.
"""
    for kind in TABLES[name]:
        text += f"\n## {kind}\n\n| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|\n"
        for r in (r for r in rows if r["kind"] == kind):
            verdict = f"**no**: {r['wrong']}" if r["wrong"] else "–" if r["status"] == "–" else "yes"
            cells = (r["case"], r["source"], f"`{cell(r['command'])}`", r["status"], r["said"], r["right"], verdict)
            text += f"| {' | '.join(c if i == 2 else cell(c) for i, c in enumerate(cells))} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help="names of cases or kinds")
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", action="store_true", help="print all that a wrong case said")
    options = parser.parse_args()
    only = set(options.only)
    cases = [
        (kind, case)
        for name in options.table
        for kind, found in TABLES[name].items()
        for case in found
        if not only or {kind, case.name} & only
    ]
    if not cases:
        parser.error(f"no case is called {' or '.join(options.only)}")
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "WANDB_SILENT": "true"}
    torch.set_num_threads(1)  # of forked commands, which know torch already
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="robustness-", ignore_cleanup_errors=True) as name:
        base = Path(name)
        base.chmod(0o755)
        os.environ["ANOMALY_LAB_CACHE"] = str(base / "cache")
        (base / "cache").mkdir()
        (base / "cache").chmod(0o777)
        with contextlib.chdir(base):
            prepare(base)
            for found in results(cases, base, options.jobs):
                rows.append(found)
                print(f"{len(rows)}/{len(cases)} {found['case']}: {found['wrong'] or 'right'}", flush=True)
    rows.sort(key=lambda r: r["number"])
    minutes = (time.monotonic() - began) / 60
    for name in options.table if not only else ():
        found = [r for r in rows if r["kind"] in TABLES[name]]
        (Path(__file__).parent / f"{name}.md").write_text(table(name, found, minutes), encoding="utf-8")
    for r in rows:
        if r["wrong"]:
            print(f"not right: {r['kind']}: {r['case']}: {r['wrong']}; it said: {r['said']}")
    sys.exit(any(r["wrong"] for r in rows))


if __name__ == "__main__":
    main()

"""Tables 2, 3 and 4 and the figures of the paper, on MVTec AD with the paper's protocol, on a machine with a GPU.

    make paper DATA=DIR ARGS=--dry-run      # how many runs, how much memory, how many hours
    make paper DATA=DIR                     # run them; call it again to go on, and for the page alone
    make paper DATA=DIR ARGS='--seeds 0 --categories carpet wood'
    make paper DATA=DIR ARGS='--launcher joblib --jobs 2'

DIR holds the 15 categories in MVTec AD's layout. What has finished is not repeated, and what was cut off is resumed, so it can
be stopped at any time. The page stands in page/report.html of the folder of the runs: our column beside the published ones,
the tables of all settings, and the figures.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]  # scripts, not a package
import estimate  # noqa: E402
import jobs  # noqa: E402
import running  # noqa: E402
import step  # noqa: E402
from hydra import compose, initialize_config_dir  # noqa: E402

from anomaly_lab.data.folder import scan  # noqa: E402
from anomaly_lab.errors import UserError, ending_in_a_sentence  # noqa: E402
from anomaly_lab.files import make_folder, read_json, write_json  # noqa: E402
from anomaly_lab.report.make import Options, build_report  # noqa: E402
from anomaly_lab.runs.command_line import CONF, quoted, require_launcher  # noqa: E402
from anomaly_lab.runs.fingerprint import NEUTRAL, is_below  # noqa: E402

DEBUG = ("debug=default", "trainer=default")  # all stages with a tiny network, on any device
PROTOCOL = "protocol.json"  # in the folder of the runs: what they share


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line. A mistake ends it with one sentence."""
    with ending_in_a_sentence("stopped: call the same command again"):
        study(options().parse_args(arguments))


def options() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("data", type=Path, help="the folder that holds MVTec AD's categories")
    found.add_argument("--dry-run", action="store_true", help="print what it would take, and run nothing")
    found.add_argument("--runs", type=Path, help="the folder of the runs (default: runs/paper, with --debug runs/paper_debug)")
    found.add_argument("--out", type=Path, help="the folder of the page (default: page in the folder of the runs)")
    found.add_argument("--categories", nargs="+", choices=jobs.CATEGORIES, default=list(jobs.CATEGORIES))
    found.add_argument("--objectives", nargs="+", choices=jobs.LAMS, default=list(jobs.LAMS), help="of the tables' runs")
    found.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    found.add_argument("--debug", action="store_true", help="a tiny network on small images: do all stages work?")
    found.add_argument("--launcher", choices=running.LAUNCHERS, help="how to run several at a time (default: one by one)")
    found.add_argument("--jobs", type=int, default=1, help="runs at a time with --launcher; one GPU has room for one")
    found.add_argument("--step-seconds", type=float, help="of a step at 512² where the runs go (default: measured here)")
    found.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further options of the training or launcher")
    return found


def study(given: argparse.Namespace) -> None:
    """Plan, run what is left, and write the page. UserError for a mistake, and if a run ends without a result."""
    folder = (given.runs or Path("runs/paper_debug" if given.debug else "runs/paper")).resolve()
    counts = images(given.data, given.categories)
    root = quoted(f"data.root={given.data.resolve()}", several=True)
    protocol = ["experiment=paper", "data=mvtec", root, *(DEBUG if given.debug else ()), *given.set]
    if given.launcher:
        require_launcher([f"hydra/launcher={given.launcher}"])
    shared, config = require_same_protocol(folder, protocol), composed(given.categories[0], protocol)
    wanted = jobs.for_tables(given.categories, given.objectives, given.seeds)
    wanted += [job for job in jobs.for_figures(given.categories, given.seeds[0]) if job not in wanted]
    way = running.Way(folder, given.launcher, given.jobs, protocol)
    if not given.dry_run:
        require_device(config, given.launcher)
    estimates = estimate.printed(config, way, wanted, counts, given.step_seconds)
    if given.dry_run:
        return
    make_folder(folder, "--runs")
    write_json(folder / PROTOCOL, shared)
    lacking = running.carry_out(way, estimates)
    write_page(folder, given.out or folder / "page")
    if lacking:
        why = f"the reason is in error.txt of its folder or in {folder / running.LOG}"
        raise UserError(f"{len(lacking)} runs have no result, the first is {lacking[0]}: {why}; call the same command again")


def images(data: Path, categories: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Category → number of its normal training images, of its test images. UserError if the folder lacks one."""
    lacking = [name for name in categories if not (data / name / "train").is_dir()]
    if lacking:
        raise UserError(
            f"{data} lacks {', '.join(lacking)}: unpack MVTec AD there "
            "(https://www.mvtec.com/company/research/datasets/mvtec-ad), or name those that are there with --categories"
        )
    found = {name: scan(data, name) for name in categories}
    return {name: (len(category.train), len(category.test)) for name, category in found.items()}


def composed(category: str, protocol: Sequence[str]) -> Any:
    """The configuration of a run, with what belongs to Hydra left out."""
    own = [option for option in protocol if not option.startswith("hydra")]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[f"+category={category}", *own])


def require_device(config: Any, launcher: str | None) -> None:
    """UserError if the runs need a GPU and would be on this machine, which has none."""
    elsewhere = launcher in ("submitit_slurm", "ray")
    if config.trainer.accelerator == "gpu" and step.device().type != "cuda" and not elsewhere:
        raise UserError(
            "this machine has no GPU: rehearse with --debug, estimate with --dry-run, or use a cluster (--launcher)"
        )


def require_same_protocol(folder: Path, protocol: Sequence[str]) -> dict[str, Any]:
    """What the runs in `folder` share, to be noted there. UserError if it holds runs of another protocol: they would mix."""
    counting = [o for o in protocol if not is_below(o.partition("=")[0].lstrip("+~"), (*NEUTRAL, "hydra", "hydra/launcher"))]
    path = folder / PROTOCOL
    if path.is_file() and (kept := read_json(path)["options"]) != counting:
        raise UserError(f"{folder} holds runs with {' '.join(kept)}, not {' '.join(counting)}: choose another with --runs")
    return {"options": counting}


def write_page(folder: Path, out: Path) -> None:
    """The report of the runs, with our column beside the published ones (beside.py)."""
    report = build_report(Options([folder], out, "none", True, ["beside"]))
    for note in report.notes:
        print(f"note: {note}")
    print(f"page: {out / 'report.html'}", flush=True)


if __name__ == "__main__":
    main()

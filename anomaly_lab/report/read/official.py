"""Whether a run's data are the complete MVTec AD: only then may its numbers stand beside published ones."""

import functools
import tomllib
from pathlib import Path
from typing import Any

from anomaly_lab.report.read.run import FINISHED, Run

SYNTHETIC = "synthetic"
OFFICIAL = "MVTec AD"


@functools.cache
def mvtec_ad() -> dict[str, Any]:
    """mvtec_ad.toml: the published counts, image size and kinds of defect of each category."""
    return tomllib.loads(Path(__file__).with_name("mvtec_ad.toml").read_text(encoding="utf-8"))


def lacking(run: Run) -> str | None:
    """Why a finished run's data are not the complete MVTec AD category; None if they are.

    The run's own records decide: the name of the data, the number of training images (with the held-out ones), of normal and
    of defective test images, the kinds of defect, and the stored size. An evaluation needs a training on the complete data too.
    """
    m = run.metrics
    if run.source_run is not None:
        known = run.source_run.state == FINISHED and run.source_run.path != run.path
        reason = lacking(run.source_run) if known else "not to be found"
        if reason is not None:
            return f"the run {run.source_run.path.name} behind this evaluation is on other data ({reason})"
    if m.get("data") != "mvtec":
        return f"data={m.get('data')}"
    expected = mvtec_ad().get(str(m["category"]))
    if expected is None:
        return f"MVTec AD has no category {m['category']}"
    labels = [row.get("label") for row in run.scores]
    trained: list[Any] = [m.get("n_train"), m.get("n_validation")]
    counts = {  # what is counted: (in the run, in MVTec AD)
        "training images": (None if None in trained else sum(trained), expected["train"]),
        "normal test images": (labels.count("0"), expected["good"]),
        "defective test images": (labels.count("1"), expected["defective"]),
        "test images": (m.get("n_test"), expected["good"] + expected["defective"]),
        "pixels of the longer side": (m.get("stored_size"), expected["side"]),
    }
    for what, (found, due) in counts.items():
        if found != due:
            return f"{'an unknown number of' if found is None else found} {what}; MVTec AD has {due}"
    kinds = {row.get("defect") for row in run.scores if row.get("label") == "1"}
    if kinds != set(expected["defects"]):
        return f"kinds of defect {', '.join(sorted(map(str, kinds)))}; MVTec AD has {', '.join(expected['defects'])}"
    return None


def source(run: Run) -> str:
    """The name of a run's data, which stands beside its numbers and pictures: "folder “mine” (data=folder), not MVTec AD"."""
    if run.metrics.get("data") == SYNTHETIC:
        return SYNTHETIC
    if lacking(run) is None:
        return OFFICIAL
    folder = f"folder “{run.folder}”" if run.folder else "unknown folder"
    return f"{folder} (data={run.metrics.get('data')}), not {OFFICIAL}"

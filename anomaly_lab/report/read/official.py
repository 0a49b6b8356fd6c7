"""Whether a run's data are MVTec AD itself, complete: only then its numbers may stand beside published ones."""

import functools
import tomllib
from pathlib import Path
from typing import Any

from anomaly_lab.report.read.collect import FINISHED, Run, read

SYNTHETIC = "synthetic"
OFFICIAL = "MVTec AD"


@functools.cache
def mvtec_ad() -> dict[str, Any]:
    """Each category's counts, size and kinds of defect, as published."""
    return tomllib.loads(Path(__file__).with_name("mvtec_ad.toml").read_text(encoding="utf-8"))


def lacking(run: Run) -> str | None:
    """Why a finished run's numbers are not those of the complete MVTec AD category; None where they are.

    Established from the run's own records: the name of the data, the numbers of training images (with those held out), of
    normal and of defective test images that were scored, the kinds of defect, and the stored size.
    """
    m = run.metrics
    if (trained := m.get("source_run")) is not None:  # an evaluation is as good as what its network was trained on
        source_run = read(Path(trained))
        reason = lacking(source_run) if source_run.state == FINISHED and source_run.path != run.path else "not to be found"
        if reason is not None:
            return f"the run {Path(trained).name} behind this evaluation is on other data ({reason})"
    if m.get("data") != "mvtec":
        return f"data={m.get('data')}"
    expected = mvtec_ad().get(str(m["category"]))
    if expected is None:
        return f"MVTec AD has no category {m['category']}"
    labels = [row.get("label") for row in run.scores]
    found = {
        "training images": _sum(m.get("n_train"), m.get("n_validation")),
        "normal test images": labels.count("0"),
        "defective test images": labels.count("1"),
        "test images": m.get("n_test"),
        "pixels of the longer side": m.get("stored_size"),
    }
    due = {
        "training images": expected["train"],
        "normal test images": expected["good"],
        "defective test images": expected["defective"],
        "test images": expected["good"] + expected["defective"],
        "pixels of the longer side": expected["side"],
    }
    for name, count in found.items():
        if count != due[name]:
            return f"{'an unknown number of' if count is None else count} {name}, where MVTec AD has {due[name]}"
    kinds = {row.get("defect") for row in run.scores if row.get("label") == "1"}
    if kinds != set(expected["defects"]):
        return f"kinds of defect {', '.join(sorted(map(str, kinds)))}, where MVTec AD has {', '.join(expected['defects'])}"
    return None


def source(run: Run) -> str:
    """What to call a run's data wherever its numbers or pictures stand."""
    if run.metrics.get("data") == SYNTHETIC:
        return SYNTHETIC
    if lacking(run) is None:
        return OFFICIAL
    folder = f"folder “{run.folder}”" if run.folder else "unknown folder"
    return f"{folder} in MVTec's layout, not {OFFICIAL}"


def _sum(*counts: Any) -> int | None:
    return None if None in counts else sum(counts)

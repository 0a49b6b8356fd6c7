"""What the page says, in HTML. Whatever comes from a file, names above all, is escaped."""

import html
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anomaly_lab.app.decide import Judged
from anomaly_lab.app.marks import Tally
from anomaly_lab.calibration.rules import promised


def verdict(judged: Judged, threshold: float, defects: Sequence[Mapping[str, Any]], mark: str | None) -> str:
    """The decision about an image, and why."""
    name = f'<span class="name">{html.escape(judged.name)}</span>'
    if judged.error is not None:
        return _card("error", "Not decided", f"{name}: {html.escape(judged.error)}")
    called = judged.defective(threshold)
    places = "1 defect" if len(defects) == 1 else f"{len(defects)} defects"
    why = [f"level {_number(judged.level)} is {'above' if called else 'not above'} the threshold {threshold:.4g}"]
    if judged.level is None:
        why = ["it has fewer pixels than the smallest defect, so nothing can be found in it"]
    if judged.p_value is not None:
        why.append(f"at most {judged.p_value:.1%} of new normal images have a level as high (p-value)")
    said = f"{name}: {'; '.join(why)}. Score {_number(judged.score)}, {judged.width} × {judged.height} pixels."
    if judged.unlike:
        said += f' <b class="odd">Unlike the training images in {", ".join(judged.unlike)}: the decision says little.</b>'
    if mark is not None:
        agrees = (mark == "defective") == called
        said += (
            f' You marked it as {mark}: <b class="{"agrees" if agrees else "differs"}">{"right" if agrees else "wrong"}</b>.'
        )
    return _card("defective" if called else "normal", f"Defective · {places}" if called else "Normal", said)


def heading(category: str, run: Path) -> str:
    """The head of the page."""
    return f"<h1>{html.escape(category)}</h1><p>{html.escape(str(run))}</p>"


def welcome(category: str) -> str:
    """In place of a decision before there is an image."""
    return _card("none", "No image yet", f"Drop images of {html.escape(category)} on the right.")


def strip(images: Sequence[tuple[Judged, Path, str | None]], at: int, threshold: float) -> str:
    """The images of a visit as buttons: (image, its small picture, its mark) each. `at`: the one that is shown."""
    return f'<div class="strip">{"".join(_button(k, *image, k == at, threshold) for k, image in enumerate(images))}</div>'


def _button(number: int, judged: Judged, thumb: Path, mark: str | None, shown: bool, threshold: float) -> str:
    called = "error" if judged.error is not None else "defective" if judged.defective(threshold) else "normal"
    said = "not decided" if called == "error" else called
    sign = "" if mark is None else '<b class="agrees">✓</b>' if mark == called else '<b class="differs">✗</b>'
    name = html.escape(judged.name)
    return (
        f'<button class="{called}" data-at="{number}" aria-pressed="{str(shown).lower()}" title="{name}: {said}">'
        f'<img src="/gradio_api/file={html.escape(quote(str(thumb)))}" alt="" loading="lazy">'
        f'<span class="called">{said} {sign}</span><span class="name">{name}</span></button>'
    )


def rate(threshold: float, own: float, normal: Sequence[float]) -> str:
    """The rate of false alarms that a threshold stands for, and how finely it can be stated."""
    which = "the run's own threshold" if threshold == own else f"moved; the run's own is {own:.4g}"
    if not normal:
        return f"<p>{which}. The run has no levels of held-out images, so the rate of false alarms is unknown.</p>"
    above, m = sum(level > threshold for level in normal), len(normal)
    found = promised(threshold, normal)
    return (
        f"<p>At most <b>{found:.1%}</b> of new normal images are called defective ({which}).<br>"
        f"<small>{above} of {m} held-out normal images lie above it: ({above} + 1) / ({m} + 1). "
        f"{m} images can state a rate in steps of 1/{m + 1} = {1 / (m + 1):.1%}, and none below that.</small></p>"
    )


def tallied(found: Tally) -> str:
    """The table of marks and decisions."""
    marked, alarms = sum(found), "false alarm" if found.alarms == 1 else "false alarms"
    if not marked:
        return "<p>No image is marked yet. Say of each image whether it is normal or defective (keys N and D).</p>"
    return (
        f"<p><b>{found.right} of {marked}</b> marked images are decided right.</p>"
        "<table><tr><th></th><th>called normal</th><th>called defective</th></tr>"
        f"<tr><th>marked normal</th>{_cell('right', found.passed)}{_cell('wrong', found.alarms, alarms)}</tr>"
        f"<tr><th>marked defective</th>{_cell('wrong', found.missed, 'missed')}{_cell('right', found.found)}</tr></table>"
    )


def calibration(run: Path, out: Path, images: int) -> tuple[str, str]:
    """(what the command does, the command) that sets a new threshold from the images marked as normal."""
    number = next(k for k in range(1, 10**6) if not (out / f"calibrated_{k}").exists())
    arguments = (
        f"run={run.resolve()}",
        f"images={(out / 'normal').resolve()}",
        f"out={(out / f'calibrated_{number}').resolve()}",
    )
    command = shlex.join(["python", "-m", "anomaly_lab.calibrate", *arguments])
    if not images:
        return "Images marked as normal can set a new threshold, without training. None is marked yet.", command
    what = "1 image is" if images == 1 else f"{images} images are"
    return f"{what} marked as normal. This command sets a new threshold from them, without training:", command


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _cell(kind: str, count: int, what: str = "") -> str:
    return f'<td class="{kind if count else "none"}">{count} {what}</td>'


def _card(kind: str, title: str, said: str) -> str:
    return f'<div class="verdict {kind}" role="status"><h2>{title}</h2><p>{said}</p></div>'

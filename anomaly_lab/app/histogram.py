"""The levels of the held-out normal images as a histogram, with the threshold and an image's own level. A picture in SVG."""

import math
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 560, 190  # units of the picture
LEFT, RIGHT, TOP, BOTTOM = 12, 12, 44, 34  # its margins
BINS = 50
BEYOND = 2.5  # the axis ends at this multiple of the way from the lowest level to the higher of threshold and highest level
BELOW = 0.25  # and begins so much of that way below


def axis(normal: Sequence[float], threshold: float) -> tuple[float, float]:
    """(lowest, highest) value of the axis: all normal levels and the run's threshold lie well inside."""
    known = [value for value in (*normal, threshold) if math.isfinite(value)]
    low, high = min(known), max(known)
    room = (high - low) or abs(high) or 1.0
    return low - BELOW * room, low + BEYOND * room


def histogram(normal: Sequence[float], own: float, threshold: float, level: float | None) -> str:
    """The picture. `own`: the run's threshold; `threshold`: the one in use; `level`: of the image that is shown, if any.

    A level or a threshold beyond the axis is drawn at its end, with an arrow.
    """
    normal = [value for value in normal if math.isfinite(value)]
    low, high = axis(normal, own)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, (value - low) / (high - low)))

    base = HEIGHT - BOTTOM
    count, edge = np.histogram(np.clip(normal, low, high), BINS, (low, high)) if normal else (np.zeros(1), np.zeros(2))
    unit = (base - TOP) / max(1, int(count.max()))
    wide = WIDTH - RIGHT - x(threshold)
    parts = [f'<rect class="alarm" x="{x(threshold):.1f}" y="{TOP}" width="{wide:.1f}" height="{base - TOP}"/>']
    for k in np.flatnonzero(count):
        left, right = x(float(edge[k])), x(float(edge[k + 1]))
        parts.append(
            f'<rect class="bar" x="{left + 0.5:.1f}" y="{base - unit * count[k]:.1f}" width="{right - left - 1:.1f}" '
            f'height="{unit * count[k]:.1f}"/>'
        )
    parts.append(f'<path class="axis" d="M{LEFT} {base}H{WIDTH - RIGHT}"/>')
    for value in ticks(low, high):
        parts.append(f'<path class="axis" d="M{x(value):.1f} {base}v4"/>')
        parts.append(f'<text class="tick" x="{x(value):.1f}" y="{base + 17}">{value:g}</text>')
    parts += _line("own", x(own), base, "") if own != threshold else []
    parts += _line("threshold", x(threshold), base, f"threshold {threshold:.4g}", 16)
    if level is not None:
        arrow = "→ " if level > high else "← " if level < low else ""
        parts += _line("level", x(level), base, f"{arrow}this image {level:.4g}", 34)
        parts.append(f'<circle class="level" cx="{x(level):.1f}" cy="{base}" r="5"/>')
    words = f"levels of {len(normal)} held-out normal images, threshold {threshold:.4g}"
    return f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{"".join(parts)}</svg>'


def ticks(low: float, high: float) -> list[float]:
    """At most six round values between two."""
    step = 10 ** math.floor(math.log10((high - low) / 3))
    step = next(step * k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= 6)
    return [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _line(kind: str, x: float, base: int, words: str, y: int = 0) -> list[str]:
    """A vertical line, and words beside it that stay inside the picture."""
    anchor = "end" if x > WIDTH * 0.6 else "start"
    place = x - 4 if anchor == "end" else x + 4
    line = f'<path class="{kind}" d="M{x:.1f} {y - 10 if words else TOP}V{base}"/>'
    return [line, f'<text class="{kind}" x="{place:.1f}" y="{y}" text-anchor="{anchor}">{words}</text>'] if words else [line]

"""How well do proxies rank settings? Kendall's τ with the truth, over the runs of experiments/real_images; writes proxies.md.

    python experiments/detection/proxies.py

A proxy needs no real defect: the pixel AP on synthetic corruptions, and the relative error of the reconstruction. The truth are
metrics of real test images. Settings are ranked on each category; only runs of equal length and seed are compared.
"""

import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # scripts, not a package

from anomaly_lab.show.markdown import pipe_table  # noqa: E402

PROXIES = {"proxy_ap": 1, "relative_error": -1}  # sign: whether more is better
TRUTH = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro")
FEWEST = 3  # settings in a comparison


def tau(pairs: list[tuple[float, float]]) -> tuple[int, int]:
    """(concordant, discordant) pairs of settings, of (proxy, truth) each; ties count in neither."""
    signs = [(a[0] - b[0]) * (a[1] - b[1]) for a, b in combinations(pairs, 2)]
    return sum(s > 0 for s in signs), sum(s < 0 for s in signs)


def main() -> None:
    compared: dict[tuple[str, int, int], dict[str, dict[str, Any]]] = {}
    for path in sorted((HERE.parent / "real_images/results").glob("*.json")):
        r = json.loads(path.read_text())
        compared.setdefault((r["category"], r["minutes"], r["seed"]), {})[f"{r['setting']} {r['lam']} {r['train_size']}"] = r
    counts: dict[tuple[str, str, str], list[int]] = {}
    settings: dict[str, set[str]] = {}
    for (category, _, _), runs in compared.items():
        if len(runs) < FEWEST:
            continue
        settings.setdefault(category, set()).update(runs)
        for proxy, sign in PROXIES.items():
            for truth in TRUTH:
                pairs = [(sign * r[proxy], r[truth]) for r in runs.values()]
                for of in (category, "all"):
                    found = counts.setdefault((of, proxy, truth), [0, 0])
                    for i, count in enumerate(tau(pairs)):
                        found[i] += count
    rows = []
    for category in (*sorted(settings), "all"):
        for proxy in PROXIES:
            cells = []
            for truth in TRUTH:
                agree, disagree = counts[category, proxy, truth]
                cells.append(f"{(agree - disagree) / max(1, agree + disagree):+.2f} ({agree + disagree})")
            rows.append([category, len(settings.get(category, ())) or "", proxy, *cells])
    (HERE / "proxies.md").write_text(pipe_table(["category", "settings", "proxy", *TRUTH], rows) + "\n")


if __name__ == "__main__":
    main()

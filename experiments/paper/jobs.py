"""What tables 2, 3 and 4 and the figures need: one training each, and the commands that carry them out."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from anomaly_lab.report.tables.paper import published

CATEGORIES = (*published()["textures"], *published()["objects"])
# λ. For (1) the paper's "sufficiently good" value. For (3) it gives none and calls the search difficult: three values, of which
# the validation proxy chooses. Below .9, the first term is too weak to learn normal regions (conf/objective/amplify.yaml)
LAMS = {"restore": (0.5,), "amplify": (0.9, 0.99, 0.999)}
LAM_MASK = 0.99  # of objective (2), for figure 4: as in conf/objective/amplify_mask.yaml
FIGURE_4 = ("wood", "carpet")  # reconstructions under objective (2)
FIGURE_6 = ("wood",)  # objective (1) with cut-out, which the paper calls BLACK
# the folder of a run below the folder of all; Hydra fills in a job's values
SUBDIR = "${objective.name}_lam${objective.lam}_${corruption.name}_${category.name}_seed${seed}"


class Job(NamedTuple):
    """One training, with calibration and test."""

    objective: str
    corruption: str
    lam: float
    category: str
    seed: int

    @property
    def place(self) -> str:
        """What SUBDIR gives for this job."""
        return f"{self.objective}_lam{self.lam}_{self.corruption}_{self.category}_seed{self.seed}"

    def __str__(self) -> str:
        cut = "" if self.corruption == "elastic" else f", {self.corruption}"
        return f"{self.objective} λ={self.lam:g}{cut}, {self.category}, seed {self.seed}"


def for_tables(categories: Iterable[str], objectives: Iterable[str], seeds: Iterable[int]) -> list[Job]:
    """Every category with every objective and its λ; seed by seed, so that the tables are complete for one seed first."""
    settings = [(objective, lam) for objective in objectives for lam in LAMS[objective]]
    return [Job(o, "elastic", lam, category, seed) for seed, (o, lam), category in product(seeds, settings, categories)]


def for_figures(categories: Sequence[str], seed: int) -> list[Job]:
    """What figures 4 and 6 need besides; the other figures are drawn from the tables' runs."""
    masked = [Job("amplify_mask", "elastic", LAM_MASK, category, seed) for category in FIGURE_4]
    cut = [Job("restore", "cutout", lam, category, seed) for lam, category in product(LAMS["restore"], FIGURE_6)]
    return [job for job in (*masked, *cut) if job.category in categories]


def batches(jobs: Iterable[Job]) -> list[list[Job]]:
    """The same jobs in as few multiruns as cover them exactly: the categories and seeds of each are a full grid."""
    rows: dict[tuple[str, str, float, int], list[Job]] = {}
    for job in jobs:
        rows.setdefault((job.objective, job.corruption, job.lam, job.seed), []).append(job)
    grids: dict[tuple[object, ...], list[Job]] = {}
    for (*setting, _), row in rows.items():
        grids.setdefault((*setting, *sorted(job.category for job in row)), []).extend(row)
    return list(grids.values())


def overrides(batch: Sequence[Job]) -> list[str]:
    """What the training command gets for the jobs of a batch."""
    first = batch[0]
    categories, seeds = (dict.fromkeys(str(job[i]) for job in batch) for i in (3, 4))
    own = [f"objective={first.objective}", f"objective.lam={first.lam}", f"corruption={first.corruption}"]
    return [f"+category={','.join(categories)}", *own, f"seed={','.join(seeds)}", f"hydra.sweep.subdir={SUBDIR}"]

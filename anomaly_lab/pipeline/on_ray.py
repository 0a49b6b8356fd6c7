"""engine=ray: rows of images, scored by the workers of a Ray cluster. All of them must reach run, images and `out`."""

import itertools
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from anomaly_lab.errors import UserError
from anomaly_lab.pipeline.deciders import decider
from anomaly_lab.pipeline.reading import opened
from anomaly_lab.pipeline.rows import Row, row_of

Given = tuple[Path | None, Path | None, str | None]
PLANNED = 100_000  # images that Ray plans at a time: their paths are in memory
BATCH = 16  # images that a worker takes at a time


class Scorer:
    """A worker: it loads the run once, then makes a row for each path of a batch, as the local engine does.

    `given`: the arguments of `decider`.
    """

    def __init__(self, given: Given, kinds: frozenset[str], out: Path) -> None:
        self.decider, self.kinds, self.out = decider(*given), kinds, out

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """{"path": paths as bytes} → {"row": rows as JSON}."""
        paths = (Path(os.fsdecode(path)) for path in batch["path"])
        found = opened(paths, self.decider.preprocessing, 1)
        return {"row": [json.dumps(row_of(self.decider, self.kinds, self.out, path, item)[0]) for path, item in found]}


def rows(given: Given, kinds: frozenset[str], out: Path, paths: Iterable[Path], workers: int) -> Iterator[Row]:
    """Yield the rows of `paths`, in any order, from `workers` processes with a core each. The others: as for `Scorer`.

    It joins the cluster that RAY_ADDRESS names, or starts one on this machine. UserError without Ray.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError("engine=ray needs Ray: pip install 'anomaly_lab[ray]'") from error
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray tells of its plans on the screen
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the command has its own
    remaining = iter(paths)
    while planned := list(itertools.islice(remaining, PLANNED)):
        data = ray.data.from_items([{"path": os.fsencode(path)} for path in planned])
        workforce = ray.data.ActorPoolStrategy(size=workers)
        arguments: Any = {"fn_constructor_args": (given, kinds, out), "batch_size": BATCH, "num_cpus": 1}
        for found in data.map_batches(Scorer, compute=workforce, **arguments).iter_rows():
            yield json.loads(found["row"])

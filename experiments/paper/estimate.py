"""What the runs will take on this machine: jobs, memory and hours, from measured steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import cost
import step
import torch
from jobs import Job
from omegaconf import OmegaConf
from running import Way, finished, in_words

REPEATS = 2  # timed steps of each size
GIB = 2**30


def printed(
    config: Any, way: Way, wanted: Sequence[Job], counts: Mapping[str, tuple[int, int]], known: float | None
) -> dict[Job, float]:
    """Print what the runs take, and return each job's seconds without early stopping.

    config: of any of the runs
    counts: category → number of its normal training images, of its test images
    known:  seconds of a step on whole images; None: steps are measured here
    """
    on, record = step.device(), OmegaConf.to_container(config.model, resolve=True)
    plan = plan_of(config)
    whole = plan.steps[-1][0]
    line = cost.line({(plan.batch, whole): known} if known else _measured(record, plan, on))
    counted = step.counted(record)
    need = cost.memory(counted, plan.batch, whole) / GIB
    tera = counted.flops / cost.FORWARD * plan.batch * whole**2 / 1e12
    share = config.data.validation_share
    found = {job: cost.seconds(plan, line, round(share * counts[job.category][0]) + counts[job.category][1]) for job in wanted}
    left = [job for job in wanted if not finished(job, way.folder)]
    print(f"{len(wanted)} runs, {len(wanted) - len(left)} of them finished, in {way.folder}")
    there = torch.cuda.mem_get_info(on)[1] / GIB if on.type == "cuda" else None
    took = f"{tera:.2g} TFLOP in {line(plan.batch, whole):.2g} s, {need:.2g} GiB beyond the program"
    print(f"a step of {plan.batch} × {whole}²: {took}; {room(need, there)}")
    print(f"a run: {sum(count for _, count in plan.steps):,} steps, {in_words(max(found.values()))} at most")
    total = in_words(sum(found[job] for job in left) / way.jobs)
    print(f"in all: {total} at most, {way.jobs} at a time; early stopping may end runs sooner", flush=True)
    return found


def _measured(record: Any, plan: cost.Plan, on: torch.device) -> dict[tuple[int, int], float]:
    """Seconds of steps on all sizes but the last: the largest may need more memory than there is."""
    small = [side for side, _ in plan.steps[:-1]] or [plan.steps[-1][0]]
    print(f"Measuring steps of {plan.batch} crops of {' and '.join(f'{s}²' for s in small)} on {_called(on)}", flush=True)
    return {(plan.batch, side): step.seconds(record, plan.batch, side, on, REPEATS) for side in small}


def plan_of(config: Any) -> cost.Plan:
    """The training of a configuration."""
    growing = config.callbacks.progressive_size
    sizes = growing.sizes if growing else [(0.0, 1.0)]
    epochs, steps = config.trainer.max_epochs, config.data.steps_per_epoch
    return cost.plan(config.batch_size, config.data.train_size, sizes, epochs, steps)


def _called(on: torch.device) -> str:
    return torch.cuda.get_device_name(on) if on.type == "cuda" else f"this processor, {torch.get_num_threads()} threads"


def room(need: float, there: float | None) -> str:
    """Whether a step fits: GiB that it needs, and that the GPU has; None without a GPU."""
    if there is None:
        return "there is no GPU here"
    return f"the GPU has {there:.0f}" + ("" if need < there else ", which is too little: add a smaller --set batch_size=")

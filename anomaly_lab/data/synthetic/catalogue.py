"""Each category's sampler and its kinds of defect, with their colours, sizes and strengths."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from anomaly_lab.data.synthetic import defects, objects, textures, weaves
from anomaly_lab.data.synthetic.defects import Scene
from anomaly_lab.data.synthetic.fields import Image

WHITE, BLACK, SAND, STEEL = (0.9, 0.9, 0.87), (0.1, 0.1, 0.1), (0.76, 0.66, 0.5), (0.72, 0.74, 0.78)
RED, BLUE, GREEN, RUST = (0.62, 0.2, 0.16), (0.2, 0.3, 0.58), (0.25, 0.5, 0.3), (0.48, 0.28, 0.16)
UPRIGHT = np.pi / 2  # the heading of the grain of wood: cracks follow it, scratches run across

# category → function that draws a scene without a defect
SAMPLERS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "carpet": weaves.sample_carpet,
    "grid": weaves.sample_grid,
    "leather": textures.sample_leather,
    "tile": textures.sample_tile,
    "wood": textures.sample_wood,
    "bottle": objects.sample_bottle,
    "hazelnut": objects.sample_hazelnut,
    "metal_nut": objects.sample_metal_nut,
    "pill": objects.sample_pill,
}
# category → kind of defect → function that returns the picture of the category's scene with such a defect
KINDS: dict[str, dict[str, Callable[[Any, np.random.Generator], Image]]] = {
    "carpet": {
        "color": weaves.dyed_thread,
        "cut": partial(weaves.torn, radius=(7, 13), aspect=(8.0, 14.0)),
        "hole": partial(weaves.torn, radius=(9, 18), aspect=(1.0, 1.6)),
        "metal_contamination": partial(defects.fragments, colours=(STEEL, WHITE), radius=(4, 7), count=3),
        "misweave": weaves.misweave,
        "thread": partial(
            defects.thread, colours=(WHITE, RED, SAND, BLUE), length=(60, 140), width=(2.5, 5), opacity=(0.6, 0.95)
        ),
    },
    "grid": {
        "bent": weaves.bent_wire,
        "broken": weaves.broken_wire,
        "glue": partial(defects.glue, colour=(0.78, 0.76, 0.68), radius=(10, 20), aspect=(1, 2.5), opacity=(0.2, 0.45)),
        "metal_contamination": partial(defects.fragments, colours=(STEEL, (0.3, 0.3, 0.32)), radius=(4, 8), count=3),
        "thread": partial(defects.thread, colours=(WHITE, RED, BLACK), length=(60, 150), width=(2, 4), opacity=(0.6, 0.95)),
    },
    "leather": {
        "color": partial(defects.stain, colours=(RED, BLUE, (0.75, 0.6, 0.45)), radius=(10, 26), opacity=(0.35, 0.65)),
        "cut": partial(defects.crack, length=(40, 100), width=(2, 3.5), depth=(0.35, 0.65), branches=0),
        "fold": partial(defects.fold, length=(90, 190), width=(5, 9), strength=(0.3, 0.65)),
        "glue": partial(defects.glue, colour=(0.7, 0.6, 0.5), radius=(9, 18), aspect=(1, 3), opacity=(0.1, 0.25)),
        "poke": partial(defects.hole, radius=(3, 6), darkness=(0.4, 0.7), count=3),
    },
    "tile": {
        "crack": partial(defects.crack, length=(90, 200), width=(1.6, 3), depth=(0.45, 0.75)),
        "glue_strip": partial(defects.glue, colour=(0.9, 0.88, 0.82), radius=(12, 20), aspect=(3, 7), opacity=(0.3, 0.5)),
        "gray_stroke": partial(defects.stain, colours=((0.42, 0.42, 0.44),), radius=(10, 20), opacity=(0.5, 0.8)),
        "oil": partial(defects.stain, colours=((0.56, 0.48, 0.30), (0.48, 0.5, 0.36)), radius=(18, 34), opacity=(0.25, 0.5)),
        "rough": partial(defects.rough_patch, radius=(18, 32), strength=(0.10, 0.16)),
    },
    "wood": {
        "color": partial(defects.stain, colours=(RED, BLUE, GREEN), radius=(8, 20), opacity=(0.3, 0.7)),
        "crack": partial(defects.crack, length=(60, 150), width=(1.8, 4), depth=(0.4, 0.75), branches=1, heading=UPRIGHT),
        "hole": partial(defects.hole, radius=(3.5, 8), darkness=(0.6, 0.85), count=2),
        "liquid": partial(
            defects.stain, colours=((0.5, 0.34, 0.2), (0.84, 0.7, 0.52)), radius=(16, 32), opacity=(0.3, 0.6), rim=0.15
        ),
        "scratch": partial(
            defects.scratch, length=(40, 120), width=(1.4, 3), strength=(0.12, 0.3), count=4, heading=UPRIGHT + 1.3
        ),
    },
    "bottle": {
        "broken_large": partial(objects.chipped, size=(20, 32)),
        "broken_small": partial(objects.chipped, size=(8, 13)),
        "contamination": partial(defects.fragments, colours=(SAND, WHITE, GREEN), radius=(4, 9), count=4),
        "scratch": partial(defects.scratch, length=(40, 90), width=(1.4, 2.5), strength=(0.2, 0.4), count=2),
    },
    "hazelnut": {
        "crack": partial(defects.crack, length=(60, 120), width=(2, 5), depth=(0.6, 0.9), branches=2),
        "cut": partial(defects.scratch, length=(25, 70), width=(1.8, 3.5), strength=(0.2, 0.4), count=2),
        "hole": partial(defects.hole, radius=(4, 9), darkness=(0.7, 0.9)),
        "print": partial(defects.lettering, colour=(0.75, 0.74, 0.72), height=(16, 30), opacity=(0.5, 0.8)),
    },
    "metal_nut": {
        "bent": objects.flattened,
        "color": partial(defects.stain, colours=(RUST, BLUE, RED), radius=(7, 18), opacity=(0.25, 0.6)),
        "missing_part": partial(objects.chipped, size=(10, 20)),
        "scratch": partial(defects.scratch, length=(30, 90), width=(1.2, 2.4), strength=(0.15, 0.35), count=4),
    },
    "pill": {
        "color": partial(defects.stain, colours=((0.7, 0.55, 0.2), RED, BLUE), radius=(6, 16), opacity=(0.15, 0.45)),
        "contamination": partial(defects.fragments, colours=(RUST, BLACK, GREEN), radius=(2.5, 5), count=3),
        "crack": partial(defects.crack, length=(40, 90), width=(1.4, 2.6), depth=(0.35, 0.7), branches=1),
        "faulty_imprint": objects.misprinted,
        "missing_part": partial(objects.chipped, size=(10, 20)),
    },
}

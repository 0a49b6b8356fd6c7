"""Images that a category holds twice: results on them say nothing about new images."""

import logging
from collections import defaultdict
from collections.abc import Sequence

from anomaly_lab.data.folder import Sample
from anomaly_lab.files import of_file

log = logging.getLogger(__name__)


def copied(samples: Sequence[Sample], originals: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """(sample, original) for each of `samples` whose file has the bytes of one of `originals`."""
    by_size = defaultdict[int, list[Sample]](list)
    for original in originals:
        by_size[original.path.stat().st_size].append(original)
    found = []
    for sample in samples:
        alike = by_size.get(sample.path.stat().st_size, [])
        same = next((o for o in alike if o.path != sample.path and of_file(o.path) == of_file(sample.path)), None)
        if same is not None:
            found.append((sample, same))
    return found


def tell_copies(train: Sequence[Sample], held_out: Sequence[Sample], test: Sequence[Sample]) -> None:
    """Log a warning if normal images are used twice: to learn and to calibrate, or to learn and to test."""
    for what, samples, originals, consequence in (
        ("held-out", held_out, train, "the threshold is too low for new images"),
        ("test", test, [*train, *held_out], "the metrics are too good"),
    ):
        if found := copied(samples, originals):
            sample, original = found[0]
            log.warning(
                "%d of %d %s images are copies of training images, such as %s of %s: %s, so remove them",
                *(len(found), len(samples), what, sample.path, original.path, consequence),
            )

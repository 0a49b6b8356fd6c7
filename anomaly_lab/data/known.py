"""The images of a training, known by their content: files are renamed and moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from anomaly_lab.data.folder import Sample
from anomaly_lab.files import of_file

File = tuple[str, str]  # path below the category's folder, digest


class Known(NamedTuple):
    """A run's normal images: those that it learnt from, and those that it held out."""

    train: frozenset[File] = frozenset()
    held_out: frozenset[File] = frozenset()


def files_of(samples: Sequence[Sample], root: Path) -> frozenset[File]:
    """The files of samples below `root`."""
    return frozenset((sample.path.relative_to(root).as_posix(), of_file(sample.path)) for sample in samples)


def held_out_again(samples: Sequence[Sample], root: Path, known: Known) -> list[Sample] | None:
    """Those of the normal images below `root` that the training held out; None if its images are not among them.

    Content decides. If the training's own images are there but none that it held out, all images are returned that it has not
    learnt from. If no content is known, as of images that were saved anew, paths decide.
    """
    names = {path for path, _ in known.held_out}
    here = [sample for sample in samples if sample.path.relative_to(root).as_posix() in names]
    if not any(known) or (here and files_of(here, root) == known.held_out):
        return here or None
    trained = {digest for _, digest in known.train}
    kept = {digest for _, digest in known.held_out} - trained
    digests = [of_file(sample.path) for sample in samples]
    if not (trained | kept) & set(digests):
        return here or None
    again = [sample for sample, digest in zip(samples, digests, strict=True) if digest in kept]
    return again or [sample for sample, digest in zip(samples, digests, strict=True) if digest not in trained]

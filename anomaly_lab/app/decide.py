"""A run and an image → what the page shows: score, decision at any threshold, and the picture of it. See `pipeline.predict`."""

from collections import OrderedDict
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import detect, quiet_level
from anomaly_lab.calibration.rules import p_value
from anomaly_lab.data.images import resize, to_unit
from anomaly_lab.data.likeness import unlike
from anomaly_lab.errors import as_sentence, printable
from anomaly_lab.files import of_file
from anomaly_lab.pipeline.reading import opened
from anomaly_lab.pipeline.saved import Decided, Opened, defects_of, drawn
from anomaly_lab.runs.trained import Trained
from anomaly_lab.scored import look, preprocessing_of

SHOWN = 1400  # pixels: the longer side of a picture on the page
KEPT = 2**29  # bytes of heatmaps that are kept; of others, the image is scored again


class Judged(NamedTuple):
    """An image as the run sees it. The values are those of predictions.csv; without a score there is an `error`."""

    name: str  # as the user calls it
    path: Path  # where its bytes lie
    digest: str  # of its bytes
    error: str | None
    score: float | None = None
    level: float | None = None  # None where no threshold can detect anything: the image is smaller than min_area
    p_value: float | None = None
    height: int = 0
    width: int = 0
    unlike: tuple[str, ...] = ()

    def defective(self, threshold: float) -> bool:
        """The decision. `level` is the lowest threshold without a detection."""
        return self.level is not None and self.level > threshold


class Picture(NamedTuple):
    """An image at a threshold, at most `SHOWN` pixels wide and high: (h, w, 3) uint8 RGB. `defects` in the image's pixels."""

    plain: NDArray[np.uint8]
    found: NDArray[np.uint8]
    defects: list[dict[str, Any]]


class _Kept(NamedTuple):
    image: Opened  # its pixels at the size that is shown
    heatmap: NDArray[np.float32]  # at the stored size


class Judge:
    """A run that decides about one image at a time, whoever asks. `normal`: the held-out images' levels, which may be none.

    UserError for a run without a threshold.
    """

    def __init__(self, trained: Trained) -> None:
        self.run, self.category, self._module = trained.run, str(trained.config.category.name), trained.module
        self.threshold, self.min_area = trained.threshold, int(trained.module.hparams["min_area"])
        own = [float(row["level"]) for row in trained.levels if int(row["min_area"]) == self.min_area]
        self.normal: list[float] = list(trained.module.hparams["calibration"].get("levels") or own)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._one = RLock()  # a second image at the same time would only take memory

    def judge(self, path: Path, name: str) -> Judged:
        """Score an image. A file that can't be read has the reason in `error`, as in predictions.csv."""
        digest = of_file(path)
        with self._one:
            image = self._read(path)
            if isinstance(image, str):
                return Judged(name, path, digest, printable(image.replace(str(path), name)))
            try:
                found = look(self._module, image.X, image.size, way=image.way)
            except (MemoryError, RuntimeError) as error:
                if (sentence := as_sentence(error)) is None:
                    raise
                return Judged(name, path, digest, sentence)
            level = quiet_level(found.heatmap, self.min_area)
            self._keep(digest, _Kept(image._replace(stored=resize(image.stored, _fitting(image.size))), found.heatmap))
        return Judged(
            name,
            path,
            digest,
            None,
            score=found.score,
            level=level if np.isfinite(level) else None,
            p_value=float(p_value(level, self.normal)) if self.normal else None,
            height=image.size[0],
            width=image.size[1],
            unlike=tuple(unlike(image.seen, self._module.hparams["profile"])),
        )

    def picture(self, judged: Judged, threshold: float) -> Picture | None:
        """The image and what is found in it at a threshold. None for a file that can't be read, or is gone."""
        with self._one:
            if judged.error is None and judged.digest not in self._kept and judged.path.is_file():
                self.judge(judged.path, judged.name)
            if (kept := self._kept.get(judged.digest)) is None:
                return None
            self._kept.move_to_end(judged.digest)
        mask = detect(kept.heatmap, threshold, self.min_area)
        defects = defects_of(kept.heatmap, mask)
        plain = (255 * to_unit(kept.image.stored)).round().astype(np.uint8)
        # the colours stay when the threshold moves: what moves are the outlines
        return Picture(plain, drawn(kept.image, _fitted(Decided(kept.heatmap, mask, defects)), self.threshold), defects)

    def row(self, judged: Judged) -> dict[str, Any]:
        """The image's row as in predictions.jsonl, without time and file. It has the run's own threshold."""
        if judged.error is not None:
            return {"path": judged.name, "error": judged.error}
        found = self.picture(judged, self.threshold)
        return {
            "path": judged.name,
            "score": judged.score,
            "level": judged.level,
            "p_value": judged.p_value,
            "margin": None if judged.level is None else judged.level - self.threshold,
            "defective": judged.defective(self.threshold),
            "defects": [{k: v for k, v in d.items() if k != "polygons"} for d in found.defects] if found else [],
            "height": judged.height,
            "width": judged.width,
            "unlike": list(judged.unlike),
            "error": None,
        }

    def _read(self, path: Path) -> Opened | str:
        ((_, image),) = opened([path], preprocessing_of(self._module), 1)
        return image

    def _keep(self, digest: str, item: _Kept) -> None:
        """Keep what was scored last, as far as it fits `KEPT` bytes; the last one always."""
        self._kept[digest] = item
        while len(self._kept) > 1 and sum(kept.heatmap.nbytes for kept in self._kept.values()) > KEPT:
            self._kept.popitem(last=False)


def _fitting(size: tuple[int, ...]) -> tuple[int, int]:
    """The (height, width) at which an image is shown: its own, or smaller with `SHOWN` as the longer side."""
    scale = min(1.0, SHOWN / max(size))
    return max(1, round(scale * size[0])), max(1, round(scale * size[1]))


def _fitted(decided: Decided) -> Decided:
    """The decision at the size that is shown. No defect of the mask is lost: a pixel is marked if any below it is."""
    size = _fitting(decided.mask.shape)
    if size == decided.mask.shape:
        return decided
    heatmap = resize(decided.heatmap[..., None], size)[..., 0]
    mask = resize(decided.mask[..., None].astype(np.float32), size)[..., 0] > 0
    scale = size[1] / decided.mask.shape[1], size[0] / decided.mask.shape[0]
    boxes = [[round(scale[i % 2] * side) for i, side in enumerate(defect["box"])] for defect in decided.defects]
    return Decided(heatmap, mask, [defect | {"box": box} for defect, box in zip(decided.defects, boxes, strict=True)])

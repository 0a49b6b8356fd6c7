"""Images at the working scale: the same from the cache, from memory and from the files, decoded as often as promised."""

from pathlib import Path

import numpy as np
import pytest

from anomaly_lab.data.cache import ImageCache
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import read_image
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.errors import UserError
from data.maps import map_of_itself, stored

HALF = Preprocessing(0.5, "image")


@pytest.mark.parametrize("kept", ["on disk", "in memory", "in the cache"])
def test_an_image_is_resized_and_comes_with_its_own_levels(maps: list[Sample], tmp_path: Path, kept: str) -> None:
    cache = ImageCache(tmp_path, 1.0) if kept == "in the cache" else None
    images = DecodedImages(maps, HALF, in_memory=kept == "in memory", cache=cache)
    assert len(images) == len(maps)
    for i, sample in enumerate(maps):
        image, levels = images[i]
        small = HALF.fitted(read_image(sample.path))[0]
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, small)
        assert levels == HALF.levels(small)


def test_images_in_memory_do_not_need_their_files_any_more(tmp_path: Path) -> None:
    samples = stored(tmp_path, [map_of_itself(0, 20, 30)])
    kept, streamed = DecodedImages(samples, HALF, in_memory=True), DecodedImages(samples, HALF)
    samples[0].path.unlink()
    assert kept[0][0].shape == (10, 15, 3)
    with pytest.raises(UserError, match="cannot be read"):
        streamed[0]


def test_progress_counts_the_images_that_are_decoded_beforehand(maps: list[Sample]) -> None:
    calls: list[tuple[int, int]] = []
    DecodedImages(maps, HALF, progress=lambda done, total: calls.append((done, total)))
    assert calls == []
    DecodedImages(maps, HALF, in_memory=True, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 5) for done in range(1, 6)]

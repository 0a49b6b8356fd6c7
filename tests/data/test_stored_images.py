"""Images to be scored: prepared as the training images are, with the ground truth at the stored size."""

from pathlib import Path

import cv2
import numpy as np
import torch

from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor
from anomaly_lab.data.stored_images import StoredImages
from data.maps import map_of_itself, stored


def test_each_image_comes_with_its_stored_size_and_its_ground_truth(tmp_path: Path) -> None:
    """The ground truth has the stored size: a defect's mask; all False for a normal image; None where there is no mask."""
    sizes = [(40, 60), (50, 30), (24, 24)]
    files = stored(tmp_path, [map_of_itself(i, *size) for i, size in enumerate(sizes)])
    mask = np.zeros((50, 30), np.uint8)
    mask[10:20, 5:9] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    samples = [files[0], Sample(files[1].path, "hole", tmp_path / "mask.png"), Sample(files[2].path, "odd", None)]
    images = StoredImages(samples, Preprocessing(0.5))
    assert len(images) == 3
    normal, hole, odd = (images[i] for i in range(3))
    assert [image["size"] for image in (normal, hole, odd)] == sizes
    assert [image["index"] for image in (normal, hole, odd)] == [0, 1, 2]
    assert [tuple(image["X"].shape) for image in (normal, hole, odd)] == [(3, 20, 30), (3, 25, 15), (3, 12, 12)]
    assert normal["X"].dtype == torch.float32
    assert normal["truth"].dtype == hole["truth"].dtype == torch.bool
    assert normal["truth"].shape == (40, 60)
    assert not normal["truth"].any()
    assert np.array_equal(hole["truth"].numpy(), mask > 0)
    assert odd["truth"] is None


def test_images_are_prepared_as_the_training_images_are(maps: list[Sample]) -> None:
    prepare = Preprocessing(0.5, "image")
    images = DecodedImages(maps, prepare, in_memory=True)
    for i, image in enumerate(images[i] for i in range(5)):
        assert torch.equal(StoredImages(maps, prepare)[i]["X"], to_tensor(prepare.unit(*image)))

"""The images around a trained network: held out again as the training held them out, prepared as it prepared them.

Images to be scored have the ground truth at the stored size.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from conftest import small_data, write_category

from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.known import Known, files_of
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor
from anomaly_lab.data.scoring_data import ScoringData, StoredImages, scoring_data
from data.maps import map_of_itself, stored

READER = {"_target_": "anomaly_lab.data.folder.scan"}
PLAIN = Preprocessing()


def test_the_images_are_those_of_the_training(tmp_path: Path) -> None:
    """Found again by their content, whatever comes to the folder and however its files are named."""
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path)
    data.setup()
    known = known_of(data, tmp_path)
    again = scoring_data(READER, str(tmp_path), "stripes", data.preprocessing, 0.9, seed=7, known=known)
    assert again.held_out == data.images.held_out
    assert again.train.samples == data.images.train.samples
    assert again.image_size == data.images.image_size
    for (i, a), (j, b) in zip(again.held_out_images(9), data.images.held_out_images(9), strict=True):
        assert i == j and torch.equal(a, b)


def known_of(data: AnomalyDataModule, root: Path) -> Known:
    return Known(*(files_of(s, root / "stripes") for s in (data.images.train.samples, data.images.held_out)))


def test_images_that_were_renamed_are_known_by_their_content(tmp_path: Path) -> None:
    """Numbered anew, a training image has the name of a held-out one. Copies that were saved anew are known by their names."""
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path)
    data.setup()
    known, held_out = known_of(data, tmp_path), {sample.path.read_bytes() for sample in data.images.held_out}
    good = tmp_path / "stripes/train/good"
    for i, path in enumerate(sorted(good.iterdir(), reverse=True)):
        path.rename(path.with_name(f"new{i}"))
    for i in range(6):
        (good / f"new{i}").rename(good / f"{i:03d}.png")

    def again() -> ScoringData:
        found = scoring_data(READER, str(tmp_path), "stripes", data.preprocessing, 0.9, 7, known)
        assert not found.drawn_anew
        return found

    assert {sample.path.read_bytes() for sample in again().held_out} == held_out
    for path in good.iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path)) // 2)
    assert {sample.path.relative_to(tmp_path / "stripes").as_posix() for sample in again().held_out} == {
        path for path, _ in known.held_out
    }


def test_what_was_trained_on_is_never_held_out(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path)
    data.setup()
    known = known_of(data, tmp_path)
    for sample in data.images.held_out:
        sample.path.unlink()
    assert scoring_data(READER, str(tmp_path), "stripes", PLAIN, 0.34, 0, known).held_out == []
    new = tmp_path / "stripes/train/good/new.png"
    cv2.imwrite(str(new), np.full((64, 64, 3), 9, np.uint8))
    found = scoring_data(READER, str(tmp_path), "stripes", PLAIN, 0.34, 0, known)
    assert [sample.path for sample in found.held_out] == [new]


def test_without_known_names_the_split_is_drawn_as_for_a_training(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path, seed=3)
    data.setup()
    again = scoring_data(READER, str(tmp_path), "stripes", PLAIN, 0.34, seed=3)
    assert again.held_out == data.images.held_out and again.drawn_anew
    other = Known(frozenset([("train/good/x.png", "a")]), frozenset([("train/good/y.png", "b")]))
    assert scoring_data(READER, str(tmp_path), "stripes", PLAIN, 0.34, 3, other).held_out == data.images.held_out


def test_new_images_need_no_training_images(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes", train=0, good=0, defects=("new",), masks=False)
    data = scoring_data(READER, str(tmp_path), "stripes", PLAIN, 0.34, seed=0)
    assert (data.held_out, len(data.train), len(data.test), data.image_size) == ([], 0, 2, 64)


def test_a_few_images_are_evenly_spread_and_come_with_their_places(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes", train=10)
    data = scoring_data(READER, str(tmp_path), "stripes", PLAIN, 0.5, seed=0)
    assert [place for place, _ in data.held_out_images(3)] == [0, 2, 4]
    images, count = data.training_images(2)
    assert (count, len(list(images))) == (2, 2)
    images, count = data.training_images()
    shapes = {tuple(X.shape) for X in images}
    assert (count, shapes) == (5, {(3, 64, 64)})


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


def test_a_rescaled_image_has_ground_truth_of_its_new_size(tmp_path: Path) -> None:
    (file,) = stored(tmp_path, [map_of_itself(0, 64, 96)])
    mask = np.zeros((64, 96), np.uint8)
    mask[10:20, 5:9] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    sample = Sample(file.path, "hole", tmp_path / "mask.png")
    found = StoredImages([sample], Preprocessing(0.5, rescale="training", longest=48))[0]
    assert (found["size"], tuple(found["X"].shape), found["truth"].shape) == ((32, 48), (3, 16, 24), (32, 48))
    expected = mask.reshape(32, 2, 48, 2).mean((1, 3)) >= 127
    assert np.array_equal(found["truth"].numpy(), expected)
    assert found["seen"]["size"] == 48

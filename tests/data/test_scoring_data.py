"""The images around a trained network: held out again as the training held them out, prepared as it prepared them."""

from pathlib import Path

import torch
from conftest import small_data, write_category

from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import scoring_data

READER = {"_target_": "anomaly_lab.data.folder.scan"}
PLAIN = Preprocessing()


def test_the_images_are_those_of_the_training(tmp_path: Path) -> None:
    """Found again from the names of the held-out images alone."""
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path)
    data.setup()
    known = [sample.path.relative_to(tmp_path / "stripes").as_posix() for sample in data.images.held_out]
    again = scoring_data(READER, str(tmp_path), "stripes", data.preprocessing, 0.9, seed=7, known=known)
    assert again.held_out == data.images.held_out
    assert again.train.samples == data.images.train.samples
    assert again.image_size == data.images.image_size
    for (i, a), (j, b) in zip(again.held_out_images(9), data.images.held_out_images(9), strict=True):
        assert i == j and torch.equal(a, b)


def test_without_known_names_the_split_is_drawn_as_for_a_training(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path, seed=3)
    data.setup()
    again = scoring_data(READER, str(tmp_path), "stripes", PLAIN, 0.34, seed=3)
    assert again.held_out == data.images.held_out


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

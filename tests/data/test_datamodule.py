"""The LightningDataModule on a small category of real PNG files: the split, the scale, and samples whatever the workers."""

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import RANGES
from torch import Tensor

from anomaly_lab.data.alignment import aligned
from anomaly_lab.data.datamodule import VALIDATION_PAIRS, AnomalyDataModule
from anomaly_lab.data.images import read_image
from anomaly_lab.data.scoring_data import StoredImages
from anomaly_lab.data.statistics import SIZES
from anomaly_lab.errors import UserError
from data.bolts import bolt

SIDE = 64
STEPS, BATCH = 4, 3
CUTOUT = {
    "_target_": "anomaly_lab.corruption.local.LocalCorruption",
    "name": "cutout",
    "contents": [{"_target_": "anomaly_lab.corruption.contents.Cutout", "fill": 0.5}],
    **RANGES,
}
MOVED = {"_target_": "anomaly_lab.corruption.contents.Elastic", "amplitude": [2.0, 8.0], "smoothness": [4.0, 16.0]}
ELASTIC = CUTOUT | {"contents": [MOVED]}


def write(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def noise(number: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.random.default_rng([number, height, width]).integers(0, 256, (height, width, 3), np.uint8)


def write_category(folder: Path, train: list[np.ndarray]) -> Path:
    """A complete category: these normal images, and one test image of each kind."""
    for i, image in enumerate(train):
        write(folder / f"train/good/{i:03d}.png", image)
    write(folder / "test/good/000.png", noise(100))
    write(folder / "test/hole/000.png", noise(101))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[5:9, 7:20] = 255
    write(folder / "ground_truth/hole/000_mask.png", mask)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_category(folder / "noise", [noise(i) for i in range(7)])
    return folder


def module(root: Path, name: str = "noise", *, ready: bool = True, **settings: Any) -> AnomalyDataModule:
    category = {"name": name, "kind": "texture", "augmentation": ["horizontal_flip", "rotate90"], "min_area": None}
    category |= settings.pop("category", {})
    arguments: dict[str, Any] = {
        "name": "mvtec",
        "reader": {"_target_": "anomaly_lab.data.folder.scan"},
        "root": str(root),
        "category": category,
        "image_size": SIDE,
        "contrast": "none",
        "corruption": ELASTIC,
        "validation_corruption": CUTOUT,
        "batch_size": BATCH,
        "steps_per_epoch": STEPS,
        "train_size": 32,
        "validation_share": 0.3,
        "num_workers": 0,
        "seed": 0,
    }
    data = AnomalyDataModule(**arguments | settings)
    if ready:
        data.prepare_data()
        data.setup("fit")
    return data


Epoch = list[dict[str, Tensor]]


def epochs(
    data: AnomalyDataModule, positions: list[tuple[int, int]], before: Callable[[int], None] | None = None
) -> list[Epoch]:
    """What a trainer would be given: one loader, with persistent workers, iterated at each (epoch, steps of it done)."""
    loader = data.train_dataloader()
    drawn = []
    for epoch, done in positions:
        if before is not None:
            before(epoch)
        data.trainer = SimpleNamespace(current_epoch=epoch, global_step=epoch * STEPS + done, overfit_batches=0)  # type: ignore[assignment]
        drawn.append([{name: value.clone() for name, value in batch.items()} for batch in loader])
    return drawn


def each(batches: Epoch, name: str) -> Iterator[Tensor]:
    """The single samples of some batches."""
    return chain.from_iterable(batch[name] for batch in batches)


def same(first: Epoch, second: Epoch) -> bool:
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in zip(first, second, strict=True)
    )


# ----------------------------------------------------------------------------------------------- randomness and workers

many_workers = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more than this machine has cores


@pytest.fixture(scope="module")
def reference(root: Path) -> list[Epoch]:
    """Two epochs, drawn in the main process."""
    return epochs(module(root), [(0, 0), (1, 0)])


def test_an_epoch_has_its_steps_of_its_batch_size(reference: list[Epoch]) -> None:
    for epoch in reference:
        assert len(epoch) == STEPS
        for batch in epoch:
            assert {name: tuple(value.shape) for name, value in batch.items()} == {
                "X": (BATCH, 3, 32, 32),
                "X_hat": (BATCH, 3, 32, 32),
                "M": (BATCH, 1, 32, 32),
            }


def test_on_a_gpu_memory_is_pinned(root: Path) -> None:
    data = module(root)
    for device in ("cuda", "cpu"):
        strategy = SimpleNamespace(root_device=torch.device(device))
        data.trainer = SimpleNamespace(strategy=strategy)  # type: ignore[assignment]
        assert data.train_dataloader().pin_memory == (device == "cuda")


@many_workers
@pytest.mark.parametrize("workers", [1, 4])
def test_samples_are_the_same_bit_for_bit_with_any_number_of_workers(root: Path, reference: list[Epoch], workers: int) -> None:
    """albumentations' own generator, forked, would give each worker the same corruptions and replay them every epoch."""
    drawn = epochs(module(root, num_workers=workers), [(0, 0), (1, 0)])
    assert all(same(a, b) for a, b in zip(drawn, reference, strict=True))


def test_no_corruption_comes_twice_within_or_between_epochs(reference: list[Epoch]) -> None:
    masks = [M.numpy().tobytes() for epoch in reference for M in each(epoch, "M")]
    assert len(set(masks)) == 2 * STEPS * BATCH


def test_another_seed_gives_other_samples(root: Path, reference: list[Epoch]) -> None:
    data = module(root, seed=1)
    data.scoring_data = module(root).images  # the same split: it is the samples that differ
    (other,) = epochs(data, [(0, 0)])
    assert not {M.numpy().tobytes() for M in each(other, "M")} & {M.numpy().tobytes() for M in each(reference[0], "M")}


def test_every_epoch_has_the_batches_of_the_first_where_they_are_to_be_overfitted(root: Path) -> None:
    data = module(root)
    data.trainer = SimpleNamespace(current_epoch=5, global_step=10, overfit_batches=2)  # type: ignore[assignment]
    assert data._position() == (0, 0)
    data.trainer.overfit_batches = 0
    assert data._position()[0] == 5


@many_workers
@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_that_goes_on_in_the_middle_of_an_epoch_gets_its_remaining_batches(
    root: Path, reference: list[Epoch], workers: int
) -> None:
    first, second = epochs(module(root, num_workers=workers), [(0, 3), (1, 1)])
    assert same(first, reference[0][3:])
    assert same(second, reference[1][1:])


def test_without_a_trainer_the_loader_begins_at_the_beginning(root: Path, reference: list[Epoch]) -> None:
    assert same(list(module(root).train_dataloader()), reference[0])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_change_of_size_takes_effect_at_the_next_epoch(root: Path, workers: int) -> None:
    """Also with workers that live on from epoch to epoch: the size travels with each key."""
    data = module(root, num_workers=workers)
    sizes = {0: 32, 1: 48, 2: 0}
    now: list[int] = []
    data.size_schedule = lambda step: now[-1]
    drawn = epochs(data, [(0, 0), (1, 0), (2, 0)], before=lambda epoch: now.append(sizes[epoch]))
    shapes = [{tuple(X.shape) for X in each(epoch, "X")} for epoch in drawn]
    assert shapes == [{(3, 32, 32)}, {(3, 48, 48)}, {(3, SIDE, SIDE)}]


def test_training_and_validation_use_the_corruption_each_is_given(root: Path) -> None:
    data = module(root)
    training = next(iter(data.train_dataloader()))
    (pair, *_) = data.val_dataloader()
    inside, M = pair["X_hat"][pair["M"].expand(1, 3, -1, -1) > 0], training["M"].expand(-1, 3, -1, -1) > 0
    # cut-outs have one value a patch, three patches at most; deformed noise has many
    assert len(inside.unique()) <= 3
    assert len(training["X_hat"][M].unique()) > 100


def test_a_category_with_a_single_image_is_refused(tmp_path: Path) -> None:
    write_category(tmp_path / "one", [noise(0)])
    with pytest.raises(UserError, match="single image"):
        module(tmp_path, "one")


def test_what_is_served_where(root: Path) -> None:
    """Training and calibration never share an image; the test images are those of the folder, and nothing else sees them."""
    data = module(root)
    trained, held_out = {s.path for s in data.images.train.samples}, {s.path for s in data.images.held_out}
    assert len(held_out) == 3
    assert trained | held_out == set((root / "noise/train/good").iterdir())
    assert not trained & held_out
    assert {s.path for s in data.images.validation.samples} == held_out
    good, hole = StoredImages(data.images.test, data.preprocessing)  # type: ignore[misc]
    assert not good["truth"].any()
    assert hole["truth"].sum() == 4 * 13
    for image, number in ((good, 100), (hole, 101)):
        assert tuple(image["size"]) == (SIDE, SIDE)
        rgb = noise(number)[..., ::-1].copy()
        assert torch.equal((image["X"] * 255).round().to(torch.uint8), torch.from_numpy(rgb).permute(2, 0, 1))


@pytest.mark.parametrize(("held_out", "expected"), [(1, VALIDATION_PAIRS), (5, 15), (VALIDATION_PAIRS + 3, VALIDATION_PAIRS)])
def test_there_are_enough_validation_pairs_and_not_many_more(tmp_path: Path, held_out: int, expected: int) -> None:
    """Few held-out images are corrupted several times each; of many, the first are taken. One pair a batch: sizes differ."""
    write_category(tmp_path / "some", [noise(i) for i in range(held_out + 2)])
    data = module(tmp_path, "some", validation_share=held_out / (held_out + 2))
    assert len(data.images.held_out) == held_out
    first, second = list(data.val_dataloader()), list(data.val_dataloader())
    assert len(first) == expected
    assert same(first, second), "validation pairs change from epoch to epoch"
    assert len({pair["M"].numpy().tobytes() for pair in first}) == expected
    assert len({pair["X"].numpy().tobytes() for pair in first}) == min(held_out, VALIDATION_PAIRS)


# --------------------------------------------------------------------------------------------- scale, contrast, min_area


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Images of differing sizes: the median of the longer sides is 200, of the areas 100 · 200."""
    write_category(
        tmp_path / "mixed", [noise(0, 100, 200), noise(1, 260, 100), noise(2, 50, 100), noise(3, 200, 100), noise(4, 90, 200)]
    )
    return tmp_path


def test_the_scale_is_that_of_the_median_longer_side(mixed: Path) -> None:
    data = module(mixed, "mixed", image_size=100)
    assert data.image_size == 100
    assert data.preprocessing.scale == 0.5
    assert data.why_size == "as configured"
    shapes = {image.shape[:2] for image, _ in (data.images.train[i] for i in range(len(data.images.train)))}
    assert shapes <= {(50, 100), (130, 50), (25, 50), (100, 50), (45, 100)}


def test_crops_are_batched_and_whole_images_validated_where_sizes_differ(mixed: Path) -> None:
    data = module(mixed, "mixed", image_size=100)
    assert all(X.shape == (3, 32, 32) for X in each(list(data.train_dataloader()), "X"))
    sizes = {tuple(pair["X"].shape[2:]) for pair in data.val_dataloader()}
    stored = {cv2.imread(str(sample.path)).shape[:2] for sample in data.images.held_out}
    assert sizes == {data.preprocessing.size(size) for size in stored}


def test_auto_chooses_the_size_and_says_why(tmp_path: Path) -> None:
    """Among the sizes offered; the finer the texture, the larger."""
    chosen = []
    for name, period in (("coarse", 40), ("fine", 3)):
        wave = 127 + 90 * np.sin(np.arange(256) * 2 * np.pi / period)
        write_category(tmp_path / name, [np.tile(wave.round().astype(np.uint8), (256, 1))] * 3)
        data = module(tmp_path, name, image_size="auto")
        assert data.image_size in SIZES
        assert data.preprocessing.scale == data.image_size / 256
        assert "px" in data.why_size
        chosen.append(data.image_size)
    assert chosen[0] < chosen[1]


def test_min_area_is_a_share_of_the_median_image_unless_given(mixed: Path) -> None:
    """0.05 % of the stored pixels, four at the least."""
    assert module(mixed, "mixed", image_size=100).min_area == round(5e-4 * 20000)
    assert module(mixed, "mixed", image_size=100, category={"min_area": 77}).min_area == 77


def test_min_area_of_small_images_is_four_pixels(root: Path) -> None:
    assert 5e-4 * SIDE * SIDE < 4
    assert module(root).min_area == 4


def test_the_median_of_two_images_is_their_mean_area(tmp_path: Path) -> None:
    write_category(tmp_path / "two", [noise(0, 100, 200), noise(1, 260, 200)])
    assert module(tmp_path, "two", image_size=100).min_area == round(5e-4 * 36000)


def test_contrast_of_the_category_comes_from_the_training_images(tmp_path: Path) -> None:
    """Training images come out at one half on average, with the same spread, whatever they are stored as."""
    faint = [(100 + noise(i) // 16).astype(np.uint8) for i in range(8)]
    write_category(tmp_path / "faint", faint)
    plain, stretched = (module(tmp_path, "faint", contrast=contrast) for contrast in ("none", "category"))
    assert plain.mean_color == pytest.approx([107.5 / 255] * 3, abs=0.005)
    assert stretched.mean_color == pytest.approx([0.5] * 3, abs=0.01)
    spreads = [torch.cat([X.flatten() for X in each(list(data.train_dataloader()), "X")]).std() for data in (plain, stretched)]
    assert spreads[0] < 0.03
    assert spreads[1] == pytest.approx(0.14, abs=0.02)


# --------------------------------------------------------------------------------------------------- before training


def test_a_damaged_file_is_named_before_training_and_mended_without_a_new_start(tmp_path: Path) -> None:
    folder = write_category(tmp_path / "damaged", [noise(i) for i in range(4)])
    victim = folder / "train/good/002.png"
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    data = module(tmp_path, "damaged", ready=False)
    data.prepare_data()
    with pytest.raises(UserError, match=r"002\.png is no complete image file"):
        data.setup("fit")
    victim.write_bytes(whole)
    data.setup("fit")
    assert len(data.images.train) + len(data.images.held_out) == 4


def test_a_mask_of_another_size_is_named_before_training(tmp_path: Path) -> None:
    folder = write_category(tmp_path / "wrong", [noise(i) for i in range(4)])
    write(folder / "ground_truth/hole/000_mask.png", np.full((8, 8), 255, np.uint8))
    with pytest.raises(UserError, match=r"000_mask\.png is 8 x 8 pixels"):
        module(tmp_path, "wrong")


def test_a_missing_category_is_named_before_training(root: Path) -> None:
    with pytest.raises(UserError, match=r"has no category nois.*noise"):
        module(root, "nois")


@pytest.fixture
def bolts(tmp_path: Path) -> Path:
    write_category(tmp_path / "bolts", [bolt(angle, seed=angle) for angle in range(0, 360, 36)])
    return tmp_path


def test_long_parts_in_any_direction_are_aligned_before_anything_is_measured(bolts: Path, root: Path) -> None:
    """So crops are not turned any more, and not by quarters either; what is held out, and kept in a cache, is aligned too."""
    settings: dict[str, Any] = {"image_size": 128, "train_size": 64, "rotation": "auto"}
    data = module(bolts, "bolts", align="auto", cache={"folder": bolts / "cache", "gib": 1.0}, **settings)
    assert data.align and data.preprocessing.align and data.why_align.startswith("long parts are turned by up to")
    assert data.rotation < 5
    for images in (data.images.train, data.images.validation):
        for i, sample in enumerate(images.samples):
            expected, _ = aligned(read_image(sample.path))
            assert np.array_equal(images[i][0], expected)
    assert [type(flip).__name__ for flip in data._training_samples().flips] == ["HorizontalFlip"]
    lying = module(bolts, "bolts", cache={"folder": bolts / "cache", "gib": 1.0}, **settings)
    assert not lying.align and lying.rotation == 180 and len(lying._training_samples().flips) == 2
    image, _ = lying.images.train[0]
    assert np.array_equal(image, read_image(lying.images.train.samples[0].path))
    assert not module(root, align="auto").align
    assert module(root, align=True).why_align == "as configured"


def test_an_unknown_augmentation_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="rotate45"):
        module(root, category={"augmentation": ["rotate45"]}).train_dataloader()


def test_setup_is_done_once(root: Path) -> None:
    data = module(root)
    images = data.images
    data.setup("test")
    assert data.images is images


def test_a_home_directory_may_be_given_by_its_sign() -> None:
    data = module(Path("~/somewhere"), ready=False)
    assert data.root == Path.home() / "somewhere"


def test_a_category_without_test_images_has_an_empty_test(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(3):
        write(tmp_path / f"plain/train/good/{i}.png", noise(i))
    with caplog.at_level(logging.ERROR):
        data = module(tmp_path, "plain")
    assert (len(data.images.test), len(data.images.held_out)) == (0, 1)


@pytest.mark.parametrize("value", [0, 90])
def test_training_images_that_show_nothing_get_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, value: int) -> None:
    write_category(tmp_path / "noise", [noise(0), *[np.full((SIDE, SIDE, 3), value, np.uint8)] * 2, noise(1)])
    module(tmp_path)
    assert any("2 training images in" in message and "show nothing" in message for message in caplog.messages)

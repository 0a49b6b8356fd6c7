"""What is inspected is what would be trained on."""

from pathlib import Path

import cv2
import pytest
from conftest import write_category
from data.bolts import bolt

from anomaly_lab.inspect import make as module
from anomaly_lab.inspect.looked import HELD_OUT
from anomaly_lab.inspect.make import inspect
from anomaly_lab.pipeline.assembly import datamodule
from anomaly_lab.runs.composed import composed


def test_the_parts_and_choices_are_those_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_category(tmp_path / "data/stripes", train=14, good=3, each=2)
    config = composed(
        [
            "+category=custom",
            "category.name=stripes",
            "data=folder",
            f"data.root={tmp_path / 'data'}",
            "data.cache.gib=0",
            "seed=3",
        ]
    )
    looked = []
    monkeypatch.setattr(module, "_write", lambda *arguments: looked.extend(arguments[4]))
    found = inspect(config, tmp_path / "out")
    training = datamodule(config)
    training.setup()
    held_out = {image.sample for image in looked if image.part == HELD_OUT}
    assert held_out == set(training.images.held_out) and len(looked) == 14 + 7
    numbers = {finding.name: finding.numbers for finding in found.findings}
    assert numbers["image_size"] == {"image_size": training.image_size, "scale": training.preprocessing.scale}
    assert numbers["min_area"]["used"] == training.min_area and numbers["promise"]["held_out"] == len(held_out)


def test_it_says_when_a_training_aligns_parts(tmp_path: Path) -> None:
    for i in range(20):
        path = tmp_path / f"data/bolts/train/good/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), bolt(18 * i, seed=i))
    config = composed(["+category=custom", "category.name=bolts", "data=folder", f"data.root={tmp_path / 'data'}"])
    found = {finding.name: finding for finding in inspect(config, tmp_path / "out").findings}
    assert "against each other: a training aligns them" in found["align"].sentence
    assert found["augmentation"].numbers["rotate90"]["harmful"], "of aligned images"


def test_images_are_looked_at_in_order_and_only_a_few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD", 4)
    begun = []
    monkeypatch.setattr(module, "look", lambda sample, part: begun.append(sample) or (sample, part))
    found = module._looked(list(range(20)), {3: "train"})  # type: ignore[arg-type,list-item]
    assert [next(found), next(found), next(found), next(found)] == [(0, "test"), (1, "test"), (2, "test"), (3, "train")]
    assert len(begun) == 4
    assert [place for place, _ in found] == list(range(4, 20))  # type: ignore[misc]

"""The configuration that a training would have, without Hydra's job."""

from pathlib import Path

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.runs.composed import composed


def test_a_training_s_arguments_give_its_configuration(tmp_path: Path) -> None:
    name = "Bilder (Kopie), a=b"
    config = composed(["+category=custom", f"category.name={name}", "data=folder", f"data.root={tmp_path}/ä=1"])
    assert config.category.name == name and config.data.root == f"{tmp_path}/ä=1" and config.category.min_area is None
    assert composed(["+category=pill"]).category.augmentation == []


@pytest.mark.parametrize("form", ["two", "one"])
def test_a_folder_of_settings_counts(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "my conf"
    (folder / "data").mkdir(parents=True)
    (folder / "data/flat.yaml").write_text(
        "defaults: [base]\nname: flat\nreader: {_target_: anomaly_lab.data.folder.scan}\nroot: x\n"
    )
    option = ["--config-dir", str(folder)] if form == "two" else [f"--config-dir={folder}"]
    assert composed([*option, "+category=carpet", "data=flat"]).data.name == "flat"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["+category=carpet", "--multirun"], "--multirun is not understood here"),
        (["+category=carpet", "objective.lam=2"], "objective.lam is 2"),
        (["category=carpet"], "can't be understood"),
        (["+category=carpet", "calibration.alpha=0.1"], "name that too"),
        (["+category=carpet", "data.root="], "has no value"),
    ],
)
def test_a_mistake_is_a_sentence(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        composed(arguments)
    assert "\n" not in str(raised.value)

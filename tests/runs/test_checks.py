"""What a configuration may say: numbers in their range, and parts that fit each other. More sentences: tests/test_train.py."""

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.errors import UserError
from anomaly_lab.runs.checks import Numbers, check
from anomaly_lab.runs.command_line import CONF


def checked(*overrides: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        check(compose("train", overrides=["+category=carpet", *overrides]))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["scoring.evidence=cubic"],
            "scoring.evidence is cubic: it must be one or several of absolute, features, filters, head, mahalanobis, msgms, "
            "signed, squared, ssim",
        ),
        (["scoring.pooling=min"], "scoring.pooling is min: it must be one of max, mean_top"),
        (["scoring.scorer=guess"], "scoring.scorer is guess: it must be one of features, own, reconstruction"),
        (["model=knn", "scoring.evidence=squared"], "model=knn is scored by its features"),
        (["objective=patch_reconstruction"], "use model=patch_ae"),
        (["corruption=proxy"], "corruption=proxy is kept for the validation"),
        (["trainer.devices=2"], "several runs use several: -m"),
        (["trainer.compile=true", "model.checkpointing=true"], "use trainer.compile or model.checkpointing, not both"),
        (["optimizer.lr=1e30"], r"optimizer.lr is 1e\+30: it must be a number in \[0, 9.22\d*e\+18\]"),
        (["trainer.devices=10000000000000000000"], r"it must be a whole number in \[1, 1\]"),
        (["scoring.pooling=3"], "scoring.pooling is 3: it must be one of max, mean_top"),
        (["scoring.scorer={a: 1}"], "it must be one of features, own, reconstruction"),
        (["data.contrast=null"], "data.contrast is null: it must be one of none, category, image"),
        (["data=folders", "data.test_share=20"], "data.test_share is 20: it must be a number above 0 and below 1, as a share"),
        (["data=folders", "data.test_share=-1"], "data.test_share is -1: it must be a number above 0 and below 1"),
        (["data=folders", "data.test_share=0"], "data.test_share is 0: it must be a number above 0 and below 1"),
        (["data=folders", "data.test_share=abc"], "data.test_share is abc: it must be a number above 0 and below 1"),
        (["data=folders", "data.test_share=null"], "data.test_share is null: it must be a number above 0 and below 1"),
        (["data.cache.folder=null"], "data.cache.folder is null: give a folder, or data.cache.gib=0"),
        (["data.cache.gib=1e400"], "data.cache.gib is inf: it must be a number of at least 0"),
        ([f"trainer.max_epochs={'1' * 400}"], "trainer.max_epochs is 1111"),
        (["image_size=1000000000000"], "image_size is 1000000000000: it must be"),
        (["objective.correlation=0"], "objective.correlation is 0: give null, or the least correlation"),
        (["objective.correlation=2"], "objective.correlation is 2"),
        (["objective.fall=0.3"], "objective.fall is 0.3: give null, or two shares of the training"),
        (["objective.fall=[0.6,0.3]"], r"objective.fall is \[0.6, 0.3\]"),
        (["objective.fall=[0.3,2]"], r"objective.fall is \[0.3, 2\]"),
        (["objective.fall=[a,0.3]"], r"objective.fall is \['a', 0.3\]"),
        (["objective.norm=l3"], "objective.norm is l3: it must be one of l2, squared"),
    ],
)
def test_a_mistake_is_named(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        checked(*overrides)


def test_the_defaults_of_every_model_are_accepted() -> None:
    for model in ("sdc", "sdc_quarter", "tiny", "knn", "patch_ae"):
        checked(f"model={model}")


@given(st.floats(allow_nan=False), st.floats(-10, 10), st.floats(0, 10), st.booleans())
def test_a_range_holds_what_lies_in_it(value: float, low: float, width: float, inside: bool) -> None:
    numbers = Numbers(low, low + width, inside=inside)
    assert numbers.hold(value) == (low < value < low + width if inside else low <= value <= low + width)


def test_a_range_knows_types() -> None:
    assert Numbers(0, whole=True).hold(3) and not Numbers(0, whole=True).hold(3.0)
    assert not Numbers(0).hold(True) and not Numbers(0).hold("3")
    assert Numbers(0, besides=(None, "auto")).hold("auto") and Numbers(0, besides=(None,)).hold(None)

"""The names of settings."""

from pathlib import Path

import pytest
from fake_runs import fake_run, groups_of

from anomaly_lab.report.read.names import distinct, short


def test_many_or_long_differences_become_a_letter_with_a_legend(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        run = fake_run(tmp_path / name, lr=(0.1, 0.2)[i])
        text = (run / "config.yaml").read_text() + f"callbacks: {{sizes: {[[0.0, 0.5]] * (i + 9)}}}\n"
        (run / "config.yaml").write_text(text)
    groups = groups_of(tmp_path)
    assert sorted(g.name for g in groups) == ["restore λ=0.5 (a)", "restore λ=0.5 (b)"]
    assert {k for g in groups for k in g.differing} == {"optimizer.lr", "callbacks.sizes"}


UNTRAINED = {"objective": "none", "lam": None, "corruption": "none", "model": "knn"}
NAMES: dict[str, tuple[list[dict[str, object]], list[str]]] = {
    "the model comes first; a corruption that follows from it is not named": (
        [
            UNTRAINED,
            {"model": "sdc_quarter"},
            {"objective": "segment", "lam": None, "corruption": "defects", "model": "patch_ae"},
        ],
        ["knn, untrained", "patch_ae, segment", "sdc_quarter, restore λ=0.5"],
    ),
    "one model is not named": ([{"lam": 0.5}, {"lam": 0.9}], ["restore λ=0.5", "restore λ=0.9"]),
    "corruptions of one objective": (
        [{"corruption": "swap"}, {"corruption": "none"}, {}],
        ["restore λ=0.5, elastic", "restore λ=0.5, no corruption", "restore λ=0.5, swap"],
    ),
    "corruptions of one objective in two models": (
        [{"model": "sdc", "corruption": "swap"}, {}, UNTRAINED],
        ["knn, untrained", "sdc, restore λ=0.5, swap", "tiny, restore λ=0.5, elastic"],
    ),
    "corruptions of two objectives of one model": (
        [{"objective": "amplify", "corruption": "swap"}, {}],
        ["amplify λ=0.5, swap", "restore λ=0.5, elastic"],
    ),
    "the same model untrained": ([UNTRAINED | {"model": "tiny"}, {}], ["restore λ=0.5", "untrained"]),
    "untrained, with a corruption for the proxy": (
        [UNTRAINED, UNTRAINED | {"corruption": "swap"}],
        ["untrained", "untrained, swap"],
    ),
    "other differences come last": (
        [{"lr": 0.1}, {"lr": 0.2, "model": "sdc", "corruption": "swap"}],
        ["sdc, restore λ=0.5, swap, lr=0.2", "tiny, restore λ=0.5, elastic, lr=0.1"],
    ),
}


@pytest.mark.parametrize(("settings", "expected"), NAMES.values(), ids=NAMES)
def test_names_are_short_and_tell_settings_apart(
    tmp_path: Path, settings: list[dict[str, object]], expected: list[str]
) -> None:
    for i, setting in enumerate(settings):
        fake_run(tmp_path / str(i), **setting)
    assert sorted(g.name for g in groups_of(tmp_path)) == expected


def test_a_setting_has_one_name_on_all_data_and_categories(tmp_path: Path) -> None:
    for i, changes in enumerate(({"category": "wood"}, {"data": "mvtec", "root": "/x"}, {"model": "sdc"})):
        fake_run(tmp_path / str(i), **changes)
    assert sorted(g.name for g in groups_of(tmp_path)) == ["sdc, restore λ=0.5", *2 * ["tiny, restore λ=0.5"]]


def test_evaluations_of_networks_trained_on_different_data_have_different_names(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    fake_run(tmp_path / "b", source_run="x", trained_on="synthetic")
    assert {g.name for g in groups_of(tmp_path)} == {"restore λ=0.5", "restore λ=0.5, evaluated again"}
    fake_run(tmp_path / "c", source_run="y", trained_on="mvtec")
    ends = {g.name.removeprefix("restore λ=0.5") for g in groups_of(tmp_path)}
    assert ends == {"", ", evaluated again, trained on mvtec", ", evaluated again, trained on synthetic"}


def test_only_texts_that_occur_again_get_a_letter() -> None:
    many = {str(i): "x" for i in range(27)} | {"y": "y"}
    found = distinct(many)
    assert (found["0"], found["25"], found["26"], found["y"]) == ("x (a)", "x (z)", "x (26)", "y")


def test_short_names() -> None:
    assert [short("amplify", 0.99), short("l2", None), short("none", None)] == ["amplify λ=0.99", "l2", "untrained"]

"""What belongs to a setting, and its name."""

from pathlib import Path

import pytest
from fake_runs import fake_run, groups_of

from anomaly_lab.report.read.run import read
from anomaly_lab.report.read.settings import EVALUATION, across_categories, distinct, key, setting_of, short


def test_seed_and_machine_are_no_part_of_a_setting(tmp_path: Path) -> None:
    run = read(fake_run(tmp_path / "a", lam=0.9))
    setting = setting_of(run)
    assert setting["objective.lam"] == 0.9 and setting["trainer.precision"] == "32-true"
    assert not {"seed", "data.root"} & set(setting)


def test_a_run_without_configuration_has_the_setting_that_its_metrics_record(tmp_path: Path) -> None:
    (fake_run(tmp_path / "a", lam=0.9) / "config.yaml").unlink()
    assert setting_of(read(tmp_path / "a")) | {"lam": 0.9, "model": "tiny", "min_area": 4} == setting_of(read(tmp_path / "a"))


def test_an_evaluation_has_another_setting_than_the_training(tmp_path: Path) -> None:
    trained, again = (read(fake_run(tmp_path / "a")), read(fake_run(tmp_path / "b", source_run="a", trained_on="synthetic")))
    assert setting_of(again) == setting_of(trained) | {EVALUATION: "synthetic"}


def test_across_categories_only_data_and_category_are_dropped(tmp_path: Path) -> None:
    settings = [
        setting_of(read(fake_run(tmp_path / "a", category="carpet"))),
        setting_of(read(fake_run(tmp_path / "b", category="wood", data="mvtec", root="/x"))),
    ]
    assert settings[0] != settings[1]
    assert key(across_categories(settings[0])) == key(across_categories(settings[1]))
    other = setting_of(read(fake_run(tmp_path / "c", category="wood", lr=0.1)))
    assert key(across_categories(settings[0])) != key(across_categories(other))


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


def test_an_evaluation_of_a_recalibrated_run_is_no_repetition(tmp_path: Path) -> None:
    """Its threshold is another one: of two runs with one setting, the report would leave out one."""
    again = {"source_run": "x", "trained_on": "synthetic"}
    fake_run(tmp_path / "a", **again)
    fake_run(tmp_path / "b", **again, calibrated_on="/today/carpet")
    fake_run(tmp_path / "c", **again, calibrated_on="/today/wood", category="wood")
    groups = groups_of(tmp_path)
    assert [len(g.runs) for g in groups] == [1, 1, 1] and not any(g.earlier for g in groups)
    names = {"restore λ=0.5, evaluated again", "restore λ=0.5, evaluated again, recalibrated"}
    assert {g.name for g in groups} == names, "one name on all categories"
    fake_run(tmp_path / "d", **again, calibrated_on="/y/carpet")
    assert "restore λ=0.5, evaluated again, recalibrated on /y/*" in {g.name for g in groups_of(tmp_path)}


def test_only_texts_that_occur_again_get_a_letter() -> None:
    many = {str(i): "x" for i in range(27)} | {"y": "y"}
    found = distinct(many)
    assert (found["0"], found["25"], found["26"], found["y"]) == ("x (a)", "x (z)", "x (26)", "y")


def test_short_names() -> None:
    assert [short("amplify", 0.99), short("l2", None), short("none", None)] == ["amplify λ=0.99", "l2", "untrained"]

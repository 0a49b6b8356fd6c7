"""What belongs to a setting."""

from pathlib import Path

from fake_runs import fake_run

from anomaly_lab.report.read.run import read
from anomaly_lab.report.read.settings import EVALUATION, across_categories, key, setting_of


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

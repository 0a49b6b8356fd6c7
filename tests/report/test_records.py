"""Runs in groups, and which runs a report shows."""

import statistics
from pathlib import Path

import numpy as np
import pytest
import yaml
from fake_runs import fake_run, groups_of, official_run

from anomaly_lab.report.read.official import OFFICIAL, source
from anomaly_lab.report.read.records import Statistic, best_by_proxy, chosen, rank, statistic


def test_seeds_form_one_group_with_their_mean_and_spread(tmp_path: Path) -> None:
    values = [0.91, 0.95, 0.86]
    for seed, value in enumerate(values):
        fake_run(tmp_path / str(seed), seed=seed, image_auroc=value)
    (g,) = groups_of(tmp_path)
    assert [run.metrics["seed"] for run in g.runs] == [0, 1, 2]
    s = g.statistic("image_auroc")
    assert (s.mean, s.spread, s.n) == (pytest.approx(statistics.mean(values)), pytest.approx(statistics.stdev(values)), 3)


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    (g,) = groups_of(tmp_path)
    assert g.statistic("image_auroc").mean == 0.9
    assert g.statistic("image_auroc").spread is None


@pytest.mark.parametrize(
    "change",
    [{"lam": 0.9}, {"objective": "amplify"}, {"category": "wood"}, {"corruption": "swap"}, {"model": "sdc"}, {"lr": 0.1}],
    ids=lambda change: next(iter(change)),
)
def test_any_other_difference_makes_another_group(tmp_path: Path, change: dict[str, object]) -> None:
    fake_run(tmp_path / "a", seed=0)
    fake_run(tmp_path / "b", seed=1, **change)
    groups = groups_of(tmp_path)
    assert len(groups) == 2
    if "category" not in change:
        assert len({g.name for g in groups}) == 2, "and another name"


def test_real_data_from_two_folders_form_two_groups_and_synthetic_data_one(tmp_path: Path) -> None:
    for i, root in enumerate(("/x", "/y")):
        fake_run(tmp_path / f"r{i}", seed=i, data="mvtec", root=root)
        fake_run(tmp_path / f"s{i}", seed=i, data="synthetic", root=root)
    assert sorted(len(g.runs) for g in groups_of(tmp_path)) == [1, 1, 2]


def test_keys_that_follow_from_the_seed_or_change_no_number_separate_no_seeds(tmp_path: Path) -> None:
    for seed in range(3):
        run = fake_run(tmp_path / str(seed), seed=seed)
        config = yaml.safe_load((run / "config.yaml").read_text())
        config |= {"checkpoint_minutes": seed, "scoring": {"detector": {"seed": seed}}}
        config["data"] |= {"cache": {"folder": f"/{seed}", "gib": 10}, "num_workers": seed}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert [len(g.runs) for g in groups_of(tmp_path)] == [3]


def test_a_repeated_seed_counts_once(tmp_path: Path) -> None:
    fake_run(tmp_path / "old", age=100, image_auroc=0.1)
    fake_run(tmp_path / "new", age=10, image_auroc=0.7)
    (g,) = groups_of(tmp_path)
    assert g.statistic("image_auroc") == Statistic(0.7, None, 1)
    assert [run.path.name for run in g.earlier] == ["old"]


def test_a_metric_that_some_seeds_lack_is_averaged_over_the_others(tmp_path: Path) -> None:
    for seed, value in enumerate((0.5, None, 0.7)):
        fake_run(tmp_path / str(seed), seed=seed, pixel_ap=value)
    (g,) = groups_of(tmp_path)
    assert g.statistic("pixel_ap") == Statistic(pytest.approx(0.6), pytest.approx(np.std([0.5, 0.7], ddof=1)), 2)
    assert list(g.by_seed("pixel_ap")) == [0, 2]
    assert statistic([None]) == Statistic(None, None, 0)


def test_data_are_mvtec_ad_only_if_those_of_every_seed_are(tmp_path: Path) -> None:
    official_run(tmp_path / "a", "carpet", seed=0)
    official_run(tmp_path / "b", "carpet", seed=1)
    assert groups_of(tmp_path)[0].source == OFFICIAL
    official_run(tmp_path / "c", "carpet", seed=2, n_train=10)
    (g,) = groups_of(tmp_path)
    assert len(g.runs) == 3 and g.source == source(g.runs[2]) != OFFICIAL


def test_a_run_without_a_proxy_ranks_last() -> None:
    assert rank([None]) < rank([0.0]) < rank([0.2, None, 0.4]) == pytest.approx(0.3)


def test_of_each_category_the_run_with_the_highest_proxy_is_shown(tmp_path: Path) -> None:
    """Metrics on its test images have no influence."""
    for i, (category, proxy) in enumerate((("carpet", 0.2), ("carpet", 0.4), ("carpet", None), ("wood", None))):
        fake_run(tmp_path / str(i), seed=i, category=category, proxy_ap=proxy, image_auroc=1 - (proxy or 0))
    groups = groups_of(tmp_path)
    assert [run.path.name for _, run in best_by_proxy(groups)] == ["1", "3"]
    assert [run.path.name for _, run in chosen(groups, every=False)] == ["1", "3"]
    assert [run.path.name for _, run in chosen(groups, every=True)] == ["0", "1", "2", "3"]


def test_each_combination_of_the_given_values_has_its_own_best_run(tmp_path: Path) -> None:
    for i, (objective, lam) in enumerate((("restore", 0.5), ("restore", 0.9), ("amplify", 0.5))):
        fake_run(tmp_path / str(i), objective=objective, lam=lam, proxy_ap=i / 10)
    found = {(g["objective"], run.path.name) for g, run in best_by_proxy(groups_of(tmp_path), "objective")}
    assert found == {("restore", "1"), ("amplify", "2")}


def test_folders_with_the_same_category_are_shown_both(tmp_path: Path) -> None:
    for root in ("x", "y"):
        fake_run(tmp_path / root, data="mvtec", root=f"/{root}")
    assert len(list(best_by_proxy(groups_of(tmp_path)))) == 2

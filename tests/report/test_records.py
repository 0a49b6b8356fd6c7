"""Which runs a report shows."""

from pathlib import Path

from fake_runs import fake_run, groups_of

from anomaly_lab.report.read.records import best_by_proxy, chosen


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

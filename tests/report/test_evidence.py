"""The tables of what each map is worth, and of what thresholds promise and keep."""

from pathlib import Path

import pytest
from fake_runs import fake_run, records_of

from anomaly_lab.report.tables import evidence

OF_MAPS = {
    f"{what}_{name}_{metric}": value
    for name, alone, without in (("squared", 0.8, 0.7), ("head", 0.6, 0.95), ("signed", None, None))
    for metric in evidence.WORTH
    for what, value in (("only", alone), ("without", without))
}


def test_a_map_s_worth_is_what_is_lost_without_it(tmp_path: Path) -> None:
    for seed, auroc in ((0, 0.9), (1, 0.8)):
        fake_run(tmp_path / f"{seed}", seed=seed, evidence="squared+head+signed", image_auroc=auroc, **OF_MAPS)
    (table,) = evidence.worth(records_of(tmp_path))
    assert table.columns[3:6] == ["map", "image AUROC, alone", "image AUROC, without"]
    squared, head = table.rows
    assert squared[4].values == (pytest.approx(0.8), pytest.approx(0))
    assert [cell.text for cell in squared[3:6]] == ["squared", "0.800 ± 0.000", "-0.150"]
    assert head[5].text == "+0.100", "it does harm"


def test_a_single_map_has_no_table(tmp_path: Path) -> None:
    fake_run(tmp_path / "run", evidence="squared")
    records = records_of(tmp_path)
    assert evidence.worth(records) == evidence.decisions(records) == []


def test_of_two_maps_the_one_without_is_unknown(tmp_path: Path) -> None:
    known = {name: value for name, value in OF_MAPS.items() if name.startswith("only")}
    fake_run(tmp_path / "run", evidence="squared+head", **known)
    (table,) = evidence.worth(records_of(tmp_path))
    assert [row[5].text for row in table.rows] == ["–", "–"]


def test_a_rate_of_false_alarms_is_promised_and_kept_or_not(tmp_path: Path) -> None:
    for seed, tnr in ((0, 0.9), (1, 0.7)):
        fake_run(tmp_path / f"{seed}", seed=seed, tnr=tnr, false_alarm_rate=0.1, image_f1_max=0.95)
    (table,) = evidence.decisions(records_of(tmp_path))
    (row,) = table.rows
    assert [cell.text for cell in row[3:8]] == ["9", "0.100 ± 0.000", "0.200 ± 0.141", "0.750 ± 0.000", "0.600 ± 0.000"]
    assert row[8].text == "0.950 ± 0.000"

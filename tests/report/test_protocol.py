"""Names of metrics, and the sentences about the protocol."""

from pathlib import Path

from fake_runs import METRICS as RECORDED
from fake_runs import fake_run

from anomaly_lab.report.read.protocol import COMPARED, METRICS, SWEPT, TRIVIAL, choices
from anomaly_lab.report.read.run import read


def test_the_rule_and_its_parameters_come_from_the_runs_records(tmp_path: Path) -> None:
    area = read(fake_run(tmp_path / "a"))
    sentence = "The threshold follows from held-out normal images by calibration=area. Test images choose nothing."
    assert choices([area]).endswith(sentence)
    conformal = read(fake_run(tmp_path / "b", calibration="conformal", calibration_alpha=0.05))
    mine = read(fake_run(tmp_path / "c", calibration="mine", calibration_k=3, calibration_share=0.5))
    unknown = read(fake_run(tmp_path / "d", calibration=None))
    rules = "calibration=area or calibration=conformal (alpha=0.05) or calibration=mine (k=3, share=0.5) or calibration=unknown"
    assert f"by {rules}." in choices([mine, area, unknown, conformal, area])


def test_no_two_columns_have_the_same_heading() -> None:
    labels = [*METRICS.values(), *TRIVIAL.values()]
    assert len(set(labels)) == len(labels) and len(set(SWEPT.values())) == len(SWEPT)


def test_every_label_names_a_value_of_metrics_json() -> None:
    assert {*METRICS, *TRIVIAL, *COMPARED, *SWEPT} <= set(RECORDED)

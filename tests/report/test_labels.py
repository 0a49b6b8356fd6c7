"""Names of metrics."""

from fake_runs import METRICS as RECORDED

from anomaly_lab.report.tables.labels import COMPARED, FLAT, METRICS, SWEPT


def test_no_two_columns_have_the_same_heading() -> None:
    labels = [*METRICS.values(), *FLAT.values()]
    assert len(set(labels)) == len(labels) and len(set(SWEPT.values())) == len(SWEPT)


def test_every_label_names_a_value_of_metrics_json() -> None:
    assert {*METRICS, *FLAT, *COMPARED, *SWEPT} <= set(RECORDED)

"""The order of findings, and counts in words."""

from anomaly_lab.inspect.finding import FINE, NOTE, WRONG, Finding, counted, worst_first


def test_the_worst_come_first_and_equals_keep_their_order() -> None:
    found = [Finding("a", FINE, ""), Finding("b", NOTE, ""), Finding("c", WRONG, ""), Finding("d", NOTE, "")]
    assert [finding.name for finding in worst_first(found)] == ["c", "b", "d", "a"]


def test_counts_in_words() -> None:
    assert counted(1, "image") == "1 image" and counted(2000, "image") == "2,000 images"
    assert counted(0, "mask fits", "masks fit") == "0 masks fit"

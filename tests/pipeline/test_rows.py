"""A row's cells in the table."""

import csv
import io

from anomaly_lab.pipeline.rows import COLUMNS, cells


def test_cells_by_hand() -> None:
    row = {"path": "a,b.png", "score": 2.5, "level": None, "p_value": 0.25, "margin": None, "defective": True}
    row |= {"defects": [{"box": [1, 2, 3, 4], "area": 9, "peak": 2.5}] * 2, "height": 8, "width": 9}
    row |= {"unlike": ["size", "color"], "ms": 1.5, "error": None}
    found = cells(row)
    assert found["defects"] == "1 2 3 4 9 2.5; 1 2 3 4 9 2.5" and found["n_defects"] == 2
    assert (found["defective"], found["level"], found["unlike"], found["error"]) == (1, "", "size color", "")
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS).writerow(found)
    bad = cells({"path": "c.png", "error": "c.png is no image"})
    assert bad["error"] == "c.png is no image" and bad["score"] == "" and "defects" not in bad

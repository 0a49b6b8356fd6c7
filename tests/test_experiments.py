"""The studies under experiments/ run from their command line."""

import json
import subprocess
import sys
from pathlib import Path

from conftest import TINY, write_category

STUDY = Path(__file__).parent.parent / "experiments" / "real_images" / "study.py"


def test_the_study_on_real_images_writes_results_and_table_and_repeats_nothing(tmp_path: Path) -> None:
    """One category is there, the other is left out with a word; a second call takes the finished run as it is."""
    write_category(tmp_path / "data" / "hazelnut_toy")
    out = tmp_path / "out"
    tiny = [o for o in TINY if not o.startswith("trainer.max_time")]
    command = [sys.executable, str(STUDY), str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    command += ["--seeds", "3", "--categories", "hazelnut_toy", "screw_512", "--set", "objective=restore", *tiny]
    command += ["trainer.max_epochs=1"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "screw_512 is not in" in first.stdout
    (result,) = (out / "results").glob("*.json")
    record = json.loads(result.read_text())
    assert (record["category"], record["seed"], record["minutes"], record["setting"]) == ("hazelnut_toy", 3, 10, "restore")
    table = (out / "table.md").read_text()
    assert f"{record['pixel_auroc']:.3f}" in table and f"{record['flat_pixel_auroc']:.3f}" in table
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "anomaly_lab" not in second.stdout, "no second training"
    assert (out / "table.md").read_text() == table

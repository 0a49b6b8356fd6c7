"""Images of a training that are known again. In a category's folder: test_scoring_data.py."""

from pathlib import Path

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.known import Known, files_of, held_out_again
from anomaly_lab.data.names import NORMAL


def test_content_decides_before_names(tmp_path: Path) -> None:
    samples = [Sample(tmp_path / name, NORMAL, None) for name in ("a.png", "b.png", "c.png")]
    for sample in samples:
        sample.path.write_text(sample.path.name)
    a, b, c = samples
    known = Known(files_of([a, b], tmp_path), files_of([c], tmp_path))
    assert held_out_again(samples, tmp_path, known) == [c]
    a.path.write_text("c.png")
    c.path.write_text("a.png")
    assert held_out_again(samples, tmp_path, known) == [a], "the two files have changed their names"
    assert held_out_again([b, c], tmp_path, known) == [], "all were learnt from"
    for sample in samples:
        sample.path.write_text(f"saved anew {sample.path.name}")
    assert held_out_again(samples, tmp_path, known) == [c], "no content is known: names decide"
    assert held_out_again([a, b], tmp_path, known) is None
    assert held_out_again(samples, tmp_path, Known()) is None

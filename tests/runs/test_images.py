"""images.csv: what is written is read, and a damaged file is named."""

from pathlib import Path

import pytest

from anomaly_lab.data.known import Known
from anomaly_lab.errors import UserError
from anomaly_lab.runs import images


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert images.read(tmp_path) == Known()
    known = Known(frozenset([("a,b/ü.png", "1")]), frozenset([("b.png", "2"), ("c.png", "3")]))
    more = Known(held_out=frozenset([("c.png", "4")]))
    images.write(tmp_path, known, more)
    assert images.read(tmp_path) == Known(known.train, known.held_out | more.held_out)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"part,path,digest\nother,a,1\n", b"part,path\ntraining,a\n", b"part,path,digest\ntraining,a"]
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / images.NAME).write_bytes(content)
    with pytest.raises(UserError, match=r"images.csv is damaged \(.*\): restore it"):
        images.read(tmp_path)

"""The command: what it takes, says, writes, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Ended, in_process, sentence, write_category

from anomaly_lab.errors import UserError
from anomaly_lab.inspect import __main__ as inspect


def inspected(folder: Path, *arguments: str) -> Ended:
    return in_process(folder, inspect.main, "inspect", *arguments)


def mine(root: Path, *more: str) -> list[str]:
    return ["+category=custom", "category.name=stripes", "data=folder", f"data.root={root}", *more]


def findings(folder: Path) -> dict[str, dict[str, object]]:
    record = json.loads((folder / "findings.json").read_text())
    return {finding["name"]: finding for finding in record["findings"]}


def test_a_sound_category(tmp_path: Path) -> None:
    write_category(tmp_path / "data/stripes", train=20, good=10, each=5)
    ended = inspected(tmp_path, *mine(tmp_path / "data", "image_size=64"), "strict=true")
    assert ended.status == 0, ended.out + ended.err
    lines = ended.out.splitlines()
    assert lines[-1] == "page: inspections/folder_stripes/inspect.html"
    order = [line.split()[0] for line in lines[:-1]]
    assert order == sorted(order, key=["wrong", "note", "fine"].index) and "wrong" not in order
    out = tmp_path / "inspections/folder_stripes"
    assert {path.name for path in out.iterdir()} == {"inspect.html", "findings.json"} and not (tmp_path / "runs").exists()
    record = json.loads((out / "findings.json").read_text())
    assert {(row["part"], row["kind"], row["images"], row["masks"]) for row in record["counts"]} == {
        ("training", "good", 17, 0),
        ("held-out", "good", 3, 0),
        ("test", "good", 10, 0),
        ("test", "hole", 5, 5),
        ("test", "stain", 5, 5),
    }
    page = (out / "inspect.html").read_text()
    assert page.count("<figure>") >= 5 and all(finding["sentence"][:20].split("'")[0] in page for finding in record["findings"])


def test_what_is_wrong_is_found_and_ends_strictly_with_status_1(tmp_path: Path) -> None:
    folder = write_category(tmp_path / "data/stripes", train=20, good=10, each=5)
    (folder / "test/good/004.png").write_bytes((folder / "train/good/003.png").read_bytes())
    (folder / "test/hole/001.png").write_bytes(b"\x89PNG broken")
    (folder / "train/good/005.png").write_bytes(b"")
    cv2.imwrite(str(folder / "ground_truth/hole/000_mask.png"), np.zeros((64, 64), np.uint8))
    cv2.imwrite(str(folder / "ground_truth/hole/002_mask.png"), np.full((9, 9), 255, np.uint8))
    (folder / "more").mkdir()
    (folder / "more/a.png").write_bytes((folder / "train/good/001.png").read_bytes())
    arguments = mine(tmp_path / "data", "image_size=64", f"out={tmp_path / 'a b=c'}")
    assert inspected(tmp_path, *arguments).status == 0
    assert inspected(tmp_path, *arguments, "strict=true").status == 1
    found = findings(tmp_path / "a b=c")
    wrong = {name for name, finding in found.items() if finding["severity"] == "wrong"}
    assert {"unreadable", "masks_unfit", "masks_empty"} <= wrong and wrong & {"copy_training_test", "copy_held-out_test"}
    assert found["left_aside"]["severity"] == "note" and "(and 1 more)" in str(found["unreadable"]["sentence"])
    assert "trivial_maps" in found and "augmentation" in found, "a bad file is no end"


def test_nothing_can_be_read(tmp_path: Path) -> None:
    folder = write_category(tmp_path / "data/stripes")
    for path in folder.glob("*/*/*.png"):
        path.write_bytes(b"no image")
    ended = inspected(tmp_path, *mine(tmp_path / "data"), "strict=true")
    assert ended.status == 1 and not ended.err
    assert "0 normal images can be read, and a training needs two" in ended.out


def test_a_name_that_would_be_script_is_text(tmp_path: Path) -> None:
    folder = write_category(tmp_path / "data/stripes", train=4, good=2, defects=("<b onclick=x>hole",), each=1)
    os.rename(folder / "train/good/001.png", folder / "train/good/<script>alert(1)<!--.png")
    assert inspected(tmp_path, *mine(tmp_path / "data", "image_size=64")).status == 0
    page = (tmp_path / "inspections/folder_stripes/inspect.html").read_text()
    assert "<script" not in page and "<b onclick" not in page and "&lt;b onclick=x&gt;hole" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data=folder"], "no category: add"),
        (["+category=carpet", "data=nothing"], "nothing"),
        (["+category=carpet", "strict=yes"], "strict is yes: it must be true or false"),
        (["+category=carpet", "resume=runs/x"], "resume= and init= are for a training"),
        (["+category=carpet", "-m"], "-m is not understood here"),
        (["+category=custom", "category.name=x", "data=folder", "data.root=/nowhere"], "is not a folder: set data.root"),
        (["+category=custom", "category.name=x", "data=visa"], "data.root is null: add data.root=DIR"),
        (["+category=carpet", "wrong=1"], "wrong"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    assert said in sentence(inspected(tmp_path, *arguments))


def test_an_unwritable_directory_is_one_sentence(tmp_path: Path) -> None:
    write_category(tmp_path / "data/stripes")
    (tmp_path / "file").touch()
    ended = inspected(tmp_path, *mine(tmp_path / "data"), f"out={tmp_path / 'file'}")
    assert "choose another directory with out=" in sentence(ended)


def test_parse_parts_its_own_options() -> None:
    assert inspect.parse(["+category=carpet", "out=a=b", "strict=true"]) == (["+category=carpet"], Path("a=b"), True)
    assert inspect.parse(["data=visa"]) == (["data=visa"], None, False)
    with pytest.raises(UserError, match="out= is given 2 times"):
        inspect.parse(["out=a", "out=b"])


def test_help_needs_no_torch() -> None:
    code = "import sys; sys.argv = ['inspect', '--help']\nfrom anomaly_lab.inspect import __main__ as inspect\n"
    code += "try: inspect.main()\nexcept SystemExit as e: print(e.code, 'torch' in sys.modules, 'hydra' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.strip().endswith("0 False False") and "strict=true" in ended.stdout, ended.stderr

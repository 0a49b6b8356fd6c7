"""docs/from_photographs.md, command by command, on real photographs where they are present, else on generated ones."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import pytest
from conftest import real_data, write_category
from shown_commands import ROOT, require_command, shown

PAGE = (ROOT / "docs/from_photographs.md").read_text(encoding="utf-8")
# two steps of a tiny network with one map; the page's training takes twenty minutes, and the export of four maps half of one
MOST = 12  # images of a kind
SIDE = 128  # pixels, of 512
TINY = ["debug=default", "trainer.max_epochs=1", "data.steps_per_epoch=2", "scoring.evidence=squared"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that the page names."""
    here = tmp_path_factory.mktemp("photographs")
    source = (real_data() or here) / "hazelnut_toy"
    if not source.is_dir():
        write_category(here / "made/parts", train=12, good=4, each=2)
        source = here / "made/parts"
    photographs = here / "photographs"
    shutil.copytree(source / "train/good", photographs / "normal")
    for kind in sorted((source / "test").iterdir()):
        if kind.name != "good":
            shutil.copytree(kind, photographs / "defective" / kind.name)
    shutil.copytree(source / "ground_truth", photographs / "masks")
    shutil.copytree(source / "test/good", here / "new")
    shutil.copytree(source / "test/good", here / "today")
    for many in (photographs / "normal", *(photographs / "defective").iterdir()):  # a few show the way as well
        for path in sorted(many.iterdir())[MOST:]:
            path.unlink()
            for mask in (photographs / "masks" / many.name).glob(f"{path.stem}*"):
                mask.unlink()
    for path in [path for path in here.rglob("*.*") if path.is_file()]:
        pixels = cv2.resize(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        assert cv2.imwrite(str(path), pixels)
    return here


def test_the_page_works_from_its_first_command_to_its_last(folder: Path) -> None:
    commands = shown(PAGE)
    names = [re.findall(r"anomaly_lab\.(\w+)", command)[0] for command in commands]
    assert names == ["inspect", "train", "predict", "calibrate", "export", "predict", "app"]
    for command in commands[:-1]:
        require_command(" ".join([command, *TINY]) if "anomaly_lab.train" in command else command, folder)
    for left in ("inspected/inspect.html", "runs/parts/metrics.json", "decided/contact.png", "decided/overlays", "parts.onnx"):
        assert (folder / left).exists(), left
    command = [sys.executable, *commands[-1].split()[1:], "port=0", f"out={folder / 'marks'}"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment, **streams) as page:
        try:
            with urllib.request.urlopen(answered(page), timeout=10) as answer:
                assert answer.status == 200
        finally:
            page.terminate()


def answered(page: subprocess.Popen[str]) -> str:
    """The address that the page says it listens on."""
    assert page.stdout is not None
    end = time.monotonic() + 120
    while time.monotonic() < end and (line := page.stdout.readline()):
        if found := re.search(r"http://[\w.:]+", line):
            return found[0]
    raise AssertionError("the page names no address")

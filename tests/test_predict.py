"""The command predict: rows as in the run's own test, pictures that show what the rows say, and going on where it stopped."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Ended, Finished, in_process, scores_of, sentence

from anomaly_lab.predict import main, parse
from anomaly_lab.runs.machine import allowed


@pytest.fixture
def images(finished: Finished, tmp_path: Path) -> Path:
    """The test images of the finished run, and a file that is no image."""
    shutil.copytree(finished.root / "stripes/test", tmp_path / "in")
    (tmp_path / "in/broken.png").write_bytes(b"no image")
    return tmp_path / "in"


def predict(folder: Path, *options: str) -> Ended:
    return in_process(folder, main, "predict", *options)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


def table(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_those_of_the_run_s_own_test(finished: Finished, images: Path, tmp_path: Path) -> None:
    ended = predict(tmp_path, f"run={finished.directory}", "images=in", "out=out")
    assert ended.status == 0, ended.err
    known = {row["path"].removeprefix("test/"): row for row in scores_of(finished.directory)}
    rows = lines(tmp_path / "out")
    assert len(rows) == len(known) + 1
    for row in rows:
        name = Path(row["path"]).relative_to("in").as_posix()
        if name == "broken.png":
            assert "broken.png is no complete image file" in row["error"] and "score" not in row
            continue
        own = known[name]
        assert row["error"] is None and row["score"] == pytest.approx(float(own["score"]), rel=1e-5)
        assert (row["level"], row["p_value"]) == pytest.approx((float(own["level"]), float(own["p_value"])), rel=1e-4)
        assert row["defective"] == (own["predicted"] == "1") == (row["margin"] > 0) == bool(row["defects"])
    written = table(tmp_path / "out")
    assert [row["path"] for row in written] == [row["path"] for row in rows]
    assert [row["n_defects"] for row in written] == ["" if row["error"] else str(len(row["defects"])) for row in rows]
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    defective = sum(bool(row.get("defective")) for row in rows)
    assert (summary["images"], summary["defective"], summary["errors"]) == (len(rows), defective, 1)
    assert f"{len(rows)} images, {defective} defective, 1 that could not be read" in ended.out
    assert cv2.imread(str(tmp_path / "out/contact.png")).shape[1] > 300


def test_rows_are_the_same_however_many_are_decided_side_by_side(finished: Finished, images: Path, tmp_path: Path) -> None:
    found = []
    for parallel in (1, 3):
        assert (
            predict(tmp_path, f"run={finished.directory}", "images=in", f"out={parallel}", f"parallel={parallel}").status == 0
        )
        found.append(lines(tmp_path / str(parallel)))
    for one, three in zip(*found, strict=True):
        assert [one[name] for name in ("path", "error")] == [three[name] for name in ("path", "error")]
        if one["error"] is None:
            assert one["defective"] == three["defective"] and one["score"] == pytest.approx(three["score"], rel=1e-5)


def test_a_name_that_is_no_text_gets_a_row_with_the_reason(finished: Finished, tmp_path: Path) -> None:
    """No file in UTF-8 could hold it, and OpenCV crashes when it writes to it."""
    (tmp_path / "in").mkdir()
    source = next((finished.root / "stripes/test/good").iterdir())
    shutil.copy(source, tmp_path / "in/gr\udcf6n.png")
    shutil.copy(source, tmp_path / 'in/line\nbreak, "quoted".png')
    command = (f"run={finished.directory}", "images=in", "out=out", "save=overlays,masks,heatmaps,coco")
    for _ in range(2):
        assert predict(tmp_path, *command).status == 0
        bad, good = lines(tmp_path / "out")
        assert bad["path"] == "in/gr\\udcf6n.png" and "is no text in UTF-8: rename it" in bad["error"]
        assert good["path"] == 'in/line\nbreak, "quoted".png' == table(tmp_path / "out")[1]["path"] and good["error"] is None


def test_pictures_show_what_the_row_says(finished: Finished, images: Path, tmp_path: Path) -> None:
    kinds = "save=overlays,masks,heatmaps,coco"
    assert predict(tmp_path, f"run={finished.directory}", "images=in", "out=out", kinds).status == 0
    rows = [row for row in lines(tmp_path / "out") if row["error"] is None]
    for row in rows:
        masks, overlays, heatmaps = (
            list((tmp_path / "out" / kind).glob(f"{Path(row['path']).stem}_*")) for kind in ("masks", "overlays", "heatmaps")
        )
        assert len(masks) == len(overlays) == len(heatmaps) >= 1, "two folders share stems"
    (row,) = (r for r in rows if r["path"].startswith("in/good") and r["path"].endswith("000.png"))
    coco = json.loads((tmp_path / "out/coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == [row["path"] for row in rows]
    assert len(coco["annotations"]) == sum(len(row["defects"]) for row in rows) > 0
    masked = {p.name: cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (tmp_path / "out/masks").iterdir()}
    assert sum(int((mask > 0).sum()) for mask in masked.values()) == sum(d["area"] for row in rows for d in row["defects"])
    for heatmap in (tmp_path / "out/heatmaps").iterdir():
        assert np.load(heatmap).dtype == np.float16
    annotation = coco["annotations"][0]
    image = coco["images"][annotation["image_id"] - 1]
    filled = np.zeros((image["height"], image["width"]), np.uint8)
    for polygon in annotation["segmentation"]:
        cv2.fillPoly(filled, [np.array(polygon).reshape(-1, 2)], 1)
    x, y, width, height = cv2.boundingRect(filled)
    assert [x, y, width, height] == annotation["bbox"]


def test_it_goes_on_where_it_stopped(finished: Finished, images: Path, tmp_path: Path) -> None:
    command = (f"run={finished.directory}", "images=in", "out=out")
    assert predict(tmp_path, *command).status == 0
    whole, out = lines(tmp_path / "out"), tmp_path / "out"
    text = (out / "predictions.jsonl").read_text().splitlines(keepends=True)
    (out / "predictions.jsonl").write_text("".join(text[:3]) + text[3][:20])
    (out / "contact.png").unlink()
    assert predict(tmp_path, *command).status == 0
    without_time = [{k: v for k, v in row.items() if k != "ms"} for row in lines(out)]
    assert without_time == [{k: v for k, v in row.items() if k != "ms"} for row in whole]
    assert (out / "contact.png").is_file()
    before = (out / "predictions.jsonl").read_bytes()
    assert predict(tmp_path, *command).status == 0
    assert (out / "predictions.jsonl").read_bytes() == before, "nothing is left to score"
    said = sentence(predict(tmp_path, f"run={finished.directory}", "images=in/good", "out=out"))
    assert "out holds predictions with another images (in)" in said


def test_what_changed_is_scored_again_and_what_could_not_be_read_is_tried_again(
    finished: Finished, images: Path, tmp_path: Path
) -> None:
    command = (f"run={finished.directory}", "images=in", "out=out", "save=masks,coco")
    assert predict(tmp_path, *command).status == 0
    first, (defective, *_) = lines(tmp_path / "out"), sorted((images / "hole").iterdir())
    good = images / "good/000.png"
    shutil.copy(defective, good)
    shutil.copy(defective, images / "broken.png")
    ended = predict(tmp_path, *command)
    assert ended.status == 0 and "0 that could not be read" in ended.out
    second = {row["path"]: row for row in lines(tmp_path / "out")}
    assert list(second) == [row["path"] for row in first] == [row["path"] for row in table(tmp_path / "out")]
    own = second[str(defective.relative_to(tmp_path))]
    for name in ("in/good/000.png", "in/broken.png"):
        assert second[name]["error"] is None and second[name]["score"] == pytest.approx(own["score"], rel=1e-5)
        assert [d["box"] for d in second[name]["defects"]] == [d["box"] for d in own["defects"]]
    named = [image["file_name"] for image in json.loads((tmp_path / "out/coco.json").read_text())["images"]]
    assert named == list(second) and len(list((tmp_path / "out/masks").iterdir())) == len(second)
    for row in first:
        if row["path"] not in ("in/good/000.png", "in/broken.png"):
            assert second[row["path"]] == row, "it is as it was, with its time"
    good.write_bytes(b"no image")
    assert predict(tmp_path, *command).status == 0
    third = {row["path"]: row for row in lines(tmp_path / "out")}
    assert list(third) == list(second) and "is no complete image file" in third["in/good/000.png"]["error"]
    assert len(list((tmp_path / "out/masks").iterdir())) == len(second) - 1, "no mask of what it was"


def test_a_folder_of_predictions_is_for_one_place_and_one_save(finished: Finished, images: Path, tmp_path: Path) -> None:
    command, out = (f"run={finished.directory}", "images=in/good"), f"out={tmp_path / 'out'}"
    assert predict(tmp_path, *command, out).status == 0
    before = (tmp_path / "out/predictions.jsonl").read_bytes()
    said = sentence(predict(tmp_path, *command, out, "save=coco,masks"))
    assert "out holds predictions with another save (none): choose another directory with out=" in said
    shutil.copytree(images, tmp_path / "elsewhere/in")
    said = sentence(predict(tmp_path / "elsewhere", *command, out))
    assert f"out holds predictions with another place of images ({(images / 'good').resolve()})" in said
    assert (tmp_path / "out/predictions.jsonl").read_bytes() == before
    assert predict(tmp_path, *command, "save=masks,coco", "out=more").status == 0
    assert predict(tmp_path, *command, "save=coco,masks", "out=more").status == 0, "in any order"
    assert "another save (coco,masks)" in sentence(predict(tmp_path, *command, "out=more"))


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.jsonl", "summary.json", "contact.png", "coco.json", "masks"])
def test_files_of_others_are_not_replaced(finished: Finished, images: Path, tmp_path: Path, name: str) -> None:
    own = tmp_path / "out" / (name if "." in name else f"{name}/mine.png")
    own.parent.mkdir(parents=True)
    own.write_text("a user's")
    said = sentence(predict(tmp_path, f"run={finished.directory}", "images=in/good", "out=out"))
    assert f"out holds {name}, which no prediction has written: choose another directory with out=" in said
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [own] and own.read_text() == "a user's"


def test_an_image_that_could_not_be_read_makes_the_status_1_as_a_defect_does(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    command = (f"run={finished.directory}", "images=broken.png")
    assert predict(tmp_path, *command).status == 0
    ended = predict(tmp_path, *command, "fail_on_defect=true")
    assert ended.status == 1 and "1 image, 0 defective, 1 that could not be read" in ended.out


def test_a_defect_can_make_the_status_1(finished: Finished, images: Path, tmp_path: Path) -> None:
    run = f"run={finished.directory}"
    assert predict(tmp_path, run, "images=in", "fail_on_defect=true").status == 1
    with (finished.directory / "levels.csv").open(newline="") as file:
        held_out = next(row["path"] for row in csv.DictReader(file) if row["split"] == "validation")
    (tmp_path / "list.txt").write_text(f"{finished.root / 'stripes' / held_out}\n" * 2)
    ended = predict(tmp_path, run, "images=list.txt", "fail_on_defect=true")
    assert ended.status == 0 and "1 image, 0 defective" in ended.out, "an image named twice has one row"
    assert len(list((tmp_path / "predictions").iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["images=in"], "run is missing: add run=DIR, a finished run, or model=FILE"),
        (["run=r"], "images is missing: add images=PATH"),
        (["run=r", "images=in", "save=maps"], "save is maps: 'maps' is none of overlays, masks, heatmaps, coco"),
        (["run=r", "images=in", "workers=0"], "workers is 0: it must be a whole number of at least 1"),
        (["run=r", "images=in", "parallel=0"], "parallel is 0: it must be a whole number of at least 1"),
        (["run=r", "images=-", "parallel=2"], "parallel is 2, but images=- decides about one image after the other: leave"),
        (["run=r", "images=in", "parallel=2", "watch=true"], "parallel is 2, but watch=true decides"),
        (["run=r", "images=in", "parallel=2", "engine=ray"], "parallel is 2, but engine=ray decides"),
        (["run=r", "images=in", "watch=yes"], "watch is yes: it must be true or false"),
        (["run=r", "images=in", "engine=spark"], "engine is spark: it must be local or ray"),
        (["run=r", "images=in", "size=3"], "size=3 is not understood: give run=, model="),
        (["run=r", "images=in", "run=s"], "run= is given 2 times"),
        (["run=r", "images=in"], "r holds no run"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    assert re.search(said, sentence(predict(tmp_path, *options)))


def test_help_needs_no_torch() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "anomaly_lab.predict", "--help"], capture_output=True, text=True, check=True
    )
    assert "run=DIR" in ended.stdout
    assert not set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.M)) & {"torch", "lightning", "cv2", "hydra"}


def test_the_defaults_are_those_of_the_help() -> None:
    options, fail = parse(["run=r", "images=in"])
    assert (options.out, options.save, options.workers, options.watch, fail) == (None, frozenset(), 2, False, False)
    assert (options.engine, options.parallel) == ("local", min(allowed(), 4))
    for alone in (["images=in", "watch=true"], ["images=-"], ["images=in", "engine=ray"]):
        assert parse(["run=r", *alone])[0].parallel == 1

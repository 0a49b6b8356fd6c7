"""Findings about files, on made-up records whose truth is known."""

from pathlib import Path

from conftest import write_category

from anomaly_lab.data.folder import scan
from anomaly_lab.inspect import counts
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG
from anomaly_lab.inspect.looked import HELD_OUT, TEST, Mask
from inspection.made_up import by_name, made, several, split, verdicts


def test_the_table_counts_by_part_and_kind() -> None:
    hole = several(2, TEST, "hole", mask=Mask(Path("m.png"), None))
    found = counts.table([*several(3), *several(1, HELD_OUT), *hole, *several(1, TEST, "hole"), *several(4, TEST)])
    rows = [("training", "good", 3, 0), ("held-out", "good", 1, 0), ("test", "good", 4, 0), ("test", "hole", 3, 2)]
    assert found == rows


def test_counts_say_what_a_test_can_say() -> None:
    (sound,) = counts.counts(split())
    assert sound.severity == FINE
    assert "20 normal training images, 20 normal and 20 defective test images of 1 kind" in sound.sentence
    for looked, said in (
        (several(20), "no metrics"),
        ([*several(20), *several(20, TEST)], "without defective test images"),
        ([*several(20), *several(20, TEST, "hole")], "without normal test images"),
        (split(good=3), "say little"),
    ):
        (found,) = counts.counts(looked)
        assert found.severity == NOTE and said in found.sentence


def test_files_that_cannot_be_used() -> None:
    assert verdicts(counts.faults(split())) == {"unreadable": FINE}
    bad = made(7, fault="x.png is empty: remove it", small=None)
    found = by_name(counts.faults([*split(), bad, made(8, TEST, brightness=0.0)]))
    assert found["unreadable"].severity == WRONG and found["unreadable"].sentence == "x.png is empty: remove it"
    assert found["empty"].severity == NOTE and found["empty"].files == (made(8, TEST).sample.path,)
    assert verdicts(counts.faults([made(8, brightness=0.0)])) == {"empty": WRONG}


def test_sizes() -> None:
    assert verdicts(counts.sizes(split())) == {"sizes": FINE}
    assert verdicts(counts.sizes([*split(), made(99, size=(64, 70))])) == {"sizes": FINE}
    assert verdicts(counts.sizes([*split(), made(99, size=(64, 128))])) == {"sizes": NOTE}
    (differ,) = counts.sizes([*several(9), *several(9, TEST, size=(32, 32)), *several(9, TEST, "hole", size=(32, 32))])
    assert differ.severity == WRONG and "training and test images differ in size" in differ.sentence
    (differ,) = counts.sizes([*several(9), *several(9, TEST), *several(9, TEST, "hole", size=(64, 70))])
    assert differ.severity == WRONG and "normal and defective test images differ in size" in differ.sentence


def test_modes_that_give_the_part_or_the_defect_away() -> None:
    assert verdicts(counts.modes(split())) == {"modes": FINE}
    assert verdicts(counts.modes([*split(), made(99, mode="colour")])) == {"modes": NOTE}
    assert verdicts(counts.modes([*split(), made(99, mode="grey in three channels")])) == {"modes": FINE}, "the same pixels"
    apart = [*several(9), *several(9, TEST), *several(9, TEST, "hole", mode="colour")]
    (found,) = counts.modes(apart)
    assert found.severity == WRONG and "normal and defective test images are stored differently" in found.sentence
    (found,) = counts.modes([*several(9), *several(9, TEST, mode="colour"), *several(9, TEST, "hole", mode="colour")])
    assert found.severity == WRONG and "training and test images" in found.sentence


def test_alpha_and_depth() -> None:
    found = by_name(counts.modes([*split(), made(99, mode="grey, with alpha")]))
    assert found["alpha"].severity == NOTE and "1 image with an alpha channel" in found["alpha"].sentence
    twelve = by_name(counts.modes(several(5, mode="grey, 16 bits", highest=4095 / 65535)))
    assert twelve["depth"].severity == NOTE and "use 12 bits" in twelve["depth"].sentence
    assert "depth" not in by_name(counts.modes(several(5, mode="grey, 16 bits", highest=0.9)))


def test_images_left_aside(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    assert verdicts(counts.left_aside(scan(tmp_path, "stripes"))) == {"left_aside": FINE}
    write_category(tmp_path / "stripes/more", train=2, good=0, defects=())
    (tmp_path / "stripes/train/good/a.gif").write_bytes(b"GIF")
    (found,) = counts.left_aside(scan(tmp_path, "stripes"))
    assert found.severity == NOTE and "3 images are left aside, 1 of them in formats that are not read" in found.sentence
    assert found.numbers["folders"][str(tmp_path / "stripes/more/train/good")] == 2

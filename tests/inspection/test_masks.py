"""Findings about masks and the smallest defect, on made-up records."""

from pathlib import Path
from typing import Any

import pytest

from anomaly_lab.inspect.finding import FINE, NOTE, WRONG
from anomaly_lab.inspect.looked import TEST, Looked, Mask
from anomaly_lab.inspect.masks import masks, smallest
from inspection.made_up import by_name, several, split, verdicts


def holes(count: int = 4, **values: Any) -> list[Looked]:
    mask = Mask(Path("m.png"), **{"fault": None, "share": 0.01, "areas": (100,)} | values)
    return several(count, TEST, "hole", mask=mask)


def test_sound_masks_and_none() -> None:
    assert verdicts(masks([*split(), *holes(4)][40:])) == {"masks_missing": NOTE}, "those of `split` have none"
    assert verdicts(masks(holes())) == {"masks": FINE}
    assert masks(several(9)) == []
    (found,) = masks(several(3, TEST, "hole"))
    assert found.severity == NOTE and "no defective image has a mask" in found.sentence


@pytest.mark.parametrize(
    ("values", "name", "severity", "said"),
    [
        ({"fault": "m.png is 3 x 4 pixels: give it the size of the image"}, "masks_unfit", WRONG, "m.png is 3 x 4 pixels"),
        ({"share": 0.0, "areas": ()}, "masks_empty", WRONG, "4 masks mark no pixel"),
        ({"shades": 7}, "masks_soft", NOTE, "4 masks are soft"),
        ({"share": 0.9}, "masks_large", WRONG, "invert them"),
    ],
)
def test_each_fault_of_a_mask(values: dict[str, Any], name: str, severity: str, said: str) -> None:
    found = by_name(masks(holes(**values)))
    assert set(found) == {name} and found[name].severity == severity and said in found[name].sentence


def test_one_large_mask_of_many_is_a_note() -> None:
    assert verdicts(masks([*holes(3), *holes(1, share=0.9)])) == {"masks_large": NOTE}


def test_the_smallest_defect_follows_from_the_regions() -> None:
    areas = tuple(range(1, 101))
    (found,) = smallest(holes(1, areas=areas), None, 40)
    assert found.severity == NOTE and found.numbers["suggested"] == 5 and found.numbers["below"] == 0.39
    assert "39% of 100 regions in the masks" in found.sentence and "try 5" in found.sentence
    assert verdicts(smallest(holes(1, areas=areas), None, 4)) == {"min_area": FINE}
    assert smallest(holes(1, areas=(1,) * 50), None, 40)[0].numbers["suggested"] == 4, "fewer pixels are noise"
    (none,) = smallest(several(3), None, 33)
    assert none.severity == FINE and ".05 % of an image" in none.sentence
    assert "as configured" in smallest(several(3), 9, 9)[0].sentence

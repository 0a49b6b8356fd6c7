"""Shifts of brightness and sharpness, on made-up values whose AUROC is known."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from anomaly_lab.inspect import light
from anomaly_lab.inspect.finding import FINE, NOTE, WRONG
from anomaly_lab.inspect.looked import TEST
from inspection.made_up import by_name, several, verdicts

RNG = np.random.default_rng(0)
BEFORE = RNG.normal(0.5, 0.05, 100)


def shifted(by: float, count: int = 50) -> list[str]:
    after = RNG.normal(0.5 + by, 0.05, count)
    found = light.shifts([*several(100, brightness=BEFORE), *several(count, TEST, brightness=after)])
    return [by_name(found)["brightness_shift"].severity, by_name(found)["sharpness_shift"].severity]


def test_the_area_is_mann_whitney_s_share_of_pairs() -> None:
    a, b = RNG.normal(size=30), RNG.normal(0.5, 1, 20)
    found = light.area(a, b)
    assert found is not None
    assert found[0] == pytest.approx((a[:, None] < b).mean()) == pytest.approx(mannwhitneyu(b, a).statistic / 600)
    assert light.area([], b) is None and light.area(a, []) is None


def test_a_shift_between_training_and_test_is_told_by_its_size() -> None:
    assert shifted(0.0) == [FINE, FINE]
    assert shifted(0.06) == [NOTE, FINE]
    assert shifted(-0.2) == [WRONG, FINE]
    assert shifted(-0.2, count=1) == [FINE, FINE], "an image may be dark by chance"


def test_the_sentence_says_which_way() -> None:
    found = light.shifts([*several(100, brightness=BEFORE), *several(50, TEST, brightness=BEFORE[:50] - 0.3)])
    assert by_name(found)["brightness_shift"].sentence.startswith("normal test images are darker than training images")


def test_false_alarms_are_rare() -> None:
    """Of a hundred data sets without a shift, one in a thousand is to be called shifted (RARE)."""
    alarms = 0
    for _ in range(100):
        found = light.shifts([*several(12, brightness=RNG.random(12)), *several(12, TEST, brightness=RNG.random(12))])
        alarms += by_name(found)["brightness_shift"].severity != FINE
    assert alarms <= 2


def test_brightness_alone_tells_defects_in_either_direction() -> None:
    good = RNG.normal(0.5, 0.03, 40)
    for bad, word in ((good - 0.2, "darker"), (good + 0.2, "brighter")):
        found = by_name(light.alone([*several(40, TEST, brightness=good), *several(40, TEST, "hole", brightness=bad)]))
        assert (
            found["brightness_alone"].severity == NOTE
            and f"the {word} ones, with AUROC 1.00" in found["brightness_alone"].sentence
        )
        assert found["sharpness_alone"].severity == FINE
    unsure = light.alone([*several(3, TEST, brightness=good[:3]), *several(3, TEST, "hole", brightness=good[:3] + 1)])
    assert by_name(unsure)["brightness_alone"].sentence.startswith("brightness alone is no certain sign")
    assert light.alone(several(9, TEST, "hole")) == []


def test_exposures_are_told_where_light_varies_more_between_images_than_within() -> None:
    assert verdicts(light.exposures(several(30, brightness=RNG.normal(0.5, 0.02, 30)))) == {"exposures": FINE}
    steps = np.repeat([0.2, 0.4, 0.6], 10)
    (found,) = light.exposures(several(30, brightness=steps))
    assert found.severity == NOTE and "from 0.20 to 0.60" in found.sentence and len(found.files) == 2
    assert light.exposures(several(1)) == []

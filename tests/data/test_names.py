"""What names say about images."""

from pathlib import Path

import pytest

from anomaly_lab.data.names import is_like_normal, kind_of


@pytest.mark.parametrize("name", ["ok", "OK", "Normal", "No_Defect", "good 2", "good ", "Good images", "ok-parts", "正常"])
def test_a_name_that_says_good_in_other_words(name: str) -> None:
    assert is_like_normal(name)
    assert kind_of(Path("test") / name) == name


@pytest.mark.parametrize("name", ["good", "GOOD", "Good"])
def test_the_name_of_normal_images_in_any_case(name: str) -> None:
    assert not is_like_normal(name)
    assert kind_of(Path("test") / name) == "good"


@pytest.mark.parametrize("name", ["dent", "goodyear", "not_ok", "images", "broken", "1", ""])
def test_a_name_of_a_defect(name: str) -> None:
    assert not is_like_normal(name)

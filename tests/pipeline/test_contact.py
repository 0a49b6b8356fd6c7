"""The contact sheet: the highest scores, drawn once."""

import numpy as np

from anomaly_lab.pipeline.contact import WORST, Contact
from anomaly_lab.show.overlay import CELL, MARGIN


def picture(value: int) -> np.ndarray:
    return np.full((CELL + MARGIN, CELL + 8, 3), value, np.uint8)


def test_the_highest_of_all_rows_are_shown_and_only_strangers_are_drawn_again() -> None:
    contact, drawn, again = Contact(), [], []

    def draw(value: int) -> np.ndarray:
        drawn.append(value)
        return picture(value)

    for score in range(100, 0, -1):
        contact.see(f"{score}.png", score, lambda score=score: draw(score))
    assert drawn == list(range(100, 100 - WORST, -1)), "a lower score is not drawn"

    def draw_again(path: str) -> np.ndarray | None:
        again.append(path)
        return None if path == "gone" else picture(250)

    sheet = contact.sheet([("before", 99.5), ("gone", 98.5), *((f"{s}.png", s) for s in range(1, 101))], draw_again)
    assert sheet is not None and again == ["before", "gone"]
    first = [int(sheet[0, i * (CELL + 8), 0]) for i in range(3)]
    assert first == [100, 250, 99], "the image that is gone has no cell"


def test_a_higher_score_takes_the_place_of_the_lowest() -> None:
    contact = Contact()
    for score in range(WORST + 3):
        contact.see(str(score), score, lambda score=score: picture(score))
    sheet = contact.sheet([(str(s), s) for s in range(WORST + 3)], lambda path: picture(255))
    assert sheet is not None and sheet.max() == WORST + 2 and not (sheet == 255).any()


def test_an_image_that_is_seen_again_has_its_last_cell() -> None:
    contact = Contact()
    for path, score in (("a", 3.0), ("b", 2.0), ("a", 1.0), ("b", 2.0)):
        contact.see(path, score, lambda score=score: picture(int(score)))
    sheet = contact.sheet([("a", 1.0), ("b", 2.0)], lambda path: picture(255))
    assert sheet is not None and sheet.max() == 2 and (sheet == 1).any()


def test_without_rows_there_is_no_sheet() -> None:
    assert Contact().sheet([], lambda path: None) is None

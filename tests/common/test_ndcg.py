import numpy as np
import pytest

from nearfield.common.ndcg import ndcg

IDS, ASKED = ["a", "b", "c"], ["q"]


def test_grades_are_gains_and_places_discount_them():
    judged = {"q": {"a": 2, "b": 1}}
    assert ndcg(np.array([[0, 1, 2]]), IDS, ASKED, judged) == 1
    swapped = (1 + 2 / np.log2(3)) / (2 + 1 / np.log2(3))
    assert ndcg(np.array([[1, 0, 2]]), IDS, ASKED, judged) == pytest.approx(swapped)
    assert ndcg(np.array([[2, -1, -1]]), IDS, ASKED, judged) == 0
    assert ndcg(np.array([[0]]), IDS, ASKED, {"q": {"a": 0}}) == 0

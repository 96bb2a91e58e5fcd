import numpy as np
import pytest

from nearfield.evidence import pairs


def test_partners_are_counted_and_ties_come_last():
    rows = np.eye(20)
    assert pairs.partners(rows, rows) == (1.0, 1.0, 1.0)
    assert pairs.partners(np.ones((4, 3)), np.ones((12, 3))) == (0.0, 0.0, pytest.approx(1 / 12))
    asked = np.eye(20)[:2] + 2 * np.eye(20)[1:3]
    assert pairs.partners(asked, rows) == (0.0, 1.0, 0.5)
    assert pairs.partners(np.zeros((1, 3)), np.eye(3))[0] == 0


def test_a_pair_is_drawn_once_and_turned():
    made = pairs.Pair.of(np.ones((50, 3)), np.ones((50, 4)), 10, 30, np.arange(50))
    assert len(set(made.judged) | set(made.rest)) == 40
    back = made.turned()
    assert back.first.shape == (50, 4) and (back.judged == made.judged).all()


def test_glosses_are_the_same_items_on_both_sides():
    pytest.importorskip("wordllama")
    try:
        made = pairs.glosses(150, 100)
    except FileNotFoundError as error:
        pytest.skip(str(error).splitlines()[0])
    assert made.first.shape == (250, 256) and made.second.shape == (250, 384)
    # What is near by the one encoder is near by the other.
    likeness = [np.triu(side @ side.T, 1)[np.triu_indices(250, 1)] for side in (made.first, made.second)]
    assert np.corrcoef(likeness)[0, 1] > 0.2

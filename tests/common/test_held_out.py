import numpy as np
import pytest

from nearfield.common.held_out import hold_out


@pytest.mark.parametrize(("n", "count"), [(2, 1), (5, 1), (10, 2), (2499, 499), (2500, 500), (9000, 500)])
def test_up_to_a_fifth_is_held_out_and_nothing_is_lost(n, count):
    rows = np.arange(n)[:, None]
    asked, base = hold_out(rows, 3)
    assert len(asked) == count
    assert (np.sort(np.concatenate([asked, base]), axis=0) == rows).all()
    assert (np.diff(asked[:, 0]) > 0).all() and (np.diff(base[:, 0]) > 0).all()
    assert (hold_out(rows, 3)[0] == asked).all()


def test_the_seed_decides_which():
    rows = np.arange(100)
    assert (hold_out(rows, 0)[0] != hold_out(rows, 1)[0]).any()

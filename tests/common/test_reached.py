import numpy as np

from nearfield.common.reached import share_reached


def test_a_row_as_far_as_the_last_true_one_counts() -> None:
    assert share_reached(np.float32([0.1, 0.2, 0.3]), 0.2, 2) == 1
    assert share_reached(np.float32([0.1, np.nextafter(np.float32(0.2), np.float32(1))]), np.float32(0.2), 2) == 1
    assert share_reached(np.float32([0.1, 0.3, np.inf]), 0.2, 4) == 0.25
    assert share_reached(np.float32([0.1] * 9), 0.2, 4) == 1
    assert share_reached(np.array([-30.0, -10]), -20.0, 2) == 0.5

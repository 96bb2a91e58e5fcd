import numpy as np

from nearfield.common.lengths import unit_rows


def test_rows_have_length_one_and_zeros_stay():
    rows = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    rows[3] = 0
    made = unit_rows(rows)
    assert made.dtype == np.float32
    assert np.allclose(np.linalg.norm(np.delete(made, 3, axis=0), axis=1), 1)
    assert not made[3].any()

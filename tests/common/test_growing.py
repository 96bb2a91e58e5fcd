from __future__ import annotations

import numpy as np
import pytest

from nearfield.common.growing import GrowingArray


@pytest.mark.parametrize("shape", [(), (3,)])
def test_rows_come_back_and_what_was_given_stays(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    array, every, given = GrowingArray(np.empty((0, *shape), np.float32)), [], []
    for rows in (0, 1, 1, 5, 0, 40, 1, 200):
        every.append(rng.standard_normal((rows, *shape)).astype(np.float32))
        array.append(every[-1])
        given.append(array.rows)
        assert len(array) == sum(map(len, every)) and array.rows.dtype == np.float32
    whole = np.concatenate(every)
    for before in given:
        assert before.tobytes() == whole[: len(before)].tobytes()


def test_a_row_costs_the_same_however_many_there_are() -> None:
    array, places = GrowingArray(np.empty(0, np.int64)), set()
    for number in range(5000):
        array.append(np.array([number]))
        places.add(array.rows.__array_interface__["data"][0])
    assert len(places) < 40 and (array.rows == np.arange(5000)).all()


def test_what_may_not_be_written_is_copied() -> None:
    kept = np.arange(4)
    kept.flags.writeable = False
    for change in (lambda array: array.append(np.array([4])), lambda array: array.own()):
        array = GrowingArray(kept)
        change(array)
        array.rows[0] = 9
        assert kept[0] == 0 and array.rows[:4].tolist() == [9, 1, 2, 3]

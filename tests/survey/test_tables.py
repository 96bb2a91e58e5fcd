import numpy as np
import pyarrow as pa
import pytest

from nearfield.survey.tables import as_tables, cosines, encoded, spread


def test_tables_come_in_several_kinds():
    one = {"a": [1, 2]}
    assert [t.num_rows for t in as_tables(one)] == [2]
    assert [t.column_names for t in as_tables([one, pa.table({"b": ["x"]})])] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("tables", "error", "said"),
    [
        ([], ValueError, "at least one table"),
        ({"a": []}, ValueError, "0 x 1 at 0"),
        ("table", TypeError, "got str"),
        ([3], TypeError, "got int at 0"),
    ],
)
def test_what_is_no_table_is_refused(tables, error, said):
    with pytest.raises(error, match=said):
        as_tables(tables)


def test_vectors_are_checked():
    table = pa.table({"a": [1, 2, 3], "b": [1, 2, 3]})
    assert encoded(lambda t: [1.0, 2.0], table, "table").shape == (1, 2)
    assert encoded(lambda t: np.ones((3, 2, 4)), table, "cells").shape == (3, 2, 4)
    with pytest.raises(ValueError, match=r"shape \(2, d\), got \(3, 4\)"):
        encoded(lambda t: np.ones((3, 4)), table, "columns")
    with pytest.raises(ValueError, match="NaN"):
        encoded(lambda t: np.full((2, 4), np.nan), table, "columns")


def test_cosines_and_zero_vectors():
    left = np.array([[1.0, 0], [0, 0], [0, 0]])
    assert cosines(left, np.array([[1.0, 1], [0, 0], [1, 0]])).tolist() == pytest.approx([0.5**0.5, 1, 0])


def test_spread_against_its_definition():
    population = np.random.default_rng(0).standard_normal((5, 3, 4)) + 1
    pairs, variation = spread(population)
    for one in range(3):
        x = population[:, one]
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        assert pairs[one] == pytest.approx((unit @ unit.T)[np.triu_indices(5, 1)].mean())
        mean = x.mean(axis=0)
        expected = np.sqrt(mean @ np.cov(x.T) @ mean / (mean @ mean) ** 2)
        assert variation[one] == pytest.approx(expected)
    same = spread(np.ones((3, 2, 2)))
    assert same[0].tolist() == pytest.approx([1, 1]) and same[1].tolist() == [0, 0]

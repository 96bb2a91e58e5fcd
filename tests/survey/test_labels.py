import datetime as dt

import numpy as np
import pytest

from nearfield.survey.collection import Collection
from nearfield.survey.labels import Labels, even_sample, labelled_part


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        (["b", "a", "b", None], [0, 1, 0, -1], ("b", "a")),
        (np.array([3, 1, 3, 1]), [0, 1, 0, 1], (3, 1)),
        (np.array([2.0, np.nan, 1.0, 2.0]), [0, -1, 1, 0], (2.0, 1.0)),
        ([(1, 2), frozenset({3}), (1, 2), float("nan")], [0, 1, 0, -1], ((1, 2), frozenset({3}))),
        (np.array(["x", None, 1, "x"], object), [0, -1, 1, 0], ("x", 1)),
        ((True, False, True, None), [0, 1, 0, -1], (True, False)),
        (range(4), [0, 1, 2, 3], (0, 1, 2, 3)),
        (np.array(["2024-01-01", "NaT", "2024-01-01", "2023-01-01"], "M8[D]"), [0, -1, 0, 1], None),
    ],
)
def test_any_hashables_are_numbered_by_first_appearance(labels, codes, names):
    found = Labels.of(labels, 4)
    assert found.codes.tolist() == codes
    assert names is None or found.names == names
    assert Labels.of(found, 4) is found


def test_arrow_and_dates():
    pa = pytest.importorskip("pyarrow")
    assert Labels.of(pa.array(["x", None, "y"]), 3).codes.tolist() == [0, -1, 1]
    assert Labels.of([dt.date(2024, 1, 1)] * 2, 2).codes.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        ([1, 2], ValueError, "labels: expected 3 labels, one for each row, got 2"),
        ([[1], [2], [3]], TypeError, "labels: expected hashable values, got list in row 0"),
        (np.eye(3), ValueError, r"shape \(n,\), got \(3, 3\)"),
        ("abc", TypeError, "labels: expected a sequence"),
        (7, TypeError, "labels: expected a sequence"),
    ],
)
def test_bad_labels_are_refused_by_name(labels, error, text):
    with pytest.raises(error, match=text):
        Labels.of(labels, 3)


def test_members_counts_and_what_is_left_out():
    found = Labels.of(["a", "b", "a", None, "c", "a", "b"], 7)
    assert found.counts.tolist() == [3, 2, 1]
    assert found.large(2).tolist() == [0, 1]
    assert [rows.tolist() for rows in found.members(np.array([1, 0]))] == [[1, 6], [0, 2, 5]]
    assert found.left_out(2) == " Left out: 1 class of one row and 1 row without a label."
    assert found.left_out(3) == " Left out: 2 classes of fewer than 3 rows (3 rows) and 1 row without a label."
    assert Labels.of([1, 1], 2).left_out(2) == ""
    assert found.too_few(2) is None
    assert found.too_few(3) == "Unknown: needs at least 2 classes of 3 rows or more, and there is 1."


def test_a_sample_is_even_over_the_classes():
    labels = Labels.of(np.repeat([0, 1, 2, 3], [1000, 100, 10, 1]), 1111)
    chosen = even_sample(labels, 2, 50, 120, 0)
    assert np.bincount(labels.codes[chosen]).tolist() == [40, 40, 10]
    many = Labels.of(np.arange(1000) // 4, 1000)
    chosen = even_sample(many, 2, 50, 100, 0)
    assert len(chosen) == 100 and set(np.bincount(many.codes[chosen])) == {0, 2}
    assert even_sample(Labels.of([1, 2], 2), 2, 5, 10, 0).size == 0


def test_the_labelled_part():
    space = Collection.of(np.arange(8, dtype=np.float32).reshape(4, 2), "l2")
    part, codes = labelled_part(space, Labels.of([1, 1, 2, 2], 4))
    assert part is space and codes.tolist() == [0, 0, 1, 1]
    part, codes = labelled_part(space, Labels.of([1, None, 2, 2], 4))
    assert part.vectors[:, 0].tolist() == [0, 4, 6] and codes.tolist() == [0, 1, 1]

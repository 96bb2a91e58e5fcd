import numpy as np
import pytest

from nearfield.survey import Pair, cka
from nearfield.survey import pair as module

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((30, 4)).astype(np.float32), rng.standard_normal((30, 6)).astype(np.float32)


def test_rows_are_paired_by_place():
    pair = Pair.of(X, Y, metric=("l2", "cosine"))
    assert (len(pair), pair.dims, pair.metrics, pair.unpaired) == (30, (4, 6), ("l2", "cosine"), (0, 0))
    assert pair.first.vectors is X  # nothing is copied
    assert Pair.of(pair) is pair


def test_ids_pair_rows_and_count_those_without_a_partner():
    order = rng.permutation(30)
    names = np.array([f"row {i}" for i in range(30)])
    pair = Pair.of(X, Y[order[:20]], ids=(names, [*names[order[:19]], "another"]))
    assert (len(pair), pair.unpaired, pair.given, pair.total) == (19, (11, 1), (30, 20), 19)
    assert np.array_equal(pair.rows[:, 0], np.sort(order[:19]))
    assert np.array_equal(pair.second.vectors, Y[np.sort(order[:19])])
    assert pair.ids.tolist() == names[np.sort(order[:19])].tolist()


def test_ids_in_another_order_change_nothing():
    order = rng.permutation(30)
    assert cka(X, Y[order], ids=(range(30), order)).value == cka(X, Y).value


def test_more_than_the_limit_is_a_sample(monkeypatch):
    monkeypatch.setattr(module, "BASE_LIMIT", 12)
    pair = Pair.of(X, Y)
    assert (len(pair), pair.total, pair.unpaired) == (12, 30, (0, 0))
    assert "12 sampled pairs of 30" in pair.scope(12)
    assert np.array_equal(pair.second.vectors, Y[pair.rows[:, 1]])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((X, Y[:7]), {}, ValueError, r"second: expected 30 rows.*ids="),
        ((X,), {}, TypeError, "second: expected an array"),
        ((X, np.full((30, 2), np.nan, np.float32)), {}, ValueError, "second: expected finite.*row 0"),
        ((np.zeros((30, 2), np.float32), Y), {}, ValueError, "first: expected nonzero"),
        ((X, Y[:, 0]), {}, ValueError, r"second: expected shape \(n, d\)"),
        ((X, Y), {"metric": "dot"}, ValueError, "metric: expected one of"),
        ((X, Y), {"metric": ("l2", "l2", "l2")}, ValueError, "metric: expected one of"),
        ((X, Y), {"ids": range(30)}, ValueError, "ids: expected a pair"),
        ((X, Y), {"ids": (range(30), range(29))}, ValueError, "ids: expected 30 ids of the second"),
        ((X, Y), {"ids": ([0] * 30, range(30))}, ValueError, "ids: expected unique ids in the first space, got 0"),
        ((X, Y), {"ids": (range(30), range(30, 60))}, ValueError, "ids: expected ids in common"),
        ((X, Y), {"ids": (range(30), [str(i) for i in range(30)])}, TypeError, "ids of one kind"),
        ((X, Y), {"ids": (np.arange(30) / 2, np.arange(30) / 2)}, TypeError, "integers or texts"),
        ((X, Y), {"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_bad_input(arguments, options, error, text):
    with pytest.raises(error, match=text):
        cka(*arguments, **options)

import numpy as np

from nearfield.encode import Bags
from nearfield.index import exact_maxsim
from nearfield.index.multivector import exact


def test_is_the_definition(bags, queries, monkeypatch):
    sums = np.array([[(query @ bag.T).max(axis=1).sum() for bag in bags] for query in queries])
    found = exact_maxsim(bags, queries, 12)
    np.testing.assert_allclose(found.distances, np.sort(-sums, axis=1)[:, :12], atol=1e-5)
    half = exact_maxsim(Bags(bags.vectors.astype(np.float16), bags.offsets), queries, 12)
    np.testing.assert_allclose(half.distances, found.distances, atol=0.02)
    monkeypatch.setattr(exact, "_PAIRS", 3 * len(bags))
    assert exact_maxsim(bags, queries, 12).distances.tobytes() == found.distances.tobytes()


def test_filters_and_missing_places(bags, queries):
    allow = np.zeros(len(bags), bool)
    allow[[3, 9]] = True
    found = exact_maxsim(bags, queries, 3, allow=allow)
    assert (np.sort(found.rows[:, :2]) == [3, 9]).all() and (found.rows[:, 2] == -1).all()
    assert (exact_maxsim(bags, queries, 1, allow=~np.ones(len(bags), bool)).rows == -1).all()
    assert exact_maxsim(bags, queries[:0], 2).rows.shape == (0, 2)

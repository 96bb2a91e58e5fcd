import numpy as np
import pytest

from nearfield.survey.asked import nearest_stored, recall_of_codec, recall_of_index, true_distances
from nearfield.survey.collection import Collection


class Exact:
    """Stands for an index: an exact scan that forgets every ``lost``-th row of its answer."""

    def __init__(self, rows, lost=None):
        self.rows_, self.lost = rows, lost

    def search(self, queries, k):
        gap = np.linalg.norm(queries[:, None] - self.rows_[None], axis=2)
        rows = np.argsort(gap, axis=1, kind="stable")[:, :k]
        if self.lost is not None:
            rows[:, self.lost :: self.lost] = -1
        return type("Found", (), {"rows": rows})


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_nearest_of_others_and_of_oneself(metric):
    x = np.random.default_rng(0).standard_normal((80, 5)).astype(np.float32)
    stored = Collection.of(x, metric)
    taken = stored.take(slice(None)).astype(float)
    products = taken @ taken.T
    distances = {"ip": -products, "cosine": 1 - products}.get(metric)
    if distances is None:
        distances = np.linalg.norm(taken[:, None] - taken[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    found = nearest_stored(stored, stored, np.arange(80), 4, drop=True)
    assert np.array_equal(found.rows, np.argsort(distances, axis=1)[:, :4])
    assert found.distances == pytest.approx(np.sort(distances, axis=1)[:, :4], abs=1e-6)
    asked = nearest_stored(Collection.of(x[10:], metric), stored, np.arange(10), 4)
    assert asked.own is None and asked.distances.shape == (10, 4)


def test_missing_rows_are_infinitely_far():
    stored = Collection.of(np.eye(3, dtype=np.float32), "l2")
    assert true_distances(stored, np.eye(3, dtype=np.float32)[:1], np.array([[0, -1]])).tolist() == [[0, np.inf]]


def test_recall_of_an_index():
    x = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
    stored = Collection.of(x[:150], "l2")
    ours = nearest_stored(stored, stored, np.arange(50), 10, drop=True)
    theirs = nearest_stored(stored, Collection.of(x[150:], "l2"), np.arange(50), 10)
    for asked, left in ((ours, 0.5), (theirs, 0.6)):  # of eleven and of ten that are returned, every second is lost
        assert (recall_of_index(Exact(x[:150]), asked, 10) == 1).all()
        assert recall_of_index(Exact(x[:150], lost=2), asked, 10).mean() == pytest.approx(left)
    with pytest.raises(ValueError, match="index: expected one built on the 150 rows of old"):
        recall_of_index(Exact(x), theirs, 10)


def test_recall_of_a_codec():
    class Rounded:
        def encode(self, rows):
            return np.round(rows, 1)

        def decode(self, codes):
            return codes

    x = np.random.default_rng(0).standard_normal((400, 3)).astype(np.float32)
    coarse = recall_of_codec(Rounded(), Collection.of(x, "l2"), 5, 50, 0)
    assert len(coarse) == 50 and 0.5 < coarse.mean() < 1

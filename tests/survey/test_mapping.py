import numpy as np
import pytest

from nearfield.survey import Pair
from nearfield.survey.mapping import as_asked, cross_mapped, linear_map, whole_map


def test_a_linear_map_with_an_offset_is_found_at_any_scale():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5))
    for size in (1e-20, 1.0, 1e20):
        y = size * (x @ rng.standard_normal((5, 3)) + 4)
        assert np.allclose(linear_map(x, y)(x[:7]), y[:7], rtol=1e-3)


def test_fewer_pairs_than_dimensions_are_held_back():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 200)), rng.standard_normal((30, 4))
    mapped = linear_map(x, y)(rng.standard_normal((500, 200)))
    assert np.square(mapped).sum(1).mean() < 2 * np.square(y).sum(1).mean()


def test_rows_are_mapped_by_what_never_saw_them(two):
    x, y = two(100, 60, 0, 0)[0], two(100, 60, 0, 1)[0]
    mapped, seen = cross_mapped(Pair.of(x, y, metric="l2"), False, np.arange(100), 0)
    gap = np.square(mapped - y).sum() / np.square(y - y.mean(0)).sum()
    assert seen == 50 and gap > 0.9
    assert np.square(whole_map(Pair.of(x, y, metric="l2"), False, 0)[0](x) - y).sum() < np.square(mapped - y).sum()


def test_as_asked():
    made = as_asked(np.array([[3.0, 4.0], [0.0, 0.0]]), "cosine")
    assert made.dtype == np.float32 and made.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]

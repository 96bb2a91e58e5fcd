"""Low-rank words: the full rank is ordinary quantisation, the rank trades error for size, files are checked."""

import numpy as np
import pytest

from nearfield.quantize import LowRankQuantizer
from nearfield.quantize.books import assign, free_words
from nearfield.quantize.lowrank import predict_rank


def falling(n, d, seed=0, width=8):
    spread = np.tile(0.6 ** np.arange(width), -(-d // width))[:d]
    return (np.random.default_rng(seed).standard_normal((n, d)) * spread).astype(np.float32)


def error(codec, x):
    return float(((codec.decode(codec.encode(x)) - x) ** 2).sum() / (x**2).sum())


def test_full_rank_is_ordinary_quantisation_with_one_book():
    x = falling(1000, 32)
    codec = LowRankQuantizer(4, rank=8).fit(x)
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(1000))
    parts = (x[rows] - codec.center_).reshape(-1, 8)
    words = free_words(parts, rng, 12)
    ordinary = ((parts - words.T[assign(parts, words)]) ** 2).sum() / (x**2).sum()
    assert error(codec, x) == pytest.approx(ordinary, abs=1e-6)


def test_error_falls_with_rank_down_to_the_predicted_one():
    x = falling(2000, 64)
    errors = [error(LowRankQuantizer(8, rank=rank).fit(x), x) for rank in range(1, 9)]
    predicted = LowRankQuantizer(8).fit(x).rank_
    assert errors[0] > errors[1] > errors[2]
    assert 1 < predicted < 8 and errors[predicted - 1] < 1.05 * min(errors)


def test_the_predicted_rank_is_that_of_water_filling():
    assert predict_rank(np.array([1.0, 1e-9])) == 1
    assert predict_rank(np.ones(6)) == 6
    assert predict_rank(np.zeros(4)) == 1


def test_a_last_part_may_be_smaller():
    x = falling(500, 30)
    codec = LowRankQuantizer(4).fit(x)
    assert codec.layout_[:, 1].tolist() == [8, 8, 8, 6] and codec.layout_[:, 2].tolist() == [0] * 4
    assert error(codec, x) < 0.5


def test_what_is_stored_is_small():
    codec = LowRankQuantizer(8, rank=2).fit(falling(500, 64))
    assert sum(a.size for a in codec.to_arrays().values()) == 64 + 256 * 2 + 2 * 8


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("coordinates", lambda a: a[:-1].copy()),
        ("decoder", lambda a: a[:, :-1].copy()),
        ("decoder", lambda a: a.astype(np.float64)),
        ("decoder", lambda a: a * np.float32(np.nan)),
        ("center", lambda a: a[:-1].copy()),
    ],
)
def test_contradictory_arrays_are_refused(name, change):
    codec = LowRankQuantizer(4, rank=2).fit(falling(300, 32))
    arrays = codec.to_arrays() | {name: change(codec.to_arrays()[name])}
    with pytest.raises(ValueError, match=r"expected|shape"):
        LowRankQuantizer(4, rank=2)._restore(32, arrays)


@pytest.mark.parametrize(("groups", "rank", "name"), [(0, None, "groups"), (4, 0, "rank"), (4, 1.5, "rank")])
def test_other_parameters_are_refused(groups, rank, name):
    with pytest.raises((ValueError, TypeError), match=f"{name}: expected"):
        LowRankQuantizer(groups, rank)

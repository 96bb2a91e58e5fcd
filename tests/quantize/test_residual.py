"""Group-residual codes: what stages and groups do to the error, and what is equal bit for bit."""

import itertools

import numpy as np
import pytest

from nearfield import native
from nearfield.index import Flat, Graph
from nearfield.quantize import ProductQuantizer, ResidualQuantizer, ScalarQuantizer


def correlated(n, d, seed=0):
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(7).standard_normal((d, d)) * 0.9 ** np.arange(d)[:, None]
    return (rng.standard_normal((n, d)) @ mix).astype(np.float32)


def error(codec, x):
    return float(((codec.decode(codec.encode(x)) - x) ** 2).sum() / (x**2).sum())


def test_one_stage_is_the_product_quantiser_bit_for_bit():
    x = correlated(3000, 24)
    product, residual = ProductQuantizer(6).fit(x), ResidualQuantizer(1, 6).fit(x)
    assert product.encode(x).tobytes() == residual.encode(x).tobytes()
    assert product.words_.tobytes() == residual.words_.tobytes()


@pytest.mark.parametrize("books", ["free", "linear"])
@pytest.mark.parametrize("groups", [1, 3])
def test_every_stage_takes_error_off_and_keeps_the_stages_before(books, groups):
    x = correlated(1000, 24)
    codecs = [ResidualQuantizer(stages, groups, books=books).fit(x) for stages in (1, 2, 3, 4)]
    errors = [error(codec, x) for codec in codecs]
    assert errors == sorted(errors, reverse=True) and errors[3] < 0.5 * errors[0]
    codes = [codec.encode(x)[:, 4 : 4 + codec._books(24)].reshape(1000, groups, -1) for codec in codecs]
    for fewer, more in itertools.pairwise(codes):
        assert (more[:, :, : fewer.shape[2]] == fewer).all()


def test_words_are_means_of_their_rows_and_rows_take_the_nearest():
    x = correlated(4000, 8)
    codec = ProductQuantizer(2, iterations=200).fit(x)
    codes, rest = codec.encode(x)[:, 4:6], x - codec.center_
    for group in range(2):
        own, words = rest[:, 4 * group : 4 * group + 4], codec.words_[4 * group : 4 * group + 4].T
        distances = ((own[:, None].astype(np.float64) - words) ** 2).sum(2)
        assert (distances[np.arange(4000), codes[:, group]] <= distances.min(1) + 1e-5).all()
        for word in np.unique(codes[:, group])[:40]:
            np.testing.assert_allclose(own[codes[:, group] == word].mean(0), words[word], atol=1e-4)
        assert len(np.unique(codes[:, group])) == 256


def test_no_word_is_left_over_by_duplicates():
    x = np.concatenate([np.repeat(correlated(1, 8), 9000, axis=0), correlated(1000, 8, seed=1)])
    codec = ProductQuantizer(1).fit(x)
    assert len(np.unique(codec.encode(x)[:, 4])) > 240 and error(codec, x[:10]) < 1e-3


def test_the_fit_does_not_depend_on_threads_and_does_on_the_seed():
    x = correlated(2000, 12)
    before, words = native.threads(), set()
    try:
        for threads in (1, 3):
            native.set_threads(threads)
            words.add(ResidualQuantizer(2, 2, random_state=5).fit(x).words_.tobytes())
    finally:
        native.set_threads(before)
    assert len(words) == 1 and ResidualQuantizer(2, 2, random_state=6).fit(x).words_.tobytes() not in words


@pytest.mark.parametrize("kind", [Flat, Graph])
def test_an_index_over_product_codes_is_saved_loaded_and_rescored(kind, tmp_path):
    x, queries = correlated(3000, 24), correlated(50, 24, seed=3)
    exact = Flat("l2").build(x).search(queries, 10).rows
    index = kind("l2", codec=ProductQuantizer(12), rescore=ScalarQuantizer(8)).build(x)
    found = index.search(queries, 10, candidates=60)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(found.rows, exact, strict=True)]) > 0.97
    index.save(tmp_path / "index.nfa")
    again = kind.load(tmp_path / "index.nfa")
    assert again.digest() == index.digest()
    assert (again.search(queries, 10, candidates=60).rows == found.rows).all()
    second = kind("l2", codec=ScalarQuantizer(4), rescore=ResidualQuantizer(3, 12)).build(x)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(second.search(queries, 10).rows, exact, strict=True)]) > 0.9


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("words", lambda a: a[:-1].copy()),
        ("words", lambda a: a[:, :255].copy()),
        ("words", lambda a: a * np.float32(np.nan)),
        ("layout", lambda a: a[:-1].copy()),
        ("layout", lambda a: a + 1),
        ("layout", lambda a: a.astype(np.int64)),
        ("center", lambda a: a[:-1].copy()),
    ],
)
def test_contradictory_arrays_are_refused(name, change):
    x = correlated(400, 12)
    codec = ProductQuantizer(4).fit(x)
    arrays = codec.to_arrays() | {name: change(codec.to_arrays()[name])}
    with pytest.raises((ValueError, TypeError)):
        other = ProductQuantizer(4)
        other._restore(12, arrays)
        other.space(codec.encode(x))


def test_more_groups_than_dimensions_are_one_each():
    x = correlated(50, 3)
    assert ProductQuantizer(99).fit(x).bytes_per_vector == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": 0}, "stages: expected"),
        ({"stages": 65}, "stages: expected"),
        ({"groups": 0}, "groups: expected"),
        ({"books": "gradient"}, "books: expected one of 'free', 'linear', got 'gradient'"),
        ({"iterations": 0}, "iterations: expected"),
        ({"random_state": -1}, "random_state: expected"),
    ],
)
def test_other_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ResidualQuantizer(**({"stages": 2} | options))

"""Every encoding of bags: shapes, bytes, files, blocks, and what it finds."""

import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.index import (
    BagEncoding,
    FixedDimensionalEncoding,
    JoinedEncoding,
    LearnedEncoding,
    MeanEncoding,
    exact_maxsim,
)
from nearfield.index.multivector import encoding as base
from nearfield.index.multivector.encoding import encoding_from_dict

ENCODINGS = [
    MeanEncoding(),
    FixedDimensionalEncoding(8, 4, 6),
    FixedDimensionalEncoding(8, 4, None, residuals=True, final=60),
    FixedDimensionalEncoding(5, 4, 6, partition="kmeans"),
    LearnedEncoding(16, anchors=60),
    JoinedEncoding([MeanEncoding(), FixedDimensionalEncoding(4, 2, 4)]),
]


@pytest.fixture(params=ENCODINGS, ids=lambda one: f"{one.name}{one.to_dict().get('partition', '')}")
def encoding(request):
    return encoding_from_dict(request.param.to_dict())


def test_fits_gives_and_comes_back_from_a_file(encoding, bags, queries):
    assert isinstance(encoding.fit(bags, queries), BagEncoding)
    documents, asked = encoding.documents(bags), encoding.queries(queries)
    assert documents.shape == (len(bags), encoding.dimensions_) and asked.shape == (len(queries), encoding.dimensions_)
    assert documents.dtype == asked.dtype == np.float32 and np.isfinite(documents).all() and np.isfinite(asked).all()
    again = encoding_from_dict(encoding.to_dict(), bags.dim, encoding.to_arrays())
    assert (
        again.documents(bags).tobytes() == documents.tobytes() and again.queries(queries).tobytes() == asked.tobytes()
    )
    assert again.dimensions_ == encoding.dimensions_ and encoding.nbytes() == again.nbytes()
    assert repr(again) == repr(encoding)


def test_the_same_seed_gives_the_same_bytes_and_a_bag_alone_the_same_vector(encoding, bags, queries, monkeypatch):
    one = encoding.fit(bags, queries).documents(bags)
    other = encoding_from_dict(encoding.to_dict()).fit(bags, queries)
    assert other.documents(bags).tobytes() == one.tobytes()
    alone = np.concatenate([other.documents(bags[row : row + 1]) for row in range(10)])
    np.testing.assert_allclose(alone, one[:10], atol=2e-5)
    half = Bags(bags.vectors.astype(np.float16), bags.offsets)
    assert np.mean(np.abs(other.documents(half) - one) > 0.02) < 0.01  # few vectors fall into another cell


def test_finds_more_than_chance(encoding, bags, queries):
    encoding.fit(bags, queries)
    scores = encoding.queries(queries) @ encoding.documents(bags).T
    near = np.argsort(-scores, axis=1)[:, :40]
    truth = exact_maxsim(bags, queries, 10).rows
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth, near, strict=True)]) > 0.4  # chance: 0.1


def test_degenerate_bags_give_finite_vectors(encoding):
    for bags in (
        Bags.from_list([np.zeros((2, 5), np.float32)] * 3),
        Bags.from_list([np.ones((1, 5), np.float32)]),
        Bags.from_list([np.float32([[1, 0, 0, 0, 0]])] * 4),
        Bags.from_list([1e6 * np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)] * 2),
    ):
        encoding.fit(bags)
        assert np.isfinite(encoding.documents(bags)).all() and np.isfinite(encoding.queries(bags)).all()
        assert encoding.documents(bags[:0]).shape == (0, encoding.dimensions_)
        assert encoding.queries(bags[:0]).shape == (0, encoding.dimensions_)


def test_what_does_not_fit_is_refused(encoding, bags):
    with pytest.raises(ValueError, match="not fitted"):
        encoding.documents(bags)
    with pytest.raises(ValueError, match="got none"):
        encoding.fit(bags[:0])
    with pytest.raises(TypeError, match="expected Bags"):
        encoding.fit([np.zeros((2, 3))])
    with pytest.raises(ValueError, match="bag 1 has none"):
        encoding.fit(Bags.from_list([np.zeros((1, 3)), np.zeros((0, 3))]))
    encoding.fit(bags)
    with pytest.raises(ValueError, match="expected 24 dimensions, got 3"):
        encoding.queries(Bags.from_list([np.zeros((1, 3))]))
    with pytest.raises(ValueError, match="queries: expected 24 dimensions"):
        encoding.fit(bags, Bags.from_list([np.zeros((1, 3))]))


def test_a_damaged_file_is_noticed(encoding, bags):
    arrays = encoding.fit(bags).to_arrays()
    for name, array in arrays.items():
        if array.size and array.dtype == np.float32:
            with pytest.raises(ValueError, match="expected"):
                encoding_from_dict(encoding.to_dict(), bags.dim, arrays | {name: np.full_like(array, np.nan)})
    with pytest.raises(ValueError, match="encoding"):
        encoding_from_dict({"encoding": "none"})


def test_blocks_hold_all_bags_in_order(bags):
    for size in (1, 50, 10**9):
        assert np.array_equal(Bags.concatenate(base.blocks(bags, size)).vectors, bags.vectors)

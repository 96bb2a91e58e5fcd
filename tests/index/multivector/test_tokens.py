"""Token codes: rows keep their length, means of bags take what bags share out of the codes, changes keep both."""

import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.index import MultiVector, exact_maxsim
from nearfield.index.multivector.tokens import TokenCodec
from nearfield.quantize import CentroidQuantizer, ProductQuantizer, ScalarQuantizer, VarianceQuantizer


def error(codec: TokenCodec, bags: Bags) -> float:
    decoded = codec.decode(*codec.encode(bags), np.diff(bags.offsets))
    return float(((decoded - bags.vectors) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("means", [None, ScalarQuantizer(8)], ids=repr)
def test_decoded_vectors_are_as_long_as_the_vectors(bags, means):
    stretched = Bags(bags.vectors * np.linspace(0.5, 3, len(bags.vectors), dtype=np.float32)[:, None], bags.offsets)
    for some in (bags, stretched):
        codec = TokenCodec(CentroidQuantizer(0.5), means).fit(some)
        decoded = codec.decode(*codec.encode(some), np.diff(some.offsets))
        assert np.allclose(np.linalg.norm(decoded, axis=1), np.linalg.norm(some.vectors, axis=1), rtol=1e-5)


@pytest.mark.parametrize("codec", [VarianceQuantizer(1.0), ProductQuantizer(3), ScalarQuantizer(4)], ids=repr)
def test_means_take_out_what_a_bag_shares(bags, codec):
    assert error(TokenCodec(codec, ScalarQuantizer(8)).fit(bags), bags) < 0.85 * error(
        TokenCodec(codec, None).fit(bags), bags
    )


def test_short_codes_with_means_find_more_of_the_best(bags, queries):
    truth = exact_maxsim(bags, queries, 10).rows
    shares = []
    for means in (None, ScalarQuantizer(8)):
        index = MultiVector(codec=VarianceQuantizer(1.0), means=means).build(bags)
        found = index.search(queries, 10, candidates=len(bags)).rows
        shares.append(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))
    assert shares[1] > shares[0] + 0.03


def test_search_scores_what_decode_gives(bags, queries):
    index = MultiVector(codec=VarianceQuantizer(1.0), means=ScalarQuantizer(8)).build(bags)
    decoded = index._codec.decode(index._codes.rows, index._centers.rows, np.diff(bags.offsets))
    truth = exact_maxsim(Bags(decoded, bags.offsets), queries, 5)
    found = index.search(queries, 5, candidates=len(bags))
    assert np.allclose(found.distances, truth.distances, rtol=1e-3, atol=1e-3)


def test_changes_keep_codes_and_means(bags, queries):
    index = MultiVector(codec=VarianceQuantizer(2.0), means=ScalarQuantizer(8)).build(bags)
    index.add(bags[:5])
    index.update([3], bags[9:10])
    index.delete([0, 7])
    before = index.search(queries, 6, candidates=500)
    index.compact()
    after = index.search(queries, 6, candidates=500)
    assert before.distances.tobytes() == after.distances.tobytes()
    assert index._centers.rows.shape[0] == len(index) == len(bags) + 3


def test_vectors_of_no_length_and_equal_vectors():
    some = Bags.from_list([np.zeros((3, 8), np.float32), np.ones((4, 8), np.float32)])
    for means in (None, ScalarQuantizer(8)):
        index = MultiVector(codec=CentroidQuantizer(1.0), means=means).build(some)
        found = index.search(some[1:], 2)
        assert found.rows[0, 0] == 1 and np.allclose(found.distances, [[-32, 0]], atol=1e-3)


def test_means_that_are_no_codec_are_refused():
    with pytest.raises(TypeError, match="means: expected a Codec or None, got 8"):
        MultiVector(means=8)

import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.index import ReductionLoss, pool_tokens, prune_tokens, reduction_loss


def test_pooling_keeps_a_share_of_unit_vectors_in_order(bags):
    pooled = pool_tokens(bags, 3)
    assert (pooled.lengths <= np.ceil(bags.lengths / 3)).all() and (pooled.lengths >= 1).all()
    np.testing.assert_allclose(np.linalg.norm(pooled.vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(pool_tokens(bags, 1).vectors, bags.unit().vectors)
    half = pool_tokens(Bags(bags.vectors.astype(np.float16), bags.offsets), 3)
    assert half.vectors.dtype == np.float16


def test_copies_become_one():
    rows = np.eye(4, dtype=np.float32)[[2, 0, 2, 0, 2, 1]]
    assert np.array_equal(pool_tokens(Bags.from_list([rows]), 2).vectors, np.eye(4, dtype=np.float32)[[2, 0, 1]])


def test_a_bag_of_thousands_is_pooled_in_parts():
    rows = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32)
    pooled = pool_tokens(Bags.from_list([rows]).unit(), 10)
    assert 290 <= len(pooled.vectors) <= 310


def test_pruning_keeps_what_wins():
    bag = np.float32([[1, 0], [0.5, 0.5], [0, 1], [1, 0]])
    kept = prune_tokens(
        Bags.from_list([bag]), 0.5, queries=Bags.from_list(np.float32([[[1, 0]], [[0.1, 1]], [[0, 1]]]))
    )
    assert np.array_equal(kept.vectors, bag[[0, 2]])
    assert prune_tokens(Bags.from_list([bag[:1]]), 0.01).lengths.tolist() == [1]
    assert prune_tokens(Bags.from_list([bag]), 1.0).lengths.tolist() == [4]


def test_losses_are_stated_and_grow(bags, queries):
    none = reduction_loss(bags, bags, queries)
    assert none == ReductionLoss(1.0, 0.0, 1.0, 10)
    some, much = (reduction_loss(bags, pool_tokens(bags, factor), queries) for factor in (1.5, 4))
    assert 0 < some.score < much.score and much.recall < some.recall and much.vectors < some.vectors < 0.75
    knowing, blind = (reduction_loss(bags, prune_tokens(bags, 0.5, queries=q), queries) for q in (queries, None))
    assert knowing.score < blind.score + 0.02 and "of the vectors keep" in str(knowing)


def test_what_makes_no_sense_is_refused(bags, queries):
    for call, said in (
        (lambda: pool_tokens(bags, 0.5), "factor"),
        (lambda: prune_tokens(bags, 0.0), "share"),
        (lambda: reduction_loss(bags, bags[:3], queries), "reduced"),
        (lambda: reduction_loss(bags, bags, queries[:0]), "at least one"),
        (lambda: pool_tokens(Bags.from_list([np.ones((0, 2))])), "bag 0 has none"),
    ):
        with pytest.raises(ValueError, match=said):
            call()

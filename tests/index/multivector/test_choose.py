import pytest

from nearfield.encode import Bags
from nearfield.index import (
    EncodingChoice,
    FixedDimensionalEncoding,
    Flat,
    LearnedEncoding,
    MeanEncoding,
    MultiVector,
    TriedEncoding,
    choose_encoding,
)
from nearfield.index.multivector.choose import usual_options
from nearfield.quantize import ScalarQuantizer

from .conftest import make_queries


def test_the_smallest_that_reaches_the_target_is_chosen(bags, queries):
    options = [(MeanEncoding(), Flat("ip", codec=ScalarQuantizer(bits))) for bits in (8, 4)]
    options.append((FixedDimensionalEncoding(2, 1, 1), Flat("ip")))
    choice = choose_encoding(bags, queries, recall=0.6, candidates=50, options=options)
    assert isinstance(choice, EncodingChoice) and choice.reached and choice.chosen.bytes == 28
    assert [one.bytes for one in choice.tried if isinstance(one, TriedEncoding)][-1] == 8  # finds least
    assert str(choice).splitlines()[0].endswith("(reaches the target)") and "0." in str(choice)
    none = choose_encoding(bags, queries, recall=1.0, candidates=20, options=options)
    assert not none.reached and none.chosen.recall == max(one.recall for one in none.tried)


def test_the_usual_ones_stay_within_the_bytes_and_build(bags, queries):
    choice = choose_encoding(bags, queries, bytes=64, candidates=60, recall=0.99)
    assert choice.chosen.bytes <= 64 and all(one.bytes <= 64 for one in choice.tried)
    kinds = {type(one.encoding).__name__ for one in choice.tried}
    assert kinds == {"MeanEncoding", "LearnedEncoding", "FixedDimensionalEncoding", "JoinedEncoding"}
    index = MultiVector(**choice.options()).build(bags, queries=queries)
    assert index.candidate_rows(queries, 20).shape == (len(queries), 20)
    again = choose_encoding(bags, queries, bytes=64, candidates=60, recall=0.99)
    assert [str(one) for one in again.tried] == [str(one) for one in choice.tried]


def test_learnt_options_share_one_fit_and_are_what_each_alone_would_be(bags):
    queries = make_queries(bags, 30, seed=7)
    options = [(LearnedEncoding(size, anchors=60), Flat("ip")) for size in (30, 10)]
    both = choose_encoding(bags, queries, bytes=400, options=options, candidates=40)
    alone = choose_encoding(bags, queries, bytes=400, options=options[1:], candidates=40)
    assert alone.chosen.recall == next(one for one in both.tried if one.bytes == 40).recall


def test_without_queries_bags_stand_in(bags):
    choice = choose_encoding(bags, bytes=100, candidates=40, options=[(MeanEncoding(), Flat("ip"))], documents=200)
    assert 0.3 < choice.chosen.recall <= 1 and choice.chosen.depths == (20, 40)


def test_what_cannot_be_measured_is_refused(bags, queries):
    for call, said in (
        (lambda: choose_encoding(bags, queries[:1]), "at least 2"),
        (lambda: choose_encoding(bags[:1], queries), "at least 2"),
        (lambda: choose_encoding(bags, queries, bytes=8, options=[(MeanEncoding(), Flat("ip"))]), "bytes: expected"),
        (lambda: choose_encoding(bags, queries, recall=1.5), "recall"),
        (lambda: choose_encoding(bags, Bags.from_list([[[1.0]], [[1.0]]])), "24 dimensions"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    assert [type(one).__name__ for one, _ in usual_options(24, 4)] == []

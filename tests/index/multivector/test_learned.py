import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.index import JoinedEncoding, LearnedEncoding, MeanEncoding, exact_maxsim

from .conftest import make_bags, make_queries


def recall(encoding, bags, queries, depth):
    scores = encoding.queries(queries) @ encoding.documents(bags).T
    truth = exact_maxsim(bags, queries, 10).rows
    near = np.argsort(-scores, axis=1)[:, :depth]
    return np.mean([np.isin(a, b).mean() for a, b in zip(truth, near, strict=True)])


def test_it_finds_more_than_the_mean_it_starts_from():
    apart = make_bags(1800, seed=3, most=12)  # each document speaks of three things, which a mean mixes up
    bags = Bags.from_list([np.concatenate([apart[3 * row + part] for part in range(3)]) for row in range(600)])
    sample, asked = make_queries(bags, 200, seed=4), make_queries(bags, 60, seed=5)
    mean = recall(MeanEncoding().fit(bags), bags, asked, 30)
    learned = recall(LearnedEncoding(24, anchors=300).fit(bags, sample), bags, asked, 30)
    assert learned > mean + 0.02


def test_fewer_dimensions_are_the_first_of_more(bags, queries):
    more, fewer = (LearnedEncoding(size, anchors=80).fit(bags, queries) for size in (40, 15))
    np.testing.assert_allclose(more.documents(bags)[:, :15], fewer.documents(bags), atol=1e-5)
    np.testing.assert_allclose(more.queries(queries)[:, :15], fewer.queries(queries), atol=1e-5)


def test_dimensions_and_anchors_are_at_most_what_there_is(bags):
    few = bags[:2]
    encoding = LearnedEncoding(5000, anchors=8192).fit(few)
    assert len(encoding.anchors_) == len(few.vectors)
    assert encoding.dimensions_ == len(few.vectors) + few.dim


def test_joined_products_add_up(bags, queries):
    parts = [MeanEncoding(), LearnedEncoding(8, anchors=40)]
    joined = JoinedEncoding(parts, weights=[1.0, 0.5]).fit(bags, queries)
    wanted = sum(
        weight * part.queries(queries) @ part.documents(bags).T
        for weight, part in zip((1.0, 0.5), joined.encodings, strict=True)
    )
    np.testing.assert_allclose(joined.queries(queries) @ joined.documents(bags).T, wanted, atol=1e-4)
    alike = JoinedEncoding([MeanEncoding(), MeanEncoding(normalize=False)]).fit(bags, queries)
    spread = [
        (part.queries(queries) @ part.documents(bags).T).std(axis=1).mean() * weight
        for part, weight in zip(alike.encodings, alike.weights_, strict=True)
    ]
    assert spread[0] == pytest.approx(spread[1], rel=1e-3)


def test_bad_settings():
    for options in ({"dimensions": 0}, {"anchors": 0}, {"width": 0.0}, {"ridge": 0.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            LearnedEncoding(**options)
    with pytest.raises(TypeError, match="encodings"):
        JoinedEncoding([])
    with pytest.raises(ValueError, match="one for each"):
        JoinedEncoding([MeanEncoding()], weights=[1.0, 2.0])

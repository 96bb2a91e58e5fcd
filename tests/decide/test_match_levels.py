from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from nearfield.decide import Views
from nearfield.decide.match_levels import COLUMNS, LEVELS, Matcher, attended, max_similarity
from nearfield.decide.texts import unit_rows


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def sides() -> tuple[Views, Views]:
    """200 entities whose second view is a noisy linear map of their vectors, and 5 mentions of the first 5."""
    rng = np.random.default_rng(0)
    vectors, turn = rng.standard_normal((200, 12)), rng.standard_normal((12, 7))
    second = unit_rows(vectors) @ turn + 0.1 * rng.standard_normal((200, 7)) + 3
    tokens = [rng.standard_normal((size, 12)) for size in rng.integers(1, 6, 200)]
    mentions = Views(
        vectors[:5] + 0.1 * rng.standard_normal((5, 12)),
        tokens=[rng.standard_normal((size, 12)) for size in (1, 2, 3, 4, 5)],
        second=second[:5],
    )
    return Views(vectors, tokens, second), mentions


def test_every_column_is_what_its_name_says(sides) -> None:
    entities, mentions = sides
    matcher = Matcher(entities, 0.2)
    rows = np.array([1, 7, 3])
    found = matcher.features(matcher.prepared(mentions), 1, rows)
    query, own = mentions.vectors[1], unit_rows(mentions.tokens[1])
    middle = unit_rows(entities.second).mean(axis=0)
    for place, row in enumerate(rows):
        vector, theirs = entities.vectors[row], unit_rows(entities.tokens[row])
        pooled = softmax(theirs @ unit_rows(query[None])[0] / 0.2) @ theirs
        back = softmax(own @ unit_rows(vector[None])[0] / 0.2) @ own
        near = own @ theirs.T
        expected = [
            cosine(query, vector), cosine(query, pooled), cosine(vector, back), near.max(axis=1).mean(),
            near.max(axis=0).mean(),
            cosine(unit_rows(mentions.second[1:2])[0] - middle, unit_rows(entities.second[row : row + 1])[0] - middle),
        ]  # fmt: skip
        assert found[place, :6] == pytest.approx(expected)
    assert set(COLUMNS) == set(LEVELS)


def test_the_map_across_views_leads_to_the_right_entity(sides) -> None:
    entities, mentions = sides
    matcher = Matcher(entities, 0.1)
    prepared = matcher.prepared(mentions)
    for number in range(5):
        found = matcher.features(prepared, number, np.arange(200))
        assert (found[:, 6] > found[number, 6]).sum() < 10 and (found[:, 7] > found[number, 7]).sum() < 10


def test_what_a_side_lacks_is_missing(sides) -> None:
    entities, mentions = sides
    bare = Views(entities.vectors, tokens=[None, *entities.tokens[1:]], second=[None, *entities.second[1:]])
    matcher, rows = Matcher(bare, 0.1), np.array([0, 1])
    there = np.isfinite(matcher.features(matcher.prepared(mentions), 0, rows))
    assert there.tolist() == [[True, False, True, False, False, False, False, True], [True] * 8]
    there = np.isfinite(matcher.features(matcher.prepared(Views(mentions.vectors)), 0, rows))
    assert there.tolist() == [[True] + 7 * [False], [True, True, False, False, False, False, True, False]]
    matcher = Matcher(Views(entities.vectors), 0.1)
    there = np.isfinite(matcher.features(matcher.prepared(mentions), 0, rows))
    assert there.tolist() == 2 * [[True, False, True] + 5 * [False]]
    matcher = Matcher(entities, 0.1, ("global", "second"))
    assert np.isnan(matcher.features(matcher.prepared(mentions), 0, rows)[:, 1:5]).all()


def test_degenerate_views_give_zeros_not_nan() -> None:
    entities = Views(np.zeros((3, 4)), tokens=[np.zeros((2, 4))] * 3, second=np.ones((3, 2)))
    matcher = Matcher(entities, 0.1)
    found = matcher.features(matcher.prepared(entities), 0, np.arange(3))
    assert found.tolist() == np.zeros((3, 8)).tolist()
    opposed = attended(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0]), 1e-3)
    assert opposed.tolist() == [[1.0]]


def test_bags_of_many_tokens_are_compared_in_blocks() -> None:
    rng = np.random.default_rng(0)
    own, theirs = rng.standard_normal((5000, 2)), rng.standard_normal((3000, 2))
    near = own @ theirs.T
    forth, back = max_similarity(own, theirs, np.array([0, 1000]))
    for bag, part in enumerate((near[:, :1000], near[:, 1000:])):
        assert (forth[bag], back[bag]) == pytest.approx((part.max(axis=1).mean(), part.max(axis=0).mean()))

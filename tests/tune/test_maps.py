"""The map between two models' spaces that loses least, and what it says of its loss."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.index import Flat
from nearfield.transform import Procrustes
from nearfield.tune import MapCandidate, MapChoice, MapLoss, choose_map


def two_models(count: int, seed: int, noise: float = 0.15, dims: tuple[int, int] = (10, 14)):
    """Things seen by two linear models with noise of their own."""
    rng = np.random.default_rng(0)
    maps = [rng.standard_normal((12, d)) for d in dims]
    rng = np.random.default_rng(seed)
    things = rng.standard_normal((count, 12))
    return [np.float32(things @ one + noise * rng.standard_normal((count, one.shape[1]))) for one in maps]


def test_the_choice_says_what_it_is():
    old, new = two_models(300, 1)
    choice = choose_map(old, new, candidates=["ridge", "procrustes"])
    assert isinstance(choice, MapChoice) and isinstance(choice.loss, MapLoss)
    assert choice.name == "ridge" and choice.direction == "old-to-new" and choice.pairs == 300
    assert [one.name for one in choice.candidates] == ["ridge", "procrustes"]
    assert all(isinstance(one, MapCandidate) for one in choice.candidates)
    assert choice.map.transform(old).shape == new.shape
    sizes = [size for size, _ in choice.curve]
    assert sizes == sorted(sizes) and "tried: ridge" in str(choice) and choice.to_dict()["name"] == "ridge"


def test_the_stated_loss_holds_what_new_things_lose():
    inside = 0
    for seed in range(12):
        old, new = two_models(200, seed + 10)
        choice = choose_map(old, new, candidates=["ridge"], random_state=seed)
        others, queries = two_models(200, seed + 500), two_models(200, seed + 900)[1]
        found = Flat("cosine").build(choice.map.transform(others[0])).search(queries, 10).rows
        truth = Flat("cosine").build(others[1]).search(queries, 10).rows
        lost = 1 - (found[:, :, None] == truth[:, None, :]).any(axis=2).mean()
        inside += choice.loss.low - 0.02 <= lost <= choice.loss.high + 0.02
    assert inside >= 10


def test_both_directions_and_own_candidates():
    old, new = two_models(120, 3, noise=0.0, dims=(12, 12))
    choice = choose_map(old, new, direction=None, candidates={"turn": Procrustes()})
    assert choice.direction in ("old-to-new", "new-to-old")
    assert {one.direction for one in choice.candidates} == {"old-to-new", "new-to-old"}


def test_the_same_seed_gives_the_same_bytes():
    old, new = two_models(100, 4)
    first, second = (choose_map(old, new, candidates=["ridge"], random_state=5) for _ in range(2))
    assert first.map.transform(old).tobytes() == second.map.transform(old).tobytes() and first.loss == second.loss


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"candidates": ["no"]}, "candidates"),
        ({"candidates": {}}, "candidates"),
        ({"direction": "sideways"}, "direction"),
        ({"confidence": 1.0}, "confidence"),
        ({"metric": "hamming"}, "metric"),
    ],
)
def test_what_is_not_allowed_is_said(arguments, text):
    old, new = two_models(60, 6)
    with pytest.raises(ValueError, match=text):
        choose_map(old, new, **arguments)


def test_pairs_that_are_none_are_refused():
    old, new = two_models(60, 7)
    with pytest.raises(ValueError):
        choose_map(old, new[:-1])
    with pytest.raises(ValueError):
        choose_map(old[:5], new[:5])
    with pytest.raises(ValueError):
        choose_map(old, np.full_like(new, np.nan))

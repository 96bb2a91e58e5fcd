from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nearfield.store import Store, crossing


@pytest.fixture
def topics(rng: np.random.Generator) -> np.ndarray:
    """60 topics of 20 items each, and after them 20 queries on the topics."""
    centers = rng.standard_normal((60, 16))
    items = np.repeat(centers, 20, axis=0) + 0.3 * rng.standard_normal((1200, 16))
    queries = centers[:20] + 0.3 * rng.standard_normal((20, 16))
    return np.concatenate([items, queries]).astype(np.float32)


@pytest.fixture
def filled(make: Callable[..., Store], topics: np.ndarray, low_limits: None) -> Store:
    store = make(dim=16)
    store.add(list(range(1200)), topics[:1200])
    return store


def test_distances_of_mapped_queries_are_put_right(filled: Store, topics: np.ndarray, rng: np.random.Generator) -> None:
    view, shape = filled._viewer.current(), filled._shape
    keys = np.concatenate([live.part.keys[live.rows()] for live in view.parts])[::3]
    own = crossing.item_vectors(view, shape, keys)
    blurred = own + 0.5 * own.std() * rng.standard_normal(own.shape).astype(np.float32)
    asked = topics[1200:]
    mapped = asked + 0.5 * own.std() * rng.standard_normal(asked.shape).astype(np.float32)
    true, shown = (crossing.nearest(view, shape.metric, some, 20).distances for some in (asked, mapped))
    probe = crossing.Probe(np.append(keys, 10**9), np.concatenate([blurred, own[:1]]))  # one is not there any more
    right = crossing.unblurred(shown, view, shape, probe)
    assert (np.diff(right, axis=1) >= 0).all()
    off, before = (np.abs(some.mean(axis=0) - true.mean(axis=0)).mean() for some in (right, shown))
    assert off < 0.4 * before
    assert crossing.unblurred(shown, view, shape, None) is shown
    assert crossing.outstanding(view, None) == 1.0
    assert crossing.outstanding(view, probe) > 1.02  # blurred queries stand out less
    assert crossing.outstanding(view, crossing.Probe(probe.keys[:1], probe.mapped[:1])) == 1.0


def test_queries_are_encoded_where_they_can_be_and_mapped_otherwise(
    filled: Store, topics: np.ndarray, rng: np.random.Generator
) -> None:
    turn = np.linalg.qr(rng.standard_normal((24, 16)))[0].T.astype(np.float32)
    upgrade = filled.upgrade(pairs=(list(range(1200)), topics[:1200] @ turn))
    assert not upgrade.left
    view = filled._viewer.current()

    class Encoder:
        def encode(self, texts: list[str], *, progress: bool | None = None) -> np.ndarray:
            return np.ones((len(texts), 24), np.float32)

    asked = topics[1200:]
    found = crossing.Crossing(view).queries(asked, ["a"] * 20)
    true = asked / np.linalg.norm(asked, axis=1, keepdims=True) @ turn
    assert np.abs(found.queries - true).max() < 0.05 and found.mapped and len(found.probe.keys) == 240
    encoded = crossing.Crossing(view, Encoder()).queries(asked, ["a"] * 20)
    assert not encoded.mapped and (encoded.queries == 1).all() and len(encoded.rows) == 20
    assert crossing.Crossing(view, Encoder()).queries(asked, None).mapped
    none = crossing.Crossing(view).queries(asked[:0], None)
    assert none.queries.shape == (0, 24) and not none.mapped

    class Broken(Encoder):
        def encode(self, texts: list[str], *, progress: bool | None = None) -> np.ndarray:
            return np.full((len(texts), 24), np.nan, np.float32)

    with pytest.raises(ValueError, match="encoder"):
        crossing.Crossing(view, Broken()).queries(asked, ["a"] * 20)

    class Fewer(Encoder):
        def encode(self, texts: list[str], *, progress: bool | None = None) -> np.ndarray:
            return super().encode(texts[1:])

    with pytest.raises(ValueError, match="encoder: expected a vector for each of 20 texts, got 19"):
        crossing.Crossing(view, Fewer()).queries(asked, ["a"] * 20)


@pytest.mark.parametrize(("known", "mapped"), [(range(40), False), (range(0, 40, 2), False), (range(15), True)])
def test_the_new_vectors_of_queries_that_both_models_encoded_are_known(
    filled: Store, topics: np.ndarray, rng: np.random.Generator, known: range, mapped: bool
) -> None:
    """Enough of them, and of either kind, stand for all; there are no others in between."""
    turn = np.linalg.qr(rng.standard_normal((24, 16)))[0].T.astype(np.float32)
    asked, rows = topics[:40] + 0.1, np.array(known)
    others = rng.standard_normal((60, 16)).astype(np.float32)
    old = np.concatenate([asked[rows], others])
    new = rng.standard_normal((len(old), 24)).astype(np.float32)  # what no map would find
    filled.upgrade(pairs=(list(range(1200)), topics[:1200] @ turn), queries=new, old_queries=old)
    found = crossing.Crossing(filled._viewer.current()).queries(asked, None, [row % 3 == 0 for row in range(40)])
    assert found.mapped == mapped and len(found.rows) == (40 if mapped else len(rows))
    if not mapped:
        assert (found.rows == rows).all() and (found.queries == new[: len(rows)]).all()
    one_kind = [row in known for row in range(40)]
    assert crossing.Crossing(filled._viewer.current()).queries(asked, None, one_kind).mapped == (len(rows) < 40)

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from nearfield.store import Store
from nearfield.store.tables import set_meta

WORDS = [f"wort{number}" for number in range(50)]


@pytest.fixture
def filled(make: Callable[..., Store], rng: np.random.Generator, low_limits: None) -> Store:
    """50 topics of eight items each; a text has the word of its topic and that of another."""
    centers = rng.standard_normal((50, 16))
    items = (np.repeat(centers, 8, axis=0) + 0.3 * rng.standard_normal((400, 16))).astype(np.float32)
    store = make(dim=16, text="text")
    store.add(
        list(range(400)), items, payload=[{"text": f"{WORDS[row // 8]} {WORDS[7 * row % 50]}"} for row in range(400)]
    )
    return store


@pytest.fixture
def asked(filled: Store) -> tuple[np.ndarray, list[str], list[list[int]]]:
    """A query a topic: an item's vector with noise, the topic's word, and the items that answer."""
    rows = np.stack([filled.get(8 * topic).vector for topic in range(50)])
    noise = np.random.default_rng(1).standard_normal(rows.shape).astype(np.float32)
    return rows + 0.3 * noise, WORDS, [list(range(8 * topic, 8 * topic + 8)) for topic in range(50)]


def test_nothing_learnt_nothing_fitted(filled: Store) -> None:
    assert filled.refit() == []


def test_both_are_fitted_again_and_stay_where_that_fails(
    filled: Store, asked: tuple[np.ndarray, list[str], list[list[int]]], caplog: pytest.LogCaptureFixture
) -> None:
    filled.fit_judge()
    filled.fit_fusion(*asked)
    assert filled.stats()["fusion"] == {"fitted_on_items": 400, "changed_since": 0.0, "stale": False, "promises": True}
    filled.delete(list(range(320, 400)))
    assert filled.refit() == ["judge", "fusion"]
    assert filled.stats()["fusion"]["fitted_on_items"] == filled.judge.n_items_ == 320
    filled.delete(list(range(100, 320)))
    assert filled.stats()["judge"]["stale"] and filled.stats()["fusion"]["stale"]
    with caplog.at_level(logging.WARNING, logger="nearfield"):
        filled.compact()  # fits what is stale: of the queries too few have their answers left
    assert filled.judge.n_items_ == 100 and filled.stats()["fusion"]["fitted_on_items"] == 320
    assert "the fusion could not be fitted again: relevant: expected at least 20 queries" in caplog.text
    assert filled.search(asked[0][0], text=WORDS[0], max_false=0.2).relevance is not None


def test_readers_may_not(filled: Store) -> None:
    with Store.open(filled.path, read_only=True) as reader, pytest.raises(PermissionError):
        reader.refit()


def test_a_move_takes_the_fusion_along(
    filled: Store,
    asked: tuple[np.ndarray, list[str], list[list[int]]],
    rng: np.random.Generator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    queries, texts, relevant = asked
    filled.fit_fusion(queries[:40], texts[:40], relevant[:40], random_state=3)
    turn = np.linalg.qr(rng.standard_normal((24, 16)))[0].T.astype(np.float32)
    items = np.stack([item.vector for item in filled.get(list(range(400)))]) @ turn
    upgrade = filled.upgrade(pairs=(list(range(100)), items[:100]))
    upgrade.put(list(range(100, 400)), items[100:])
    with caplog.at_level(logging.WARNING, logger="nearfield"):
        upgrade.finish()
    assert "the fusion promises no rates any more" in caplog.text
    asked_again = {"queries": queries[40:] @ turn, "k": 8, "text": texts[40:]}
    assert filled.search(**asked_again).relevance is not None
    with pytest.raises(ValueError, match="max_false: expected None, 0 or 1, as the labelled queries were mapped"):
        filled.search(**asked_again, max_false=0.1)
    kept = filled._meta()["fusion"]["fit"]
    assert kept["random_state"] == 3 and len(kept["text"]) == 40
    assert filled.refit() == ["fusion"] and not filled.stats()["fusion"]["promises"]

    class Model:
        def encode(self, found: list[str], *, progress: bool | None = None) -> np.ndarray:
            return queries[[texts.index(text) for text in found]] @ turn

        def fingerprint(self) -> dict[str, object]:
            return {"encoder": "new", "dim": 24}

    assert filled.refit(Model()) == ["fusion"] and filled.stats()["fusion"]["promises"]
    assert np.mean([len(one) > 0 for one in filled.search(**asked_again, max_false=0.1)]) > 0.8


def test_a_move_keeps_what_the_fusion_promises_where_both_models_encoded_its_queries(
    filled: Store, asked: tuple[np.ndarray, list[str], list[list[int]]], rng: np.random.Generator
) -> None:
    queries, texts, relevant = asked
    filled.fit_fusion(queries[:40], texts[:40], relevant[:40])
    turn = np.linalg.qr(rng.standard_normal((24, 16)))[0].T.astype(np.float32)
    items = np.stack([item.vector for item in filled.get(list(range(400)))]) @ turn
    sampled = {"queries": queries @ turn, "old_queries": queries}
    filled.upgrade(pairs=(list(range(400)), items), **sampled).finish()
    hits = filled.search(queries[40:] @ turn, 8, text=texts[40:], max_false=0.1)
    assert hits.relevance is not None and np.mean([len(one) > 0 for one in hits]) > 0.8


def test_a_fusion_stored_before_its_questions_were_kept_goes_with_a_move(
    filled: Store, asked: tuple[np.ndarray, list[str], list[list[int]]]
) -> None:
    filled.fit_fusion(*asked)
    stored = {name: filled._meta()["fusion"][name] for name in ("text", "both")}
    with filled._catalogue.writing() as connection:
        set_meta(connection, "fusion", stored)
    assert filled.stats()["fusion"] is None and filled.refit() == []
    assert filled.search(asked[0][0], text=WORDS[0]).relevance is not None
    items = np.stack([item.vector for item in filled.get(list(range(400)))])
    filled.upgrade(pairs=(list(range(400)), -items)).finish()
    assert filled.search(-asked[0][0], text=WORDS[0]).relevance is None

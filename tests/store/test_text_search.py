"""Searching by words, alone and with vectors: filters, groups, statuses, fusion, other processes' writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.store import Store, hybrid, matching, text_search
from nearfield.store.matching import words_of
from nearfield.store.texts import Wording

WORDS = [f"term{number}" for number in range(50)]
GIVEN = {"attributes": {"topic": "string", "year": "int"}}


@pytest.fixture
def store(make: Callable[..., Store], low_limits: None) -> Store:
    """200 items in segments and pending, some deleted; vectors and words agree on which of 20 topics an item is of."""
    store = make(**GIVEN)
    for start in range(0, 200, 40):
        numbers = list(range(start, start + 40))
        store.add(
            numbers, vectors_of(numbers), text=[text_of(number) for number in numbers], attributes=rows_of(numbers)
        )
        if start == 80:
            store.compact()
    store.delete(list(range(7, 200, 50)))
    return store


def vectors_of(numbers: list[int], noise: float = 0.6, seed: int = 0) -> np.ndarray:
    centres = np.random.default_rng(5).standard_normal((20, 8))
    return (
        centres[np.array(numbers) % 20]
        + noise * np.random.default_rng([seed, *numbers]).standard_normal((len(numbers), 8))
    ).astype(np.float32)


def text_of(number: int, seed: int = 0) -> str:
    rng = np.random.default_rng([seed, number])
    own = [f"topic{number % 20}x{rng.integers(3)}" for _ in range(2)]
    return " ".join([*own, *rng.choice(WORDS, 12), "common"])


def rows_of(numbers: list[int]) -> dict[str, Any]:
    return {"topic": [f"t{number % 20}" for number in numbers], "year": [2000 + number % 10 for number in numbers]}


def bm25(store: Store, text: str) -> dict[int, float]:
    """By the formula, of all living items: k1 = 1.2, b = 0.75, and the idf of FTS5."""
    texts = {
        name: words_of(said or "", "porter")
        for batch in store.iterate()
        for name, said in zip(batch.ids, batch.text, strict=True)
    }
    full = {
        name: (said or "").split()
        for batch in store.iterate()
        for name, said in zip(batch.ids, batch.text, strict=True)
    }
    mean = np.mean([len(words) for words in full.values()])
    scores: dict[int, float] = {}
    for word in words_of(text, "porter"):
        df = sum(word in words for words in texts.values())
        idf = max(np.log((len(texts) - df + 0.5) / (df + 0.5)), 1e-6) if df else 0.0
        for name, words in full.items():
            count = words.count(word)
            if count:
                length = 1.2 * (0.25 + 0.75 * len(words) / mean)
                scores[name] = scores.get(name, 0.0) + idf * count * 2.2 / (count + length)
    return scores


def test_scores_are_bm25(store: Store) -> None:
    for number in (3, 11):
        text = text_of(number, seed=9)
        right = bm25(store, text)
        hits = store.search(text=text, k=200)
        assert len(hits) == len(right) and hits.status == f"only {len(right)} items hold any of the words"
        assert np.allclose(
            hits.distances[: len(hits)], [-right[name] for name in hits.ids if name is not None], rtol=1e-5
        )
        assert (np.diff(hits.distances[: len(hits)]) >= 0).all()


def test_many_questions_are_answered_as_one_by_one(store: Store) -> None:
    texts = [text_of(number, seed=9) for number in range(6)]
    queries = vectors_of(list(range(6)), seed=9)
    for given in ({}, {"where": "year >= 2005"}, {"group_by": "topic", "k": 3, "group_size": 2}):
        words = store.search(text=texts, **given)
        both = store.search(queries, text=texts, **given)
        for number in range(6):
            for batch, alone in (
                (words, store.search(text=texts[number], **given)),
                (both, store.search(queries[number], text=texts[number], **given)),
            ):
                assert batch[number].ids == alone.ids and batch[number].status == alone.status
                assert np.array_equal(batch[number].distances, alone.distances)


def test_filters_leave_the_order_as_it_is(store: Store) -> None:
    text, query = text_of(4, seed=9), vectors_of([4], seed=9)[0]
    for given in ({"text": text}, {"queries": query, "text": text}):
        every = [name for name in store.search(k=500, **given).ids if name is not None]
        some = store.search(k=500, where="year in (2003, 2004)", **given)
        assert [name for name in some.ids if name is not None] == [name for name in every if name % 10 in (3, 4)]
    assert store.search(text=text, k=3, where="year = 1999").status == (
        "no item that passes the filter holds any of the words"
    )
    assert store.search(query, text=text, k=3, where="year = 1999").status == "no item passes the filter"


def test_groups(store: Store) -> None:
    text, query = "common " + text_of(4, seed=9), vectors_of([4], seed=9)[0]
    for given in ({"text": text}, {"queries": query, "text": text}):
        hits = store.search(k=5, group_by="topic", group_size=2, **given)
        assert hits.status == "ok" and len(set(hits.groups)) == 5
        assert all(hits.groups.count(group) <= 2 for group in hits.groups)
    assert store.search(text="nowhere", k=5, group_by="topic").status == "no item holds any of the words"


def test_both_legs_find_what_either_misses(store: Store) -> None:
    """A word that one item alone holds, and a vector far from it: both come first."""
    store.add([500], vectors_of([3]), text=["zyzzyva " + text_of(3)], attributes=rows_of([3]))
    query = vectors_of([8], noise=0.0)[0]
    hits = store.search(query, text="zyzzyva", k=10, payload=True)
    assert hits.ids[0] == 500 and hits.text[0].startswith("zyzzyva")
    assert set(hits.ids[1:]) <= set(store.search(query, k=10).ids)
    near = store.search(query, k=200)
    where = {name: float(distance) for name, distance in zip(near.ids, near.distances, strict=True)}
    assert np.allclose(hits.legs["vector"], [where[name] for name in hits.ids], atol=1e-6)
    assert hits.legs["text"][0] > 0 and not hits.legs["text"][1:].any()
    assert hits[0].legs["text"] > 0 and hits[0].text == hits.text[0]


def test_a_question_without_words_is_asked_by_its_vector(store: Store) -> None:
    query = vectors_of([8], seed=9)[0]
    assert store.search(query, text="?!", k=10).ids == store.search(query, k=10).ids
    hits = store.search(text="?!", k=10)
    assert hits.status == "the text holds no word to search by" and len(hits) == 0


@pytest.mark.parametrize(
    "text",
    ['"', "term1 AND", "NEAR(term1 term2, 5)", "^term1 *", "text: term1", "a\0b", "{text} : term1", "-term1", "term1*"],
)
def test_nothing_in_a_text_is_a_query_language(store: Store, text: str) -> None:
    found = {name for name in store.search(text=text, k=300).ids if name is not None}
    words = words_of(text, "porter")
    assert found == {name for name, score in bm25(store, text).items()}
    assert all(word.isalnum() for word in words)


def test_a_megabyte_of_text_is_asked_by_its_rarest_words(store: Store) -> None:
    store.add([500], vectors_of([3]), text=["zyzzyva"], attributes=rows_of([3]))
    text = " ".join(f"other{number}" for number in range(300)) + " zyzzyva " + "common " * 140_000
    assert len(text) > 900_000 and store.search(text=text, k=1).ids == [500]
    crowd = " ".join(text_of(number) for number in range(200))
    assert len(words_of(crowd, "porter")) > matching.MOST_WORDS
    assert store.search(text=crowd, k=5).status == "ok"


def test_ubiquitous_words_are_left_out_of_large_stores(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(store.search(text="common term1", k=300)) == len(store)
    monkeypatch.setattr(matching, "_PRUNED_ITEMS", 10)
    assert 0 < len(store.search(text="common term1", k=300)) < len(store)
    assert len(store.search(text="common", k=300)) == len(store)


def test_what_makes_no_sense_is_refused(store: Store, make: Callable[..., Store], vectors: np.ndarray) -> None:
    query = vectors_of([8])[0]
    for given, error, message in (
        ({}, ValueError, "queries: expected vectors, a text to search by or items to be like, got none"),
        ({"text": 5}, TypeError, "text: expected a text, or a list of one per query, got int"),
        ({"text": ["a", 5]}, TypeError, "text: expected a text"),
        ({"queries": query, "text": ["a", "b"]}, ValueError, "text: expected 1 texts, one per query, got 2"),
        ({"queries": np.stack([query, query]), "text": "a"}, ValueError, "text: expected 2 texts"),
        ({"queries": query[None], "text": "a"}, TypeError, "text: expected a list of one text per query"),
        ({"text": "a", "after": "x"}, ValueError, "after: expected None with text"),
        ({"queries": query, "text": "a", "old_queries": query}, ValueError, "old_queries: expected None with text"),
        ({"text": "a", "max_false": 0.05}, ValueError, "max_false: .* fit_fusion"),
        ({"text": "a", "k": 0}, ValueError, "k: expected"),
        ({"text": "a", "group_size": 2}, ValueError, "group_size: expected 1 without group_by, got 2"),
        ({"text": "a", "where": "nothing = 1"}, ValueError, "nothing"),
        ({"queries": query[:3], "text": "a"}, ValueError, "queries: expected 8 dimensions, got 3"),
    ):
        with pytest.raises(error, match=message):
            store.search(**given)
    assert make("empty.nf", text="body").search(text="a", k=3).status == "the store is empty"


def fitted(store: Store, count: int = 60) -> Any:
    numbers = list(range(count))
    alive = {name for batch in store.iterate() for name in batch.ids}
    relevant = [[name for name in range(number % 20, 200, 20) if name in alive] for number in numbers]
    return store.fit_fusion(vectors_of(numbers, seed=3), [text_of(number, seed=3) for number in numbers], relevant)


def test_a_fitted_fusion_tells_relevance_and_cuts(store: Store) -> None:
    report = fitted(store)
    assert report.queries == 60 and report.fused[0] > 0.75 and report.loses_to == []
    text, query = text_of(65, seed=4), vectors_of([65], seed=4)[0]
    hits = store.search(query, text=text, k=10)
    assert (np.diff(hits.relevance) <= 0).all() and hits.relevance[0] > 0.5
    assert np.allclose(hits.distances, 1 - hits.relevance, atol=1e-6)
    cut = store.search(query, text=text, k=200, max_false=0.1)
    assert 0 < len(cut) < 30 and cut.ids[: len(cut)] == store.search(query, text=text, k=200).ids[: len(cut)]
    assert cut.status == "cut: nothing else is relevant at max_false=0.1"
    nothing = store.search(np.float32([100, -100] * 4), text="nowhere at all", k=10, max_false=0.05)
    assert len(nothing) == 0 and nothing.status == "nothing is relevant at max_false=0.05"
    words = store.search(text=text, k=10)
    assert words.relevance is not None and words.relevance[0] == words.relevance.max()
    with Store.open(store.path, read_only=True) as reader:
        assert np.array_equal(reader.search(query, text=text, k=10).relevance, hits.relevance)


def test_a_fusion_goes_with_copies_and_not_with_another_model(store: Store, tmp_path: Any) -> None:
    fitted(store)
    text, query = text_of(65, seed=4), vectors_of([65], seed=4)[0]
    relevance = store.search(query, text=text).relevance
    store.snapshot(tmp_path / "copy.nf")
    with Store.open(tmp_path / "copy.nf") as copy:
        assert np.array_equal(copy.search(query, text=text).relevance, relevance)
        new = {
            batch.ids[place]: row
            for batch in copy.iterate()
            for place, row in enumerate(batch.vectors @ np.eye(8, 6, dtype=np.float32))
        }
        ids = list(new)
        copy.upgrade(pairs=(ids[:100], np.stack([new[name] for name in ids[:100]])))
        both = copy.search(new[ids[150]], text=text, k=5)
        assert both.relevance is None and len(both) == 5  # the new vectors are others
        assert np.array_equal(copy.search(query, text=text).relevance, relevance)
        copy.upgrading.put(ids, np.stack(list(new.values())))
        copy.upgrading.finish()
        assert copy.search(new[ids[150]], text=text, k=5).relevance is not None and copy.verify().ok  # fitted again
        assert copy.search(text=text, k=5).ids == store.search(text=text, k=5).ids


def test_a_fusion_needs_answers(store: Store, make: Callable[..., Store], vectors: np.ndarray) -> None:
    numbers = list(range(40))
    queries, texts = vectors_of(numbers), [text_of(number) for number in numbers]
    for relevant, error, message in (
        ([[]] * 40, ValueError, "relevant: expected at least 20 queries with a relevant candidate, got 0"),
        ([[1]] * 3, ValueError, "relevant: expected 40 lists of ids, one per query, got 3"),
        ("abc", TypeError, "relevant: expected a list"),
    ):
        with pytest.raises(error, match=message):
            store.fit_fusion(queries, texts, relevant)
    plain = make("plain.nf")
    plain.add([1], vectors[:1])
    with pytest.raises(ValueError, match="this store has no texts"):
        plain.fit_fusion(queries, texts, [[1]] * 40)


def test_passing_over_what_cannot_be_best_changes_no_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few items to be scored at once, common words are looked at only where a rare one is."""
    scored = []
    scan = matching._scored
    monkeypatch.setattr(matching, "_scored", lambda *given: scored.append(len(scan(*given))) or scan(*given))
    texts = [f"topic{number}x1 common term{number} term3 term4" for number in range(20)]
    queries = vectors_of(list(range(20)), seed=9)
    every = {
        (name, k): store.search(k=k, text=texts, **given)
        for name, given in (("words", {}), ("both", {"queries": queries}))
        for k in (1, 3, 10)
    }
    whole = sum(scored)
    scored.clear()
    monkeypatch.setattr(matching, "_SCORED", 8)
    monkeypatch.setattr(hybrid, "WIDTH", 10)
    monkeypatch.setattr(text_search, "WIDTH", 10)
    for k in (1, 3, 10):
        found = store.search(k=k, text=texts)
        assert found.ids == every["words", k].ids and found.status == every["words", k].status
        assert np.allclose(found.distances, every["words", k].distances, rtol=1e-9)
    assert sum(scored) < whole
    few = store.search(queries, k=3, text=texts)
    monkeypatch.setattr(matching, "_SCORED", 10**9)
    full = store.search(queries, k=3, text=texts)
    assert few.ids == full.ids and np.allclose(few.distances, full.distances, rtol=1e-9)
    for name in ("vector", "text"):
        assert np.allclose(few.legs[name], full.legs[name], rtol=1e-6)


@pytest.mark.parametrize("tokenizer", ["porter", "unicode61", "trigram"])
def test_texts_that_were_passed_over_are_scored_as_fts5_does(make: Callable[..., Store], tokenizer: str) -> None:
    store = make(tokenizer=tokenizer)
    rng = np.random.default_rng(0)
    words = ["running", "runs", "größe", "東京都庁", "state", "of", "art", "x1", "a"]
    said = [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(60)] + ["", None]
    store.add(list(range(62)), rng.standard_normal((62, 8)).astype(np.float32), text=said)
    with store._catalogue.reading() as connection:
        path, wording = store._catalogue.path, Wording.of(store._meta())
        whole = matching.match(connection, path, "run große state-of-the-art 東京都庁 東京都庁前 x1", wording)
        keys = np.arange(1, 63)
        right = matching.score(connection, path, wording, whole, keys)
        assert (right > 0).sum() > 20
        empty = dataclasses.replace(whole, keys=whole.keys[:0], scores=whole.scores[:0], whole=False)
        assert np.allclose(matching.score(connection, path, wording, empty, keys), right, rtol=1e-9, atol=1e-12)

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nearfield.decide import OpenVocabulary, names_in
from nearfield.decide.texts import nearest, unit_rows
from nearfield.encode import WordLlama


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, list[list[str]], dict[str, np.ndarray], np.ndarray, list[str]]:
    """Vectors of 40 names; 800 texts about one name each, which also mention another; 100 items."""
    rng = np.random.default_rng(0)
    names = [f"n{number}" for number in range(40)]
    vectors = rng.normal(size=(40, 24))
    about, other = np.repeat(np.arange(40), 20), rng.integers(0, 40, 800)
    texts = vectors[about] + 0.8 * rng.normal(size=(800, 24))
    kind = rng.integers(0, 40, 100)
    items = vectors[kind] + 0.8 * rng.normal(size=(100, 24))
    mentioned = [[names[b], names[a]] for a, b in zip(about, other, strict=True)]
    return texts, mentioned, dict(zip(names, vectors, strict=True)), items, [names[number] for number in kind]


def test_it_names_what_is_near(world) -> None:
    texts, mentioned, vectors, items, truth = world
    naming = OpenVocabulary(n_texts=5).fit(texts, mentioned, names=vectors)
    assert np.mean(naming.predict(items) == truth) > 0.95
    assert np.mean([len(ranked) for ranked in naming.candidates(items)]) < 10
    assert np.mean(OpenVocabulary(n_texts=5).fit(texts, mentioned).predict(items) == truth) > 0.8


def test_shares_are_what_the_definition_says(world) -> None:
    texts, mentioned, vectors, items, _ = world
    naming = OpenVocabulary(n_texts=4, weight=0.3, temperature=0.2).fit(texts, mentioned, names=vectors)
    _, rows = nearest(items, texts, 4)
    for item, own, ranked in zip(unit_rows(items), rows, naming.candidates(items), strict=True):
        names = list(dict.fromkeys(name for row in own for name in mentioned[row]))
        centre = unit_rows(unit_rows(texts)[own].mean(axis=0)[None])[0]
        near = unit_rows(np.array([vectors[name] for name in names])) @ np.array([item, centre]).T
        terms = np.exp(near / 0.2) / np.exp(near / 0.2).sum(axis=0)
        expected = dict(zip(names, 0.3 * terms[:, 0] + 0.7 * terms[:, 1], strict=True))
        assert ranked == sorted(ranked, key=lambda pair: -pair[1]) and sum(dict(ranked).values()) == pytest.approx(1)
        assert dict(ranked) == pytest.approx(expected)


def test_an_index_finds_the_same(world) -> None:
    texts, mentioned, vectors, items, _ = world
    asked: list[int] = []

    class Index:
        def search(self, queries: np.ndarray, k: int) -> SimpleNamespace:
            asked.append(k)
            return SimpleNamespace(rows=np.pad(nearest(queries, texts, k)[1], ((0, 0), (0, 1)), constant_values=-1))

    exact = OpenVocabulary().fit(texts, mentioned, names=vectors)
    found = OpenVocabulary().fit(texts, mentioned, names=vectors, index=Index())
    assert found.predict(items).tolist() == exact.predict(items).tolist() and asked == [10]


def test_names_are_found_in_texts() -> None:
    vocabulary = {"dog", "hot dog", "New York", "the", "at", "bus"}
    assert names_in("The hot dogs of New York; the Bus", vocabulary) == ["New York", "dog", "bus"]
    assert names_in("a hot dog", vocabulary) == ["hot dog", "dog"]
    assert names_in("", vocabulary) == [] and names_in("x " * 100_000, vocabulary) == []


def test_strings_and_refusals(world) -> None:
    texts, mentioned, vectors, _, _ = world
    written = ["a ship at sea", "an old boat", "nothing here"]
    naming = OpenVocabulary(n_texts=1, encoder=WordLlama()).fit(written, ["ship", ["boat", "vessel"], []])
    assert naming.predict(["ships at sea"]).tolist() == ["ship"]
    assert naming.predict(["there is nothing"]).tolist() == [None] and naming.candidates(["there is nothing"]) == [[]]
    for arguments, match in (
        ((texts, [[]] * 800), "empty vocabulary"),
        ((texts, mentioned[:3]), "800 texts, got 3"),
        ((np.full((2, 3), np.nan), ["a", "b"]), "NaN"),
    ):
        with pytest.raises(ValueError, match=match):
            OpenVocabulary().fit(*arguments)
    with pytest.raises(ValueError, match="none for 'n"):
        OpenVocabulary().fit(texts, mentioned, names={"n0": vectors["n0"]})
    with pytest.raises(ValueError, match="24 dimensions, got 3"):
        OpenVocabulary().fit(texts, mentioned, names={name: vector[:3] for name, vector in vectors.items()})
    with pytest.raises(ValueError, match="weight"):
        OpenVocabulary(weight=2).fit(texts, mentioned)

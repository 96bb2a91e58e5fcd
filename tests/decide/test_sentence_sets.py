from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import SentenceSetClassifier, ZeroShotClassifier
from nearfield.encode import WordLlama


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
    """Four sentences for each of six classes; 120 items of one to four sentences."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(6, 24))
    y, truth = np.repeat(np.arange(6), 4), np.repeat(np.arange(6), 20)
    sentences = kinds[y] + rng.normal(size=(24, 24))
    items = [kinds[kind] + 2 * rng.normal(size=(1 + number % 4, 24)) for number, kind in enumerate(truth)]
    return sentences, y, items, truth


@pytest.mark.parametrize("how", ["mean", "max"])
def test_sets_score_what_their_sentences_say(world, how: str) -> None:
    sentences, y, items, _ = world
    sets = SentenceSetClassifier(item_aggregation=how).fit(sentences, y)
    plain = ZeroShotClassifier("max").fit(sentences, y)
    found = sets._score(sets._checked(items))
    for row, item in zip(found, items, strict=True):
        np.testing.assert_allclose(row, getattr(plain._score(plain._checked(item)), how)(axis=0))
    first = np.array([item[0] for item in items])
    np.testing.assert_array_equal(sets.predict(first), plain.predict(first))
    np.testing.assert_array_equal(sets.predict([item[:1] for item in items]), plain.predict(first))


def test_more_sentences_are_better(world) -> None:
    sentences, y, items, truth = world
    sets = SentenceSetClassifier("centroid").fit(sentences, y)
    first = np.array([item[0] for item in items])
    assert np.mean(sets.predict(items) == truth) > np.mean(sets.predict(first) == truth) + 0.05
    assert sets.calibrate(items[::2], truth[::2]).reject(items[1::2], max_false=0.1).mean() < 0.25


def test_sentences_far_from_the_name_go(world) -> None:
    sentences, y, _, _ = world
    names = dict(enumerate(sentences[::4]))
    kept = SentenceSetClassifier(n_sentences=1).fit(sentences, y, names=names)
    assert kept.kept_.tolist() == list(range(0, 24, 4))
    assert SentenceSetClassifier(n_sentences=99).fit(sentences, y, names=names).kept_.tolist() == list(range(24))
    with pytest.raises(ValueError, match="n_sentences by"):
        SentenceSetClassifier(n_sentences=1).fit(sentences, y)
    with pytest.raises(ValueError, match="none for 5"):
        SentenceSetClassifier(n_sentences=1).fit(sentences, y, names={key: names[key] for key in range(5)})


def test_strings_and_refusals(world) -> None:
    sentences, y, items, _ = world
    texts = ["a ship at sea", "the harbour", "a car on a road", "purple"]
    classifier = SentenceSetClassifier(n_sentences=1, encoder=WordLlama())
    classifier.fit(texts, ["s", "s", "d", "d"], names={"s": "ship", "d": "car"})
    assert classifier.texts_ == ["a ship at sea", "a car on a road"]
    assert classifier.predict([["sailors", "a boat"], ["a truck"]]).tolist() == ["s", "d"]
    with pytest.raises(ValueError, match="none for item 1"):
        classifier.predict([["a boat"], []])
    fitted = SentenceSetClassifier().fit(sentences, y)
    with pytest.raises(ValueError, match="none for item 0"):
        fitted.predict([np.zeros((0, 24)), items[0]])
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict([items[0], np.full((2, 24), np.nan)])
    with pytest.raises(ValueError, match="item_aggregation"):
        SentenceSetClassifier(item_aggregation="sum").fit(sentences, y)

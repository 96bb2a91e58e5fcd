from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import Terms, ZeroShotClassifier
from nearfield.encode import WordLlama

AGGREGATIONS = ("mean", "max", "centroid")


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Five texts for each of eight classes around its direction, and 400 items."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 32))
    labels, truth = np.repeat(np.arange(8), 5), np.repeat(np.arange(8), 50)
    texts = centres[labels] + 1.2 * rng.normal(size=(40, 32))
    items = centres[truth] + 1.2 * rng.normal(size=(400, 32))
    return texts.astype(np.float32), labels, items.astype(np.float32), truth


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(float), b.astype(float)
    return a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_scores_are_what_the_definition_says(world, aggregation: str) -> None:
    texts, labels, items, truth = world
    classifier = ZeroShotClassifier(aggregation).fit(texts, labels)
    near = cosines(items, texts).reshape(400, 8, 5)
    if aggregation == "centroid":
        unit = texts.astype(float) / np.linalg.norm(texts, axis=1, keepdims=True)
        expected = cosines(items, unit.reshape(8, 5, 32).sum(axis=1))
    else:
        expected = near.mean(axis=2) if aggregation == "mean" else near.max(axis=2)
    found = np.stack([[why.score for why in classifier.terms(items, np.full(400, c))] for c in range(8)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_array_equal(classifier.predict(items), expected.argmax(axis=1))
    assert classifier.score(items, truth) > 0.85
    assert classifier.predict_proba(items).dtype == np.float32


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_terms_sum_to_the_score_in_any_order(world, aggregation: str) -> None:
    texts, labels, items, _ = world
    classifier = ZeroShotClassifier(aggregation).fit(texts[::-1], labels[::-1])  # classes not in order
    for why, best in zip(classifier.terms(items), classifier.predict(items), strict=True):
        assert isinstance(why, Terms) and why.label == best
        assert why.score == why.terms.sum() == sum(why.terms[::-1].tolist())
        assert (labels[::-1][why.rows] == best).all() and (np.diff(why.terms) <= 0).all()


def test_editing_is_fitting_anew(world) -> None:
    texts, labels, items, _ = world
    whole = ZeroShotClassifier().fit(texts, labels)
    grown = (
        ZeroShotClassifier().partial_fit(texts[:23], labels[:23], classes=range(8)).partial_fit(texts[23:], labels[23:])
    )
    np.testing.assert_allclose(grown.predict_proba(items), whole.predict_proba(items), atol=1e-3)
    less = whole.remove([3, 4]).remove(range(28, 38))  # the last two classes go
    kept = np.r_[0:3, 5:30]
    again = ZeroShotClassifier().fit(texts[kept], labels[kept])
    assert less.classes_.tolist() == list(range(6)) and len(less.labels_) == 28
    np.testing.assert_array_equal(less.predict(items), again.predict(items))
    with pytest.raises(ValueError, match="at least one text to stay"):
        less.remove(range(28))
    with pytest.raises(ValueError, match="numbers from 0 to 27"):
        less.remove([28])


def test_items_of_no_class_are_rejected_at_the_stated_rate(world) -> None:
    texts, labels, items, truth = world
    classifier = ZeroShotClassifier("centroid").fit(texts, labels).calibrate(items[::2], truth[::2])
    assert classifier.reject(items[1::2], max_false=0.1).mean() < 0.2
    outside = np.random.default_rng(1).normal(size=(300, 32)).astype(np.float32)
    assert classifier.reject(outside, max_false=0.1).mean() > 0.6
    names = ZeroShotClassifier().fit(texts[::5], labels[::5])
    with pytest.raises(ValueError, match="give others to calibrate"):
        names.reject(items)


def test_strings_and_what_can_be_wrong_with_them() -> None:
    texts, labels = ["boat, floats", "boat, has sails", "car, has wheels", "car, has an engine"], ["b", "b", "c", "c"]
    classifier = ZeroShotClassifier(encoder=WordLlama()).fit(texts, labels)
    assert classifier.predict(["a vessel with a mast", "it drives on roads"]).tolist() == ["b", "c"]
    assert "boat, " in classifier.explain(["the boat floats"])[0]
    long = "a vessel with a mast " * 50_000  # 1 MB
    assert classifier.predict([long]).tolist() == ["b"]
    classifier.partial_fit(["tree, has leaves"], ["t"])
    assert classifier.texts_ == [*texts, "tree, has leaves"]
    assert classifier.remove([4]).classes_.tolist() == ["b", "c"]
    with pytest.raises(ValueError, match="a vector, got '' at position 1"):
        classifier.predict(["a boat", ""])
    with pytest.raises(TypeError, match="one str"):
        classifier.predict("a boat")
    with pytest.raises(TypeError, match="encoder"):
        ZeroShotClassifier().fit(texts, labels)
    with pytest.raises(ValueError, match="aggregation"):
        ZeroShotClassifier("median", encoder=WordLlama()).fit(texts, labels)


def test_one_class_duplicates_zeros_and_opposites() -> None:
    one = ZeroShotClassifier().fit(np.ones((3, 4)), ["a"] * 3)
    assert one.predict(np.eye(4)).tolist() == ["a"] * 4 and one.predict_proba(np.eye(4)).tolist() == [[1.0]] * 4
    both = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    doubled = ZeroShotClassifier().fit(both, [0, 0, 1, 1])
    assert doubled.predict([[2.0, 1.0], [0.0, 0.0]]).tolist() == [0, 0]
    opposite = ZeroShotClassifier("centroid").fit(np.array([[1.0, 0], [-1, 0], [0, 1]]), [0, 0, 1])
    assert opposite.predict([[1.0, 0.1]]).tolist() == [1] and np.isfinite(opposite.predict_proba([[1.0, 0.1]])).all()
    with pytest.raises(ValueError, match="NaN"):
        doubled.predict([[np.nan, 1.0]])
    with pytest.raises(ValueError, match="expected 1 labels, one an item, got 2"):
        doubled.calibrate([[1.0, 0.0]], [0, 1])


def test_lengths_of_the_texts_do_not_matter(world) -> None:
    texts, labels, items, _ = world
    scaled = (texts * np.linspace(1, 50, 40)[:, None]).astype(np.float32)
    for step in (1, 5):  # several texts a class, which are held out in turn, and one
        plain = ZeroShotClassifier().fit(texts[::step], labels[::step]).predict_proba(items)
        np.testing.assert_allclose(
            ZeroShotClassifier().fit(scaled[::step], labels[::step]).predict_proba(items), plain, atol=1e-3
        )


def test_many_items_come_in_blocks(world, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels, items, _ = world
    classifier = ZeroShotClassifier().fit(texts, labels)
    whole = classifier.predict_proba(items)
    monkeypatch.setattr("nearfield.decide.texts._BLOCK", 70 * 40)
    np.testing.assert_array_equal(classifier.predict_proba(items), whole)

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearfield.transform import TokenFilter


@parametrize_with_checks([TokenFilter(), TokenFilter(2, alpha=0.01, within_span=True)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def world():
    """A concept of three dimensions out of forty; texts of six tokens, and texts of which two tokens are of it."""
    rng = np.random.default_rng(0)
    concept = rng.standard_normal((10, 3)) @ np.eye(40)[:3]
    plain = rng.standard_normal((200, 6, 40)) * np.r_[np.full(3, 0.1), np.ones(37)]
    about = plain[:50].copy()
    about[:, :2] = 6 * np.abs(rng.standard_normal((50, 2, 3))) @ np.eye(40)[:3] + 0.1 * about[:, :2]
    return concept, plain, about


def test_the_span_is_that_of_the_concept(world):
    concept, _, _ = world
    guard = TokenFilter().fit(concept)
    assert guard.n_components_ == 3
    np.testing.assert_allclose(guard.components_[:, 3:], 0, atol=1e-12)
    assert TokenFilter(2).fit(concept).components_.shape == (2, 40)
    assert guard.midpoint_ == pytest.approx(0.5333, abs=1e-4)


def test_tokens_of_the_concept_are_flagged(world):
    concept, _, about = world
    flags = np.array([TokenFilter(alpha=0.01).fit(concept).flag(text) for text in about])
    assert flags[:, :2].mean() > 0.9 > 0.2 > flags[:, 2:].mean()
    assert TokenFilter().fit(concept).flag(about[0]).all()
    assert TokenFilter(alpha=0.01).fit(concept).flag(about[0, :1]).tolist() == [True]


@pytest.mark.parametrize("within_span", [True, False])
def test_the_strength_comes_from_the_background(world, within_span):
    concept, plain, about = world
    guard = TokenFilter(within_span=within_span).fit(concept, background=plain[:100])
    assert np.mean([guard.strength(text) < 0.5 for text in plain[:100]]) == pytest.approx(0.95, abs=0.011)
    assert np.mean([guard.strength(text) for text in about]) > 0.95
    for text in plain[100:110]:
        assert np.abs(guard.filter(text) - text).max() < 0.2
    left = np.array([guard.filter(text) for text in about])[:, :, :3]
    assert np.abs(left).mean() < 0.4 * np.abs(about[:, :, :3]).mean()


def test_the_formula_of_the_paper(world):
    concept, _, about = world
    guard = TokenFilter(alpha=0.01, within_span=True, midpoint=0.0).fit(concept)
    text = about[0]
    flagged, strength = guard.flag(text), guard.strength(text)
    own = np.linalg.pinv(text) @ text
    wanted = text @ (np.eye(40) - guard.components_.T @ guard.components_) @ own
    before, after = text.mean(0), wanted.mean(0)
    distance = 1 - before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    assert strength == pytest.approx(1 / (1 + np.exp(-50 * distance)))
    made = guard.filter(text)
    np.testing.assert_array_equal(made[~flagged], text[~flagged])
    np.testing.assert_allclose(made[flagged], (strength * wanted + (1 - strength) * text)[flagged])
    np.testing.assert_allclose(made @ own, made, atol=1e-9)


def test_masked_encodings_stand_for_the_means(world):
    concept, _, about = world
    guard, text = TokenFilter(alpha=0.01).fit(concept), about[0]
    means = np.array([np.delete(text, token, axis=0).mean(0) for token in range(6)])
    np.testing.assert_array_equal(guard.flag(text, masked=means), guard.flag(text))
    np.testing.assert_array_equal(guard.filter(text, masked=means), guard.filter(text))


def test_dtype_and_a_text_of_nothing_but_the_concept(world):
    concept, _, about = world
    guard = TokenFilter().fit(concept)
    assert guard.filter(about[0].astype(np.float32)).dtype == np.float32
    assert guard.strength(concept[:2]) > 0.99
    assert np.abs(guard.filter(concept[:1])).max() < 1e-6
    assert guard.strength(np.zeros((3, 40))) < 0.01


def test_bad_input(world):
    concept, plain, _ = world
    for name, bad in {
        "n_components": 0,
        "alpha": "much",
        "within_span": 1,
        "background": 2.0,
        "midpoint": -1.0,
    }.items():
        with pytest.raises(ValueError, match=f"{name}: expected"):
            TokenFilter(**{name: bad}).fit(concept)
    with pytest.raises(ValueError, match="got zeros"):
        TokenFilter().fit(np.zeros((3, 40)))
    with pytest.raises(ValueError, match="background: expected the tokens of at least one text"):
        TokenFilter().fit(concept, background=[])
    guard = TokenFilter().fit(concept)
    with pytest.raises(ValueError, match="tokens: expected 40 dimensions, got 3"):
        guard.filter(np.ones((2, 3)))
    with pytest.raises(ValueError, match="masked: expected a row for each of 6 tokens, got 5"):
        guard.flag(plain[0], masked=plain[0, :5])
    with pytest.raises(ValueError, match="NaN"):
        guard.filter(np.full((2, 40), np.nan))

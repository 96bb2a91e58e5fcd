"""Mean and cross-covariances of sets of tokens."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import LinearProbe, TokenMoments


def alike_in_the_mean(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sets of 10 to 29 tokens whose two classes differ in the sign of a correlation alone."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    sets = []
    for kind in y:
        tokens = rng.standard_normal((int(rng.integers(10, 30)), 8))
        tokens[:, 7] += (2 * kind - 1) * 1.5 * tokens[:, 0]
        sets.append(tokens.astype(np.float32))
    return sets, y


def means(sets: list[np.ndarray]) -> np.ndarray:
    return np.stack([tokens.mean(axis=0) for tokens in sets])


def test_classes_that_differ_in_covariance_alone() -> None:
    (sets, y), (unseen, truth) = alike_in_the_mean(200, 0), alike_in_the_mean(200, 1)
    moments = TokenMoments(heads=2, width=4).fit(sets)
    assert LinearProbe("logistic").fit(means(sets), y).score(means(unseen), truth) < 0.65
    probe = LinearProbe("logistic").fit(moments.transform(sets), y)
    assert probe.score(moments.transform(unseen), truth) > 0.9


def test_the_features_are_what_they_say() -> None:
    sets, _ = alike_in_the_mean(20, 2)
    moments = TokenMoments(heads=2, width=3, within=False).fit(sets)
    made = moments.transform(sets)
    assert made.shape == (20, 8 + 9) and made.dtype == np.float32 and moments.n_features_out_ == 17
    assert np.allclose(made[:, :8], means(sets), atol=1e-6)
    first, second = moments.projection_
    tokens = sets[5].astype(float) - sets[5].mean(axis=0)
    cross = (first @ tokens[:, :4].T @ tokens[:, 4:] @ second.T / len(tokens)).ravel()
    assert np.allclose(made[5, 8:], np.sign(cross) * np.sqrt(np.abs(cross)) * moments.scale_, atol=1e-5)
    assert TokenMoments(heads=2, width=3).fit(sets).n_features_out_ == 8 + 9 + 6 + 6


def test_order_and_repetition_do_not_matter() -> None:
    sets, _ = alike_in_the_mean(10, 3)
    moments = TokenMoments(2, 4).fit(sets)
    turned = [np.concatenate([tokens[::-1], tokens]) for tokens in sets]
    assert np.allclose(moments.transform(turned), moments.transform(sets), atol=1e-5)
    stacked = np.stack([tokens[:10] for tokens in sets])
    assert (moments.transform(stacked) == moments.transform(list(stacked))).all()


def test_the_weight_is_the_size_of_the_covariances() -> None:
    sets, _ = alike_in_the_mean(40, 4)
    made = TokenMoments(2, 4, weight=0.5).fit_transform(sets)
    sizes = [np.sqrt(np.square(part).sum(axis=1).mean()) for part in (made[:, :8] - made[:, :8].mean(0), made[:, 8:])]
    assert np.isclose(sizes[1], 0.5 * sizes[0], rtol=1e-4)
    assert (TokenMoments(2, 4, weight=0).fit_transform(sets)[:, 8:] == 0).all()


def test_sets_of_one() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 6))
    made = TokenMoments(2, 2).fit_transform(rows)
    assert np.allclose(made[:, :6], rows) and (made[:, 6:] == 0).all()
    assert np.isfinite(TokenMoments().fit_transform(np.ones((3, 4, 2)))).all()


@pytest.mark.parametrize(
    ("sets", "match"),
    [
        ([np.ones((2, 3)), np.ones((0, 3))], r"at least one token, got \(0, 3\) at 1"),
        ([np.ones((2, 3)), np.ones(3)], r"got \(3,\) at 1"),
        ([np.ones((2, 3)), np.ones((2, 4))], r"same dimension, got \[3, 4\]"),
        ([np.full((2, 3), np.nan)], "NaN"),
        ([], "array"),
    ],
)
def test_bad_sets_are_refused(sets: list, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        TokenMoments().fit(sets)


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="heads: expected at least 2"):
        TokenMoments(1, within=False).fit(np.eye(3))
    with pytest.raises(ValueError, match="5 dimensions, got 3"):
        TokenMoments().fit([np.eye(5)]).transform([np.eye(3)])
    with pytest.raises(TypeError, match="within"):
        TokenMoments(within=1).fit(np.eye(3))

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import ClassSubspaces, Prototypes


def planes(seed: int, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Four classes about means close to each other, each along two directions of its own in 12 dimensions."""
    made = np.random.default_rng(7)
    bases = [np.linalg.qr(made.normal(size=(12, 2)))[0].T for _ in range(4)]
    means = 0.4 * made.normal(size=(4, 12))
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(4), rows // 4)
    X = [means[k] + 2 * rng.normal(size=2) @ bases[k] + 0.1 * rng.normal(size=12) for k in y]
    return np.array(X), y


def test_classes_are_told_by_their_directions() -> None:
    (X, y), (new, truth) = planes(0), planes(1, 400)
    model = ClassSubspaces(2, metric="l2").fit(X, y)
    assert model.score(new, truth) > 0.95 > Prototypes(metric="l2").fit(X, y).score(new, truth) + 0.1
    assert model.reject(new, max_false=0.1).mean() < 0.25
    assert model.reject(new + 5, max_false=0.1).mean() > 0.9
    assert ClassSubspaces(2).fit(X.astype(np.float32), y).predict_proba(new.astype(np.float32)).dtype == np.float32


def test_the_score_is_mahalanobis_distance() -> None:
    """Under the covariance of the class along its directions, and the noise in all others."""
    (X, y), (new, _) = planes(0), planes(1)
    model = ClassSubspaces(2, metric="l2").fit(X, y)
    for number, basis in enumerate(model.bases_):
        np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)
        own = (X[y == number] - X[y == number].mean(axis=0)) @ basis.T
        covariance = basis.T @ np.diag(np.square(own).mean(axis=0)) @ basis + model.noise_ * np.eye(12)
        apart = new - model.offset_ - model.centres_[number]
        exact = model.noise_ * np.einsum("ij,jk,ik->i", apart, np.linalg.inv(covariance), apart)
        np.testing.assert_allclose(-model._score(new)[:, number], exact, atol=1e-9)
    assert 0.005 < model.noise_ < 0.02  # 0.1 squared was planted


def test_as_many_directions_as_dimensions_decide_still() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = 4 * np.eye(3)[y][:, :2] + 0.5 * rng.normal(size=(60, 2))
    assert ClassSubspaces(9, metric="l2").fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_without_directions_it_is_the_class_mean(metric: str) -> None:
    (X, y), (new, _) = planes(0), planes(1)
    made = ClassSubspaces(0, metric=metric).fit(X, y)
    centres = made.centres_
    rows = made._placed(new)
    nearest = np.square(rows[:, None] - centres).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(made.predict(new), nearest)


def test_few_and_equal_rows() -> None:
    X, y = planes(0)
    few = ClassSubspaces(50).fit(X[[0, 1, 15, 30]], y[[0, 1, 15, 30]])
    assert [len(basis) for basis in few.bases_] == [1, 0, 0]
    same = ClassSubspaces(3).fit(np.repeat(X[:1], 6, axis=0), [0, 0, 0, 1, 1, 1])
    assert np.isfinite(same.predict_proba(X)).all()
    one = ClassSubspaces(2).fit(X[:15], y[:15])
    assert (one.predict(X) == 0).all()
    with pytest.raises(ValueError, match="n_components"):
        ClassSubspaces(-1).fit(X, y)
    with pytest.raises(ValueError, match="metric"):
        ClassSubspaces(metric="ip").fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        ClassSubspaces().fit(np.where(X > 2, np.nan, X), y)

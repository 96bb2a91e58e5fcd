"""What all classifiers share: calibration, rejection, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import ExemplarMemory, FrechetClassifier, LinearProbe, NaiveBayes, OpenSet, Prototypes
from nearfield.decide.classifier import fit_temperature, held_out_folds

MODELS = (ExemplarMemory, FrechetClassifier, LinearProbe, NaiveBayes, OpenSet, Prototypes)


def rows(per_class: int, classes: int = 8, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    centres = 3 * np.random.default_rng(99).standard_normal((classes, 24))
    y = np.repeat(np.arange(classes), per_class)
    x = centres[y] + noise * 2 * np.random.default_rng(seed).standard_normal((len(y), 24))
    return x.astype(np.float32), y


@pytest.mark.parametrize("model", MODELS)
def test_in_scope_rows_are_rejected_at_most_at_the_stated_rate(model: type) -> None:
    fitted = [model().fit(*rows(12, classes=4, seed=seed)) for seed in range(6)]
    unseen = [rows(100, classes=4, seed=1000 + seed)[0] for seed in range(6)]
    shares = [one.reject(x, max_false=0.1).mean() for one, x in zip(fitted, unseen, strict=True)]
    assert 0.02 < np.mean(shares) < 0.13


@pytest.mark.parametrize("model", MODELS)
def test_what_is_of_no_class_is_rejected(model: type) -> None:
    fitted = model().fit(*rows(30))
    strangers = 3 * np.random.default_rng(5).standard_normal((200, 24)).astype(np.float32)
    assert fitted.reject(strangers, max_false=0.05).mean() > 0.8
    answers = fitted.predict(strangers, reject=0.05)
    assert [answer is None for answer in answers] == fitted.reject(strangers, max_false=0.05).tolist()
    assert fitted.support(strangers).max() <= 1 and fitted.support(rows(5)[0]).mean() > 0.3


@pytest.mark.parametrize("model", MODELS)
def test_probabilities_are_calibrated(model: type) -> None:
    fitted = model().fit(*rows(40, noise=1.6))
    x, y = rows(200, seed=9, noise=1.6)
    shares = fitted.predict_proba(x)
    assert shares.dtype == np.float32
    sure = shares.max(axis=1)
    right = fitted.predict(x) == y
    assert abs(sure.mean() - right.mean()) < 0.05
    assert right[sure > 0.9].mean() > 0.85


@pytest.mark.parametrize("model", MODELS)
def test_calibrating_on_other_rows(model: type) -> None:
    fitted = model().fit(*rows(1))
    with pytest.raises(ValueError, match="held out"):
        fitted.reject(rows(1)[0])
    assert np.isfinite(fitted.predict_proba(rows(1)[0])).all() and fitted.explain(rows(1)[0])[0].startswith("0 with")
    fitted.calibrate(*rows(10, seed=3))
    assert fitted.reject(rows(40, seed=4)[0], max_false=0.1).mean() < 0.25
    with pytest.raises(ValueError, match="expected labels among the 8 fitted, got 9"):
        fitted.calibrate(rows(1)[0], np.full(8, 9))


@pytest.mark.parametrize("model", MODELS)
def test_one_class_is_the_answer_to_what_is_not_rejected(model: type) -> None:
    x, _ = rows(40, classes=1)
    fitted = model().fit(x, ["this"] * len(x))
    assert set(fitted.predict(x)) == {"this"} and (fitted.predict_proba(x) == 1).all()
    assert fitted.reject(-x, max_false=0.05).all() and fitted.reject(x, max_false=0.05).mean() < 0.2
    assert fitted.explain(x[:1])[0].startswith("this with probability 1.00; ")


@pytest.mark.parametrize("model", MODELS)
def test_strings_and_odd_rows(model: type) -> None:
    x, y = rows(3)
    names = np.array([f"class {number}" for number in y])
    fitted = model().fit(x, names)
    assert (fitted.predict(x) == np.char.add("class ", model().fit(x, y).predict(x).astype(str))).all()
    same = model().fit(np.ones((6, 4)), [0, 0, 0, 1, 1, 1])
    assert np.isfinite(same.predict_proba(np.zeros((2, 4)))).all()
    one_line = np.outer(np.arange(10.0), np.ones(3))
    assert np.isfinite(model().fit(one_line, [0] * 5 + [1] * 5).predict_proba(one_line)).all()
    single = model().fit(x[:1], ["only"])
    assert single.predict(x).tolist() == ["only"] * len(x)


@pytest.mark.parametrize("model", MODELS)
def test_what_is_refused(model: type) -> None:
    x, y = rows(3)
    fitted = model().fit(x, y)
    with pytest.raises(ValueError, match="NaN"):
        model().fit(np.where(x == x[0, 0], np.nan, x), y)
    with pytest.raises(ValueError, match="infinity"):
        fitted.predict(np.full((1, 24), np.inf, np.float32))
    with pytest.raises(ValueError, match="max_false: expected a number in"):
        fitted.reject(x, max_false=2)
    with pytest.raises(ValueError, match="24 features"):
        fitted.predict(x[:, :5])
    with pytest.raises(ValueError, match="nknown label type"):
        model().fit(x, np.linspace(0, 1, len(x)))
    with pytest.raises(TypeError, match="random_state"):
        model(random_state="x").fit(x, y)


@pytest.mark.parametrize("model", MODELS)
def test_same_seed_same_bytes(model: type) -> None:
    x, y = rows(5)
    assert model().fit(x, y).predict_proba(x).tobytes() == model().fit(x, y).predict_proba(x).tobytes()


def test_every_fold_leaves_every_class() -> None:
    y = np.random.default_rng(0).integers(0, 20, 200)
    y = np.unique(np.append(y, 99), return_inverse=True)[1]
    folds = held_out_folds(y, np.random.default_rng(1))
    assert folds.max() == 4 and (folds[y == y.max()] == -1).all()
    for fold in range(5):
        assert set(y[folds != fold]) == set(y)


def test_of_many_rows_a_sample_is_held_out() -> None:
    y = np.random.default_rng(0).integers(0, 3, 200_000)
    folds = held_out_folds(y, np.random.default_rng(1))
    assert 19_990 <= (folds == 0).sum() <= 20_000 and folds.max() == 0
    y = np.random.default_rng(0).integers(0, 3, 50_000)
    folds = held_out_folds(y, np.random.default_rng(1))
    assert (folds >= 0).sum() == 20_000 and folds.max() == 4


def test_temperature_of_nothing() -> None:
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0
    assert fit_temperature(np.ones((5, 1)), np.zeros(5, int)) == 1.0

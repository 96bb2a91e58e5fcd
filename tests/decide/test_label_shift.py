"""Classes from what shifts together between domains."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.naive_bayes import GaussianNB

from nearfield.decide import LatentLabelShift

SHARES = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]])


def rows(seed: int, per_domain: int = 800) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three classes told by three small coordinates; two large ones say nothing of them."""
    rng = np.random.default_rng(seed)
    domains = np.repeat(np.arange(4), per_domain)
    kind = np.array([rng.choice(3, p=SHARES[domain]) for domain in domains])
    loud = 8 * rng.integers(0, 2, (len(kind), 2))
    return np.column_stack([2 * np.eye(3)[kind], loud]) + 0.4 * rng.standard_normal((len(kind), 5)), domains, kind


def matched(found: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((3, 3))
    np.add.at(table, (found, truth), 1)
    first, second = linear_sum_assignment(-table)
    return table[first, second].sum() / len(found), first[np.argsort(second)]


def test_it_finds_what_shifts_and_not_what_is_loud() -> None:
    x, domains, kind = rows(0)
    model = LatentLabelShift(3).fit(x, np.array(list("abcd"))[domains])
    unseen, where, truth = rows(1)
    share, order = matched(model.predict(unseen), truth)
    assert share > 0.9 and matched(KMeans(3, n_init=5, random_state=0).fit_predict(x), kind)[0] < 0.7
    assert np.abs(model.shares_[:, order] - SHARES).mean() < 0.06
    known = model.predict(unseen, np.array(list("abcd"))[where])
    assert matched(known, truth)[0] > 0.85
    assert np.allclose(model.predict_proba(unseen).sum(axis=1), 1) and (model.shares_.sum(axis=1).round(9) == 1).all()


def test_sizes_of_domains_do_not_matter_and_seeds_repeat() -> None:
    x, domains, _ = rows(2)
    kept = (domains > 0) | (np.arange(len(x)) % 4 == 0)
    model = LatentLabelShift(3, discriminator=GaussianNB()).fit(x[kept], domains[kept])
    unseen, _, truth = rows(3)
    assert matched(model.predict(unseen), truth)[0] > 0.85
    again = LatentLabelShift(3, discriminator=GaussianNB()).fit(x[kept], domains[kept])
    assert model.predict_proba(unseen).tobytes() == again.predict_proba(unseen).tobytes()


def test_odd_and_bad_input() -> None:
    x, domains, _ = rows(4, per_domain=30)
    with pytest.raises(ValueError, match="at least 5 domains for 5 classes, got 4"):
        LatentLabelShift(5).fit(x, domains)
    with pytest.raises(ValueError, match="domains: expected one of the 4 fitted"):
        LatentLabelShift(3).fit(x, domains).predict(x, domains + 7)
    with pytest.raises(ValueError, match="n_bins"):
        LatentLabelShift(3, n_bins=2).fit(x, domains)
    with pytest.raises(ValueError, match="NaN"):
        LatentLabelShift(2).fit(x * np.nan, domains)
    assert set(LatentLabelShift(1).fit(x, np.zeros(len(x), int)).predict(x)) == {0}
    same = LatentLabelShift(2).fit(np.ones((40, 3)), np.arange(40) % 2)
    assert np.isfinite(same.predict_proba(np.ones((4, 3)))).all()

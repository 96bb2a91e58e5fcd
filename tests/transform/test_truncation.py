import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearfield.index import Flat
from nearfield.transform import PCA, Truncation


@parametrize_with_checks([Truncation(max_loss=1.0), Truncation(max_loss=1.0, metric="l2")])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def spaces():
    """A space whose coordinates fall in importance, and the same turned at random: distances are equal in both."""
    rng = np.random.default_rng(0)
    ordered = rng.standard_normal((3000, 48)) * np.arange(1, 49) ** -1.5
    turned = ordered @ np.linalg.qr(rng.standard_normal((48, 48)))[0]
    return ordered.astype(np.float32), turned.astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_the_space_decides_and_both_figures_are_named(spaces, metric):
    ordered, turned = spaces
    kept = Truncation(24, metric=metric).fit(ordered)
    assert 0 < kept.ranking_loss_.loss < 0.1
    np.testing.assert_array_equal(kept.transform(ordered), ordered[:, :24])
    np.testing.assert_array_equal(kept.export().transform(ordered[:50]), ordered[:50, :24])
    with pytest.raises(ValueError, match=r"the first 24 of 48 .* lose 0\.\d{3} \[.*\] .* max_loss allows 0\.1"):
        Truncation(24, metric=metric).fit(turned)
    assert Truncation(24, metric=metric, max_loss=1.0).fit(turned).ranking_loss_.loss > 0.1


def test_queries_are_what_is_measured_when_given(spaces):
    ordered, _ = spaces
    elsewhere = ordered[:200, ::-1].copy()
    assert Truncation(24).fit(ordered, queries=ordered[:200]).ranking_loss_.queries == 200
    with pytest.raises(ValueError, match="lose"):
        Truncation(24).fit(ordered, queries=elsewhere)
    with pytest.raises(ValueError, match="lose"):
        Flat(transform=Truncation(24)).build(ordered, queries=elsewhere)


def test_the_funnel_is_an_index_that_rescores(spaces):
    ordered, _ = spaces
    funnel = Flat(transform=Truncation(6, max_loss=0.6), rescore="vectors").build(ordered[200:])
    truth = Flat().build(ordered[200:]).search(ordered[:200], 10).rows
    found = funnel.search(ordered[:200], 10, candidates=100).rows
    assert np.mean([np.isin(a, b).mean() for a, b in zip(found, truth, strict=True)]) > 0.98


def test_all_coordinates_are_never_refused(spaces):
    _, turned = spaces
    kept = Truncation(max_loss=0.0).fit(turned)
    assert kept.ranking_loss_.loss == 0 and kept.n_components_ == 48
    np.testing.assert_array_equal(kept.transform(turned), turned)
    assert kept.transform(turned[:3].astype(np.float64)).dtype == np.float64
    assert Truncation(1).fit(np.float32([[2.0]])).transform(np.float32([[3.0]])).tolist() == [[3.0]]


def test_bad_input(spaces):
    ordered, _ = spaces
    for bad in (0, 49, -1, 0.5, True, "half"):
        with pytest.raises(ValueError, match="n_components: expected None or an integer from 1 to 48"):
            Truncation(bad).fit(ordered)
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="max_loss: expected"):
            Truncation(4, max_loss=bad).fit(ordered)
    with pytest.raises(ValueError, match="metric: expected one of"):
        Truncation(4, metric="dot").fit(ordered)
    with pytest.raises(ValueError, match="random_state"):
        Truncation(4, random_state=-1).fit(ordered)
    with pytest.raises(ValueError, match="at least 2 rows"):
        Truncation(4).fit(ordered[:1])
    with pytest.raises(ValueError, match="queries: expected 48 dimensions"):
        Truncation(4).fit(ordered, queries=ordered[:, :5])


@pytest.mark.slow
def test_minilm_is_refused_and_its_principal_frame_is_not():
    path = Path(os.environ.get("NEARFIELD_DATA", "")) / "wordnet" / "minilm.npy"
    if not path.is_file():
        pytest.skip("needs $NEARFIELD_DATA/wordnet/minilm.npy")
    x = np.load(path)[::4].astype(np.float32)
    with pytest.raises(ValueError, match="the first 256 of 384 coordinates lose"):
        Truncation(256).fit(x)
    assert Truncation(256).fit(PCA(center=False).fit_transform(x)).ranking_loss_.loss < 0.1

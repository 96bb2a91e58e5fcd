import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.tune.map_loss import lost, ready


@pytest.mark.parametrize("name", ["cosine", "ip", "l2"])
def test_share_lost_is_that_of_a_plain_count(name) -> None:
    metric, rng = get_metric(name), np.random.default_rng(0)
    base, asked = (ready(rng.standard_normal((n, 6)), metric) for n in (80, 25))
    moved, moved_asked = (ready(rows + 0.3 * rng.standard_normal(rows.shape), metric) for rows in (base, asked))

    def nearest(queries, rows):
        return np.argsort(metric.pairwise(queries, rows), axis=1, kind="stable")[:, :5]

    truth, found = nearest(asked, base), nearest(moved_asked, moved)
    want = [1 - len(np.intersect1d(a, b)) / 5 for a, b in zip(truth, found, strict=True)]
    np.testing.assert_allclose(lost(asked, base, moved_asked, moved, 5, metric, metric), want, atol=1e-12)
    assert 0.1 < np.mean(want) < 0.9
    assert (lost(asked, base, asked, base, 5, metric, metric) == 0).all()


def test_a_querys_own_row_never_counts() -> None:
    metric = get_metric("cosine")
    base = ready(np.random.default_rng(0).standard_normal((30, 4)), metric)
    own = np.arange(30)
    assert (lost(base, base, base, base, 3, metric, metric, own) == 0).all()
    away = base.copy()
    away[0] = -away[0]  # only the row itself is misplaced, and it is left out for its own query
    assert lost(base[:1], base, base[:1], away, 3, metric, metric, own[:1])[0] == 0


def test_duplicates_count_for_each_other_and_zeros_do_no_harm() -> None:
    metric = get_metric("cosine")
    base = ready(np.repeat(np.eye(4), 5, axis=0), metric)
    turned = base[::-1].copy()
    assert (lost(base, base, base, base[np.argsort(np.random.default_rng(0).random(20))], 5, metric, metric) <= 1).all()
    assert (lost(turned, turned, turned, turned, 3, metric, metric, np.arange(20)) == 0).all()
    zeros = ready(np.zeros((20, 4)), metric)
    assert (zeros == 0).all()
    shares = lost(base, base, base, zeros, 5, metric, metric)
    assert ((shares >= 0) & (shares <= 1)).all()

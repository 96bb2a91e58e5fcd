from __future__ import annotations

import numpy as np

from nearfield.decide.shared_space import shared_space
from nearfield.transform import CanonicalCorrelation


def test_two_views_are_canonical_correlation() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(400, 3))
    views = [np.hstack([common, rng.normal(size=(400, width))]) @ rng.normal(size=(width + 3,) * 2) for width in (4, 6)]
    views = [view - view.mean(axis=0) for view in views]
    made = shared_space(views, 3, 0.2)
    known = CanonicalCorrelation(3, shrinkage=0.2, power=1.0).fit(*views)
    for own, other in zip(made, (known.matrix_, known.other_matrix_), strict=True):
        cosines = np.abs((own * other.T).sum(axis=0)) / np.linalg.norm(own, axis=0) / np.linalg.norm(other.T, axis=0)
        np.testing.assert_allclose(cosines, 1.0, atol=1e-6)
    lengths = np.linalg.norm(made[0], axis=0) / np.linalg.norm(known.matrix_, axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-6)


def test_views_without_anything_are_no_trouble() -> None:
    view = np.random.default_rng(0).normal(size=(5, 8))
    made = shared_space([view - view.mean(axis=0), np.zeros((5, 3))], 2, 0.5)
    assert all(np.isfinite(matrix).all() for matrix in made)

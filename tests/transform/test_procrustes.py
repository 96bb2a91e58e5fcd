import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from nearfield.transform import Procrustes


@pytest.mark.parametrize("shape", [(5, 5), (4, 7), (7, 4)])
def test_orthonormal_and_the_best_such(shape) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, shape[0])), rng.standard_normal((50, shape[1]))
    fitted = Procrustes(center=False).fit(x, y)
    matrix = fitted.matrix_
    small = matrix @ matrix.T if shape[1] <= shape[0] else matrix.T @ matrix
    np.testing.assert_allclose(small, np.eye(min(shape)), atol=1e-12)
    left = np.square(fitted.transform(x) - y).sum() / np.square(y).sum()
    assert fitted.residual_ == pytest.approx(left)
    if shape[0] == shape[1]:
        np.testing.assert_allclose(matrix.T, orthogonal_procrustes(x, y)[0], atol=1e-10)
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(x))[:3], x[:3] @ matrix.T @ matrix, atol=1e-10)


def test_scale_and_means_are_found() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 3))
    turn = np.linalg.qr(rng.standard_normal((6, 3)))[0].T
    fitted = Procrustes(scale=True).fit(x + 4, 0.5 * x @ turn - 2)
    assert fitted.scale_ == pytest.approx(0.5) and fitted.residual_ == pytest.approx(0, abs=1e-12)

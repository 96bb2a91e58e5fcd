import numpy as np

from nearfield.metric import Euclidean


def test_triangle_symmetry_and_no_negative_under_the_root():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal((30, 16)).astype(np.float32) + 50, 3, axis=0)
    distances = Euclidean().pairwise(x, x)
    assert np.isfinite(distances).all()
    np.testing.assert_allclose(distances, distances.T, rtol=1e-6, atol=1e-12)
    assert (distances[:, :, None] <= distances[:, None, :] + distances.T[None, :, :] + 1e-5).all()


def test_one_far_point_does_not_spoil_the_near_ones():
    x = np.float32([[0, 0], [1e-3, 0], [1e6, 0]])
    np.testing.assert_allclose(Euclidean().pairwise(x, x)[0], [0, 1e-3, 1e6], rtol=1e-6)

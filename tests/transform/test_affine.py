import numpy as np

from nearfield.transform import AffineMap


def test_exact_where_it_can_be_and_says_when_pairs_are_few() -> None:
    rng = np.random.default_rng(0)
    x, turn = rng.standard_normal((100, 6)), rng.standard_normal((6, 8))
    fitted = AffineMap().fit(x, x @ turn + 3)
    np.testing.assert_allclose(fitted.transform(x), x @ turn + 3, atol=1e-10)
    np.testing.assert_allclose(fitted.inverse_transform(x @ turn + 3), x, atol=1e-10)
    assert fitted.rank_ == 6 and fitted.conditioned_
    few = AffineMap().fit(x[:8], x[:8] @ turn)
    assert not few.conditioned_
    through = AffineMap().fit(x[:4], x[:4] @ turn)
    np.testing.assert_allclose(through.transform(x[:4]), x[:4] @ turn, atol=1e-10)
    assert through.rank_ == 3 and not through.conditioned_

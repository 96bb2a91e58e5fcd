import numpy as np
import pytest

from nearfield.transform import PCA, LinearMap, PairMargin, Subspace, Truncation
from nearfield.transform.estimator import LinearEstimator, MomentsEstimator


def test_all_that_end_in_one_map_share_the_base():
    assert all(issubclass(kind, LinearEstimator) for kind in (PCA, PairMargin, Subspace, Truncation))
    assert issubclass(Subspace, MomentsEstimator) and not issubclass(Truncation, MomentsEstimator)


class Doubled(LinearEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.components_ = 2 * np.eye(X.shape[1])
        return self

    def _map(self):
        return self.components_, np.ones(len(self.components_))


def test_a_map_is_all_a_subclass_says():
    x = np.float32([[1, 2], [3, 4]])
    fitted = Doubled().fit(x)
    assert isinstance(fitted.export(), LinearMap)
    for dtype in (np.float64, np.float32, np.float16):
        mapped = fitted.transform(x.astype(dtype))
        assert mapped.dtype == (np.float64 if dtype == np.float64 else np.float32)
        np.testing.assert_array_equal(mapped, [[0, 2], [4, 6]])
        np.testing.assert_allclose(fitted.inverse_transform(mapped), x)


def test_blocks_of_too_few_rows():
    with pytest.raises(ValueError, match="at least 2 rows to centre, got 1"):
        PCA().fit_blocks([np.ones((1, 3))])

"""What PCA, LeanVec and Truncation have in common."""

import numpy as np
import pytest

from nearfield.transform import PCA, LeanVec, Truncation
from nearfield.transform.reduction import Reduction

KINDS = [PCA, LeanVec, lambda kept: Truncation(kept, max_loss=1.0)]
ROWS = np.random.default_rng(0).standard_normal((300, 8))


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_keep_their_type_and_the_map_is_the_transform(make, dtype):
    fitted = make(3).fit(ROWS.astype(dtype))
    assert isinstance(fitted, Reduction)
    mapped = fitted.transform(ROWS.astype(dtype))
    assert mapped.dtype == dtype and mapped.shape == (300, 3) == (300, len(fitted.get_feature_names_out()))
    np.testing.assert_allclose(mapped, fitted.export().transform(ROWS.astype(np.float32)), atol=1e-5)
    assert fitted.__sklearn_tags__().transformer_tags.preserves_dtype == ["float64", "float32"]


@pytest.mark.parametrize("make", KINDS)
def test_the_loss_is_that_of_the_exported_map(make):
    assert make(8).fit(ROWS).ranking_loss(np.float32(ROWS), metric="l2").recall > 0.99
    assert 0 < make(3).fit(ROWS).ranking_loss(np.float32(ROWS), metric="l2").recall < 1


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("kept", [0, 9, -1, True, "3"])
def test_other_counts_are_refused(make, kept):
    with pytest.raises(ValueError, match="n_components: expected"):
        make(kept).fit(ROWS)

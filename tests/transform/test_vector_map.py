"""The fitted map between spaces as plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.transform import VectorMap

MATRIX = np.float32([[0, 2], [2, 0], [0, 0]])


def test_linear_parts():
    moved = VectorMap(MATRIX, [1, 1], [0, 0, 5])
    assert moved.transform([3, 7]).tolist() == [12, 4, 5]
    assert (moved.n_features_in, moved.n_features_out) == (2, 3)
    np.testing.assert_allclose(moved.inverse_transform(moved.transform([[3, 7]])), [[3, 7]], atol=1e-5)
    assert moved.moved([1, 0, 0]).transform([3, 7]).tolist() == [13, 4, 5]


def test_a_hidden_layer_rectified_or_gaussian():
    layer = {"hidden": [[1, 0]], "hidden_shift": [-1], "outer": [[1], [0], [0]]}
    assert VectorMap(MATRIX, **layer).transform([3, 7]).tolist() == [16, 6, 0]
    centre, gamma = np.float32([1, 2]), 0.5
    layer = {
        "hidden": [2 * gamma * centre],
        "hidden_shift": [-gamma * float(centre @ centre)],
        "outer": [[1], [0], [0]],
    }
    found = VectorMap(np.zeros((3, 2)), gamma=gamma, **layer).transform([2, 4])
    assert found[0] == pytest.approx(np.exp(-gamma * 5), rel=1e-5)
    with pytest.raises(ValueError, match="hidden"):
        VectorMap(np.zeros((3, 2)), gamma=gamma, **layer).inverse_transform([[1, 1, 1]])


def test_rows_are_brought_to_length_one_where_asked():
    assert VectorMap(np.eye(2), unit=True).transform([3, 4]).tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(ValueError, match="nonzero"):
        VectorMap(np.eye(2), unit=True).transform([0, 0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"shift": [1, 2]}, "shift: expected 3 values"),
        ({"hidden": [[1, 0]]}, "together"),
        ({"hidden": [[1, 0, 0]], "hidden_shift": [0], "outer": [[1], [1], [1]]}, "expected shapes"),
        ({"gamma": -1}, "gamma"),
    ],
)
def test_what_does_not_fit_is_said(arguments, text):
    with pytest.raises(ValueError, match=text):
        VectorMap(MATRIX, **arguments)


def test_arrays_that_are_missing_are_named():
    with pytest.raises(ValueError, match="matrix"):
        VectorMap.from_arrays({"offset": np.zeros(2)})
    with pytest.raises(TypeError, match="arrays"):
        VectorMap.from_arrays([1])  # type: ignore[arg-type]

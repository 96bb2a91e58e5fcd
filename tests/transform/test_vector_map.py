import pickle

import numpy as np
import pytest

from nearfield.transform import VectorMap


@pytest.fixture
def layered() -> VectorMap:
    rng = np.random.default_rng(0)
    sizes = {"matrix": (3, 5), "offset": (5,), "shift": (3,), "hidden": (7, 5), "hidden_shift": (7,), "outer": (3, 7)}
    return VectorMap(**{name: rng.standard_normal(shape).astype(np.float32) for name, shape in sizes.items()})


def test_the_formula(layered) -> None:
    x = np.random.default_rng(1).standard_normal((11, 5)).astype(np.float32)
    z = (x - layered.linear.offset).astype(np.float64)
    units = np.maximum(z @ layered.hidden.matrix.T + layered.hidden_shift, 0)
    want = z @ layered.linear.matrix.T + layered.shift + units @ layered.outer.matrix.T
    np.testing.assert_allclose(layered.transform(x), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layered.transform(x[4]), layered.transform(x)[4])


def test_gaussian_units() -> None:
    centres = np.float32([[0, 0], [1, 0]])
    gamma = 0.5
    bumps = VectorMap(
        np.zeros((2, 2)),
        hidden=2 * gamma * centres,
        hidden_shift=-gamma * np.square(centres).sum(axis=1),
        outer=np.eye(2),
        gamma=gamma,
    )
    np.testing.assert_allclose(bumps.transform([[1, 0]]), [[np.exp(-0.5), 1.0]], rtol=1e-6)
    assert bumps.transform([[1e6, 0]]).tolist() == [[0, 0]]


def test_arrays_and_pickles_bring_it_back(layered) -> None:
    x = np.random.default_rng(1).standard_normal((4, 5)).astype(np.float32)
    turned = VectorMap(np.eye(5), unit=True)
    for one in (layered, turned):
        for again in (VectorMap.from_arrays(one.to_arrays()), pickle.loads(pickle.dumps(one))):
            np.testing.assert_array_equal(again.transform(x), one.transform(x))
            assert repr(again) == repr(one) and again.unit == one.unit
    assert "7 hidden units" in repr(layered)
    assert all(array.dtype.kind in "fu" for array in layered.to_arrays().values())


def test_unit_and_moved() -> None:
    plain = VectorMap(2 * np.eye(2), unit=True)
    np.testing.assert_allclose(plain.transform([[3, 4]]), [[1.2, 1.6]], rtol=1e-6)
    np.testing.assert_allclose(plain.moved(np.float32([1, 0])).transform([3, 4]), [2.2, 1.6], rtol=1e-6)
    with pytest.raises(ValueError, match="zeros in row 0"):
        plain.transform([[0, 0]])


def test_inverse_of_a_linear_one_only(layered) -> None:
    turn = VectorMap(np.float32([[0, 2], [1, 0]]), [1, 2], [3, 4])
    x = np.float32([[5, 6], [7, 9]])
    np.testing.assert_allclose(turn.inverse_transform(turn.transform(x)), x, rtol=1e-5)
    with pytest.raises(ValueError, match="hidden layer"):
        layered.inverse_transform([[1, 2, 3]])


def test_what_does_not_fit_is_refused() -> None:
    eye = np.eye(2)
    with pytest.raises(ValueError, match="shift: expected 2 values"):
        VectorMap(eye, shift=[1, 2, 3])
    with pytest.raises(ValueError, match="hidden, hidden_shift and outer together"):
        VectorMap(eye, hidden=eye)
    with pytest.raises(ValueError, match="hidden: expected shapes"):
        VectorMap(eye, hidden=eye, hidden_shift=[0, 0, 0], outer=eye)
    with pytest.raises(ValueError, match="gamma"):
        VectorMap(eye, gamma=-1)
    with pytest.raises(ValueError, match="got none of the name gamma"):
        VectorMap.from_arrays(dict.fromkeys(("matrix", "offset", "shift", "unit"), eye))
    with pytest.raises(TypeError, match="arrays: expected a dict"):
        VectorMap.from_arrays([eye])

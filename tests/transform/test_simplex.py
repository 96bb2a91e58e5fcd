import numpy as np
import pytest
from sklearn.datasets import load_digits

from nearfield.transform import SimplexMap, VectorMap, simplex_vertices


@pytest.mark.parametrize("count", [2, 3, 17, 200])
def test_corners_are_as_far_apart_as_can_be(count) -> None:
    cosines = simplex_vertices(count) @ simplex_vertices(count).T
    np.testing.assert_allclose(cosines, np.where(np.eye(count), 1.0, -1 / (count - 1)), atol=1e-12)


def test_classes_keep_their_corners_from_fit_to_fit() -> None:
    x, y = load_digits(return_X_y=True)
    seen, fresh = slice(0, 1200), slice(1200, None)
    member = y[seen] < 6
    old = SimplexMap(12, classes=range(6)).fit(x[seen][member], y[seen][member])
    new = SimplexMap(12, classes=range(10)).fit(x[seen], y[seen])
    np.testing.assert_array_equal(old.vertices_, new.vertices_)
    gallery, asked, labels = old.transform(x[seen][member]), new.transform(x[fresh]), y[fresh]
    known = labels < 6
    cosines = asked[known] @ (gallery / np.linalg.norm(gallery, axis=1, keepdims=True)).T
    found = y[seen][member][cosines.argmax(axis=1)]
    assert (found == labels[known]).mean() > 0.8
    again = VectorMap.from_arrays(new.export().to_arrays())
    np.testing.assert_array_equal(again.transform(np.float32(x[:9])), new.transform(np.float32(x[:9])))


def test_labels_of_any_kind_and_order() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 2)) + 8 * np.repeat(np.eye(3)[:, :2], 30, axis=0)
    y = np.repeat(["b", "a", "c"], 30)
    fitted = SimplexMap(classes=["c", "b", "a"]).fit(x, y)
    nearest = fitted.classes_[(fitted.transform(x) @ fitted.vertices_.T).argmax(axis=1)]
    assert (nearest == y).mean() > 0.97


def test_what_does_not_fit_is_refused() -> None:
    x, y = np.eye(4), np.array([0, 1, 2, 2])
    with pytest.raises(ValueError, match="vertices: expected at least 3"):
        SimplexMap(2).fit(x, y)
    with pytest.raises(ValueError, match="y: expected labels out of classes, got 2"):
        SimplexMap(classes=[0, 1]).fit(x, y)
    with pytest.raises(ValueError, match="classes: expected distinct"):
        SimplexMap(classes=[0, 0, 1, 2]).fit(x, y)
    with pytest.raises(ValueError, match="y: expected one label a row"):
        SimplexMap().fit(x, y[:3])
    with pytest.raises(ValueError, match="count"):
        simplex_vertices(1)
    assert np.isfinite(SimplexMap().fit(np.ones((5, 3)), [1, 1, 1, 1, 1]).transform(np.ones((2, 3)))).all()

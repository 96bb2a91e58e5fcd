import numpy as np
import pytest

from nearfield.transform import perturb


@pytest.fixture(scope="module")
def rows():
    made = np.random.default_rng(7).standard_normal((2000, 32))
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_noise_is_as_large_as_asked_for(rows):
    for scale in (0.05, 0.2):
        cosines = (perturb(rows, scale) * rows).sum(axis=1)
        assert cosines.mean() == pytest.approx(1 / np.sqrt(1 + 32 * scale**2), abs=0.02)
    assert np.allclose(perturb(3 * rows, 0.0), rows)


def test_noise_lies_where_the_differences_do(rows):
    rng = np.random.default_rng(1)
    spread = np.r_[np.full(4, 0.5), np.zeros(28)]
    differences = 0.3 * np.eye(1, 32, 7) + rng.standard_normal((5000, 32)) * spread
    moved = perturb(np.repeat(np.eye(1, 32, 20), 4000, axis=0), 0.0, differences=differences)
    moved /= moved[:, 20:21]  # undo the cut to length one
    assert moved[:, 7].mean() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(moved.std(axis=0)[:4], 0.5, atol=0.03)
    assert np.delete(moved.std(axis=0), [0, 1, 2, 3]).max() < 1e-6


def test_copies_differ_and_the_seed_decides(rows):
    small = rows[:10].astype(np.float32)
    twice = perturb(small, copies=2)
    assert twice.shape == (20, 32) and twice.dtype == np.float32 and not (twice[:10] == twice[10:]).any()
    assert perturb(small, copies=2).tobytes() == twice.tobytes() != perturb(small, copies=2, random_state=1).tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": -1}, r"scale: expected a number in \[0, inf\)"),
        ({"copies": 0}, "copies: expected an integer of at least 1"),
        ({"differences": np.ones((3, 5))}, "differences: expected 32 dimensions, as X has, got 5"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_what_is_wrong_is_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        perturb(rows, **options)
    with pytest.raises(ValueError, match="X: expected rows that are not zero, got zeros in row 1"):
        perturb(np.eye(2, 3)[[0, 1]] * [[1], [0]])

import numpy as np
import pytest

from nearfield.survey import analogy


def lattice(pairs, noise, seed):
    """Two rows of each pair differ by one vector and noise; questions over all ordered couples of pairs."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((pairs, 30))
    other = base + 2 * rng.standard_normal(30) + noise * rng.standard_normal((pairs, 30))
    first, second = np.nonzero(~np.eye(pairs, dtype=bool))
    asked = np.column_stack([first, first + pairs, second, second + pairs])
    return np.vstack([base, other]).astype(np.float32), asked


def test_a_perfect_and_a_hopeless_space():
    rows, asked = lattice(40, 0.0, 0)
    perfect = analogy(rows, asked)
    assert perfect.value > 0.995 and perfect.low > 0.99 and perfect.verdict == "good"
    rng = np.random.default_rng(0)
    hopeless = analogy(rng.standard_normal((500, 30)).astype(np.float32), rng.integers(0, 500, (400, 4)))
    assert hopeless.value < 0.05 and hopeless.verdict == "poor"


def test_the_value_is_that_of_a_plain_count():
    rows, asked = lattice(30, 1.2, 1)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    right = 0
    for a, b, c, d in asked:
        score = unit @ (unit[b] - unit[a] + unit[c])
        score[[a, b, c]] = -9
        right += score.argmax() == d
    measure = analogy(rows, asked)
    assert measure.value == pytest.approx(right / len(asked)) and 0.1 < measure.value < 0.9
    assert measure.low < measure.value < measure.high


def test_a_sample_of_the_questions():
    rows, asked = lattice(40, 0.8, 2)
    some = analogy(rows, asked, sample=300)
    assert len(some.arrays["solved"]) == 300 and (some.arrays["answers"] == asked[some.arrays["questions"], 3]).all()
    assert some.low <= analogy(rows, asked, sample=None).value <= some.high
    assert some == analogy(rows, asked, sample=300)


def test_bad_input_and_nothing_to_ask():
    rows, asked = lattice(5, 0.0, 0)
    assert "needs a question" in analogy(rows, np.zeros((0, 4), int)).meaning
    with pytest.raises(ValueError, match="questions: expected row numbers of shape"):
        analogy(rows, asked[:, :3])
    with pytest.raises(ValueError, match="questions: expected row numbers of shape"):
        analogy(rows, asked.astype(float))
    with pytest.raises(ValueError, match="questions: expected rows from 0 to 9"):
        analogy(rows, asked + 1)
    with pytest.raises(ValueError, match="nonzero"):
        analogy(np.zeros((10, 3), np.float32), asked)

import numpy as np
import pytest

from nearfield.survey import isotropy, mean_cosine


def isoscore(x):
    """The paper's algorithm, step by step."""
    n = x.shape[1]
    variances = np.linalg.eigvalsh(np.cov(x.astype(np.float64), rowvar=False))
    normed = np.sqrt(n) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normed - 1) / np.sqrt(2 * (n - np.sqrt(n)))
    return ((n - defect**2 * (n - np.sqrt(n))) ** 2 - n) / (n * (n - 1))


def test_isotropy_is_the_paper_s_isoscore():
    rng = np.random.default_rng(0)
    for scale in (np.ones(12), 1 / np.arange(1, 13), np.r_[50, np.ones(11)]):
        x = (rng.standard_normal((20_000, 12)) * scale + 1).astype(np.float32)
        assert isotropy(x).value == pytest.approx(isoscore(x), abs=2e-3)


def test_isotropy_interval(holds):
    variance = 1 / np.arange(1, 21)
    truth = (variance.sum() ** 2 / (variance**2).sum() - 1) / 19

    def measured(seed):
        return isotropy((np.random.default_rng(seed).standard_normal((500, 20)) * np.sqrt(variance)).astype(np.float32))

    assert holds(measured, truth) >= 16


def test_verdicts():
    rng = np.random.default_rng(0)
    assert isotropy(rng.standard_normal((500, 30)).astype(np.float32)).verdict == "good"
    assert isotropy((rng.standard_normal((500, 30)) * np.r_[30, np.ones(29)]).astype(np.float32)).verdict == "poor"


def test_mean_cosine_is_the_mean_over_pairs():
    x = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32) + 0.4
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[np.triu_indices(60, 1)]
    measure = mean_cosine(x)
    assert measure.value == pytest.approx(pairs.mean(), abs=1e-6)
    assert measure.parts["standard_deviation"] == pytest.approx(pairs.std(), rel=1e-3)


def test_mean_cosine_interval(holds):
    far = np.random.default_rng(99).standard_normal((100_000, 16)) + 0.7
    center = (far / np.linalg.norm(far, axis=1, keepdims=True)).mean(axis=0)

    def measured(offset, rows=300):
        return lambda seed: mean_cosine(
            (np.random.default_rng(seed).standard_normal((rows, 16)) + offset).astype(np.float32)
        )

    assert holds(measured(0.7), center @ center) >= 16
    assert holds(measured(0.0), 0.0) >= 17


def test_mean_cosine_verdicts_and_zero_rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 8)).astype(np.float32)
    assert mean_cosine(x).verdict == "good"
    assert mean_cosine(x + 0.6).verdict == "fair"
    assert mean_cosine(x + 5).verdict == "poor"
    assert mean_cosine(x + 5, metric="l2").verdict == "good"
    with_zero = np.concatenate([x, np.zeros((5, 8), np.float32)])
    assert mean_cosine(with_zero).value == pytest.approx(mean_cosine(x).value)


def test_what_cannot_be_measured_says_why():
    assert "one dimension" in isotropy(np.ones((50, 1), np.float32)).meaning
    assert "all rows are equal" in isotropy(np.ones((50, 3), np.float32)).meaning
    assert "at least 10 rows" in isotropy(np.eye(3, dtype=np.float32)).meaning
    assert "at least 3 nonzero rows, and there are 2" in mean_cosine(np.eye(2, dtype=np.float32)).meaning
    assert mean_cosine(np.ones((50, 3), np.float32)).value == pytest.approx(1)

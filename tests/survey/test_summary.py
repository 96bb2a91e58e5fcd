import numpy as np

from nearfield.survey import survey


def lines(x, metric="cosine"):
    return survey(np.asarray(x, np.float32), metric=metric, sample=300).summary()


def test_healthy_space(cloud):
    difficulty, compression, mending = lines(cloud("gaussian", 1500, 9, 0))
    assert difficulty.startswith("Difficulty: easy (about 8 intrinsic dimensions")
    assert "fewer bits" in compression
    assert mending == "Nothing needs mending before the vectors are indexed."


def test_noise_between_near_copies_counts_as_hard(cloud):
    noise = 0.01 * np.random.default_rng(1).standard_normal((1500, 60))
    difficulty = lines(cloud("gaussian", 60, 3, 0, 60)[np.arange(1500) % 60] + noise)[0]
    assert difficulty.startswith("Difficulty: hard")
    x = np.repeat(cloud("gaussian", 400, 2, 0, 60), 4, axis=0) + 1e-4 * np.random.default_rng(1).standard_normal(
        (1600, 60)
    )
    assert "noise between near copies" in lines(x, "l2")[0]


def test_thin_space_compresses(cloud):
    _, compression, _ = lines(cloud("gaussian", 1500, 6, 0, 60))
    assert "should divide memory by 10.0" in compression


def test_faults_are_named(cloud):
    x = cloud("gaussian", 1200, 40, 0) * np.exp(0.6 * np.random.default_rng(0).standard_normal((1200, 1))) + 2
    x[1000:] = x[:200]
    difficulty, _, mending = lines(x, "ip")
    assert difficulty.startswith("Difficulty: hard")
    for words in ("have a twin", "subtract the mean", "favours long rows", "hubs crowd"):
        assert words in mending


def test_nothing_to_say():
    difficulty, compression, _ = lines(np.ones((3, 4)))
    assert "cannot be said" in difficulty and "cannot be said" in compression


def test_advice_says_what_it_would_gain(cloud):
    x = cloud("gaussian", 1200, 40, 0, 80) + 3
    x[1000:] = x[:200]
    advice = survey(x, sample=300).advice()
    for words in (
        "Delete 200 rows that repeat another one exactly: saves 16.7% of the memory",
        "Subtract the mean vector",
        "Store ",
        "Keep 40 principal dimensions of 80: memory and time divided by 2",
    ):
        assert any(line.startswith(words) for line in advice), words


def test_advice_reduces_noise_and_is_empty_where_nothing_is_known(cloud):
    noise = np.random.default_rng(1).standard_normal((1500, 40)) * 0.7
    advice = survey((cloud("gaussian", 1500, 4, 0, 40) + noise).astype(np.float32), metric="l2", sample=300).advice()
    assert any(line.startswith("Reduce to 4 dimensions with PCA") for line in advice)
    assert survey(np.eye(3, dtype=np.float32)).advice() == []

import numpy as np
import pytest

from nearfield.survey import neighbor_purity, sample_neighbors


def groups(rows=1200, classes=12, seed=0, width=0.05):
    """Far apart, so that neighbours are of the same group; group and rows."""
    rng = np.random.default_rng(seed)
    kind = np.arange(rows) % classes
    return kind, (np.eye(classes)[kind] + width * rng.standard_normal((rows, classes))).astype(np.float32)


def test_pure_and_random():
    kind, x = groups()
    assert neighbor_purity(x, kind).value == 1
    mixed = neighbor_purity(x, np.random.default_rng(0).permutation(kind))
    assert mixed.low <= mixed.parts["chance"] <= mixed.high
    assert mixed.parts["chance"] == pytest.approx(1 / 12, abs=1e-3)
    assert (neighbor_purity(x, kind).verdict, mixed.verdict) == ("good", "poor")


def test_known_share_of_wrong_labels(holds):
    # A share p of the labels is dealt out anew, over all classes alike: two neighbours agree with
    # probability ((1 - p) + p / c)^2 + (c - 1) (p / c)^2.
    share, classes = 0.4, 12

    def measured(seed):
        kind, x = groups(seed=seed)
        rng = np.random.default_rng(seed)
        noisy = np.where(rng.random(len(kind)) < share, rng.integers(0, classes, len(kind)), kind)
        return neighbor_purity(x, noisy, sample=600, random_state=seed)

    same = 1 - share + share / classes
    assert holds(measured, same**2 + (classes - 1) * (share / classes) ** 2) >= 17


def test_small_classes_can_be_pure_and_lonely_rows_are_not_asked():
    kind, x = groups(60, 12)  # five rows a class, and k is ten
    assert neighbor_purity(x, kind).value == 1
    names = [*map(str, kind[:-1]), "alone"]
    measure = neighbor_purity(x, names)
    assert measure.parts["classes"] == 12 and "1 class of one row" in measure.detail
    assert measure.parts["nearest"] < 1  # the lonely row is still somebody's nearest


def test_rows_without_a_label_count_for_nothing():
    kind, x = groups()
    some = [None if row % 3 else int(label) for row, label in enumerate(kind)]
    measure = neighbor_purity(x, some, sample=None)
    assert measure.value == 1 and "800 rows without a label" in measure.detail


def test_shared_search_and_repeatability():
    kind, x = groups(width=0.6)
    shared = sample_neighbors(x, 30, sample=300)
    alone = neighbor_purity(x, kind, sample=300)
    assert neighbor_purity(x, kind, neighbors=shared).value == pytest.approx(alone.value, abs=1e-12)
    assert neighbor_purity(x, kind, sample=300).to_dict() == alone.to_dict()


def test_what_cannot_be_measured_says_why():
    x = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    assert "2 classes of 2 rows" in neighbor_purity(x, [1] * 30).meaning
    assert "2 classes of 2 rows" in neighbor_purity(x, range(30)).meaning
    assert "10 different rows" in neighbor_purity(np.ones((30, 3), np.float32), [1, 2] * 15).meaning
    with pytest.raises(ValueError, match="k: "):
        neighbor_purity(x, [1, 2] * 15, k=0)

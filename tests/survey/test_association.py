import sys

import numpy as np
import pytest

from nearfield.survey import association


def groups(effect, first, second, seed, dim=40):
    """Targets whose leanings are normal, of spread one in units of 0.05, ``effect`` apart; attributes are two axes."""
    rng = np.random.default_rng(seed)
    leanings = np.r_[rng.standard_normal(first) + effect, rng.standard_normal(second)] * 0.05
    rows = rng.standard_normal((first + second, dim))
    rows[:, :2] = 0
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows *= np.sqrt(1 - leanings[:, None] ** 2 / 2)
    rows[:, 0], rows[:, 1] = leanings / 2, -leanings / 2
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    axes = np.eye(dim, dtype=np.float32)
    return rows[:first].astype(np.float32), rows[first:].astype(np.float32), axes[:1], axes[1:2]


def known(effect, first, second):
    share = first * second / (first + second) ** 2
    return effect / np.sqrt(1 + share * effect**2)


@pytest.mark.parametrize("effect", [0.0, 0.5, 2.0, -1.0])
def test_many_words_give_the_known_value(effect):
    measure = association(*groups(effect, 4000, 2000, 0))
    assert measure.value == pytest.approx(known(effect, 4000, 2000), abs=0.06)
    assert measure.low <= known(effect, 4000, 2000) <= measure.high
    assert measure.parts["statistic"] == pytest.approx(0.05 * effect, abs=0.005)


@pytest.mark.parametrize(("first", "second"), [(8, 8), (6, 14)])
def test_interval(holds, first, second):
    for effect in (0.0, 1.0):
        truth = known(effect, first, second)
        assert holds(lambda seed, e=effect: association(*groups(e, first, second, seed)), truth) >= 17


def test_the_p_value_counts_the_splits():
    first, second, *axes = groups(0.0, 3, 3, 1)
    leanings = association(first, second, *axes).arrays
    every = np.r_[leanings["targets"], leanings["other_targets"]]
    from itertools import combinations

    sums = [every[list(chosen)].sum() for chosen in combinations(range(6), 3)]
    wanted = np.mean([total >= every[:3].sum() - 1e-12 for total in sums])
    measure = association(first, second, *axes)
    assert measure.parts["p_value"] == wanted and "all 20 splits" in measure.detail


def test_drawn_splits_agree_with_all_of_them():
    found = groups(0.6, 10, 10, 3)
    every = association(*found, permutations=200_000)
    drawn = association(*found, permutations=20_000)
    assert "all 184,756 splits" in every.detail and "20,000 random splits" in drawn.detail
    assert drawn.parts["p_value"] == pytest.approx(every.parts["p_value"], abs=0.01)
    assert drawn == association(*found)


def test_the_normal_limit_agrees_with_drawn_splits(monkeypatch):
    found = groups(0.1, 500, 700, 4)
    limit = association(*found)
    monkeypatch.setattr(sys.modules["nearfield.survey.association"], "_MANY", 10_000)
    assert "normal limit" in limit.detail
    assert limit.parts["p_value"] == pytest.approx(association(*found, permutations=4000).parts["p_value"], abs=0.02)


def test_the_sentence_says_who_leans_where():
    names = ("mathematics", "the arts", "men", "women")
    strong = association(*groups(3.0, 8, 8, 0), names=names)
    assert strong.verdict == "poor" and strong.meaning.startswith("Mathematics lie nearer to men, the arts to women")
    turned = association(*groups(-3.0, 8, 8, 0), names=names)
    assert turned.verdict == "poor" and "nearer to women, the arts to men" in turned.meaning
    assert association(*groups(0.0, 50, 50, 0), names=names).verdict == "good"
    first, second, *axes = groups(2.0, 20, 20, 0)
    swapped = association(second, first, *axes)
    assert swapped.value == pytest.approx(-association(first, second, *axes).value)


def test_large_groups_are_read_in_blocks():
    first, second, *axes = groups(1.0, 40_000, 20_000, 0, dim=8)
    measure = association(first.astype(np.float16), second.astype(np.float16), first, second)
    assert measure.known and measure.high - measure.low < 0.1
    assert association(first, second, *axes).value == pytest.approx(known(1.0, 2, 1), abs=0.02)


def test_what_cannot_be_measured_says_why():
    first, second, *axes = groups(1.0, 8, 8, 0)
    assert "two rows in each group" in association(first[:1], second, *axes).meaning
    assert "lean alike" in association(first, second, axes[0], axes[0]).meaning


def test_bad_input():
    first, second, *axes = groups(1.0, 8, 8, 0)
    with pytest.raises(ValueError, match="other_targets: expected nonzero vectors"):
        association(first, np.zeros_like(second), *axes)
    with pytest.raises(ValueError, match="attributes: expected finite values"):
        association(first, second, np.full((1, 40), np.nan, np.float32), axes[1])
    with pytest.raises(ValueError, match="expected the dimensions of targets"):
        association(first, second[:, :3], *axes)
    with pytest.raises(ValueError, match="names: expected four texts"):
        association(first, second, *axes, names=("a", "b"))
    with pytest.raises(ValueError, match="permutations"):
        association(first, second, *axes, permutations=3)

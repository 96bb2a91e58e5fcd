import numpy as np
import pytest

from nearfield.survey import compatibility


def versions(rows, seed, noise=(3.0, 1.0), dim=12):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, rows)
    clean = 2 * rng.standard_normal((4, dim))[kind]
    old, new = ((clean + s * rng.standard_normal((rows, dim))).astype(np.float32) for s in noise)
    return kind, old, new


def test_is_what_brute_force_says():
    kind, old, new = versions(120, 0)
    found = compatibility(old, new, labels=kind, k=5, metric="l2", sample=None)
    for name, asked, base in (("old_old", old, old), ("new_old", new, old), ("new_new", new, new)):
        distances = np.linalg.norm(asked[:, None].astype(float) - base[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        right = kind[np.argsort(distances, axis=1)[:, :5]] == kind[:, None]
        assert found.parts[name] == pytest.approx(right.mean())
    assert found.value == pytest.approx(found.parts["new_old"] - found.parts["old_old"])
    assert found.parts["update_gain"] == pytest.approx(found.value / (found.parts["new_new"] - found.parts["old_old"]))


def test_a_better_model_in_the_same_space_is_compatible():
    kind, old, new = versions(400, 0)
    found = compatibility(old, new, labels=kind)
    assert found.verdict == "good" and found.low > 0
    assert found.parts["order"] > 0.8 and found.parts["order_low"] <= found.parts["order"] <= found.parts["order_high"]
    assert found.parts["by_chance"] < 0


def test_a_turned_space_is_not_until_it_is_mapped():
    kind, old, new = versions(400, 0)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]
    turned = (new @ turn).astype(np.float32)
    assert compatibility(old, turned, labels=kind).high < 0
    assert compatibility(old, turned, labels=kind, mapping="linear").low > -0.05
    assert compatibility(old, turned, labels=kind, mapping=lambda rows: rows @ turn.T).low > 0


def test_unequal_dimensions_take_a_map():
    kind, old, new = versions(400, 0)
    found = compatibility(old, new[:, :8].copy(), labels=kind)
    assert "mapped linearly" in found.meaning and found.parts["new_old"] > 0.6
    with pytest.raises(ValueError, match="mapping: expected 'linear' or a callable"):
        compatibility(old, new[:, :8].copy(), labels=kind, mapping="none")


def test_the_interval_holds_the_whole(holds):
    kind, old, new = versions(1200, 0)
    truth = compatibility(old, new, labels=kind, sample=None).value
    assert holds(lambda seed: compatibility(old, new, labels=kind, sample=100, random_state=seed), truth) >= 18


def test_judged_queries_by_id():
    _, old, new = versions(60, 0, (0.1, 0.0))
    names = [f"d{i}" for i in range(60)]
    right = [[names[i]] for i in range(20)]
    right[3] = ["absent"]
    found = compatibility(old, new, ids=(names, names), queries=(old[:20], new[:20]), relevant=right, k=1, metric="l2")
    assert "19 queries" in found.detail and found.parts["old_old"] == 1
    rows = compatibility(old, new, relevant=[[(i + 1) % 60, i] for i in range(60)], k=59)
    assert rows.parts["new_old"] == 1  # the row itself is no answer, the other is among all


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "expected one of the two"),
        ({"labels": np.zeros(50, int), "relevant": [[0]] * 50}, "expected one of the two"),
        ({"labels": np.zeros(50, int), "queries": (np.ones((2, 4)), np.ones((2, 4)))}, "queries: expected None"),
        ({"relevant": [[0]] * 3}, "relevant: expected 50 lists"),
        ({"labels": np.zeros(50, int), "mapping": "ridge"}, "mapping: expected"),
        ({"labels": np.zeros(50, int), "mapping": lambda rows: rows[:3]}, "mapping: expected finite values of shape"),
        ({"labels": np.zeros(50, int), "k": 0}, "k: expected"),
    ],
)
def test_bad_parameters(two, options, text):
    with pytest.raises(ValueError, match=text):
        compatibility(*two(50, 4, 0, 0), **options)


def test_what_cannot_be_measured_says_why(two):
    assert "no query has a right row" in compatibility(*two(50, 4, 0, 0), labels=np.arange(50)).meaning

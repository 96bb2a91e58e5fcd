import numpy as np
import pytest

from nearfield.survey import Merging, feature_redundancy, merge_features, merge_units


def by_hand(features, signed):
    """The same, all pairs compared anew at each step."""
    rows = [row / np.linalg.norm(row) for row in features]
    size, alive, steps = [1] * len(rows), list(range(len(rows))), []
    while len(alive) > 1:
        best = (-2.0, 0, 0, 0.0)
        for place, a in enumerate(alive):
            for b in alive[place + 1 :]:
                cosine = rows[a] @ rows[b] / np.linalg.norm(rows[a]) / np.linalg.norm(rows[b])
                likeness = cosine if signed else abs(cosine)
                if likeness > best[0]:
                    best = (likeness, a, b, cosine)
        likeness, a, b, cosine = best
        turned = rows[b] if signed or cosine > 0 else -rows[b]
        rows[a] = (size[a] * rows[a] + size[b] * turned) / (size[a] + size[b])
        size[a] += size[b]
        alive.remove(b)
        steps.append((a, b, likeness))
    return steps


@pytest.mark.parametrize("signed", [True, False])
def test_each_step_merges_the_two_that_are_most_alike(signed):
    features = np.random.default_rng(0).standard_normal((25, 12))
    merging = merge_features(features, signed=signed)
    steps = by_hand(features, signed)
    assert [step[:2] for step in steps] == list(zip(merging.left, merging.right, strict=True))
    assert merging.likeness == pytest.approx([step[2] for step in steps])


def test_copies_scaled_or_turned_are_one_feature():
    features = np.random.default_rng(0).standard_normal((12, 40))
    copies = np.concatenate([features, 5 * features, -features])
    assert merge_features(copies).survivors(0.999) == 24
    merging = merge_features(copies, signed=False)
    assert merging.survivors(0.999) == 12
    assert (merging.groups(12).reshape(3, 12) == np.arange(12)).all()
    assert merging.groups(36).tolist() == list(range(36)) and merging.groups(1).max() == 0


def test_zero_features_are_alike_only_to_each_other():
    merging = merge_features(np.float32([[0, 0], [1, 0], [0, 0], [0, 1]]))
    assert isinstance(merging, Merging)
    assert merging.survivors(0.5) == 3 and merging.groups(3).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("features", "text"), [(np.ones(3), "shape"), (np.empty((0, 2)), "shape"), ([[np.nan, 1.0]], "finite")]
)
def test_bad_features(features, text):
    with pytest.raises(ValueError, match=text):
        merge_features(features)


def test_groups_of_an_impossible_number():
    with pytest.raises(ValueError, match="count: expected 1 to 2"):
        merge_features(np.eye(2)).groups(3)


def test_planted_copies_are_merged_and_the_interval_holds_their_number(holds):
    def measured(seed, noise=0.1):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((600, 10))
        noisy = [s * x + noise * rng.standard_normal(x.shape) for s in (1, -3)]
        return feature_redundancy(np.concatenate([x, *noisy], 1).astype(np.float32))

    assert holds(measured, 10) >= 19
    assert measured(0).parts["left_95"] == 10 and measured(0).verdict == "poor"
    assert measured(0, 3.0).value > 10


def test_independent_coordinates_and_dead_ones():
    x = np.random.default_rng(0).standard_normal((2000, 30)).astype(np.float32)
    assert feature_redundancy(x).value == 30 and feature_redundancy(x).verdict == "good"
    x[:, 5:10] = 7
    assert feature_redundancy(x).value == 26
    assert feature_redundancy(x[:20]).known  # fewer rows than dimensions
    assert "at least 10 rows" in feature_redundancy(np.eye(3, dtype=np.float32)).meaning


def test_a_layer_with_copied_scaled_and_shuffled_units_computes_the_same_when_they_are_merged():
    rng = np.random.default_rng(0)
    incoming, outgoing = rng.standard_normal((30, 9)), rng.standard_normal((30, 4))
    which = rng.permutation(np.repeat(np.arange(30), 3))
    scale = rng.uniform(0.2, 5, (90, 1))
    many = scale * incoming[which], outgoing[which] / scale / 3
    few = merge_units(*many, 30)
    x = rng.standard_normal((50, 9))

    def layer(into, out):
        return np.maximum(x @ into.T, 0) @ out

    assert few[0].shape == (30, 9) and few[1].shape == (30, 4)
    assert layer(*few) == pytest.approx(layer(incoming, outgoing), abs=1e-10)
    assert layer(*merge_units(*many, 90)) == pytest.approx(layer(*many), abs=1e-10)
    with pytest.raises(ValueError, match="outgoing"):
        merge_units(many[0], many[1][:5], 30)

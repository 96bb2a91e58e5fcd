import json

import numpy as np
import pytest

from nearfield.survey import Comparison, compare, mutual_neighbors

ALWAYS = {
    "mutual_neighbors",
    "rank_biased_overlap",
    "cka",
    "canonical_correlation",
    "functional_equivalence",
    "procrustes_residual",
    "modality_gap",
    "matched_features",
    "predicted_features",
    "feature_groups",
}


@pytest.fixture(scope="module")
def compared():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 10)).astype(np.float32)
    y = (x @ np.linalg.qr(rng.standard_normal((10, 10)))[0] + 0.3 * rng.standard_normal((600, 10))).astype(np.float32)
    return x, y, compare(x, y, sample=200)


def test_every_measure_is_there_with_an_interval_a_meaning_and_chance(compared):
    found = compared[2]
    assert isinstance(found, Comparison) and set(found) == ALWAYS and len(found) == 10
    for name in found:
        measure = found[name]
        assert measure.name == name and measure.low <= measure.value <= measure.high
        assert measure.meaning.endswith(".") and measure.detail and measure.source
        assert measure.verdict != "unknown" and "by_chance" in measure.parts
    with pytest.raises(KeyError, match="cka"):
        found["ckb"]


def test_a_measure_alone_says_the_same(compared):
    x, y, found = compared
    assert mutual_neighbors(x, y, sample=200).value == found["mutual_neighbors"].value


def test_text_and_dict(compared):
    found = compared[2]
    text = str(found)
    assert text.startswith("Comparison of 600 x 10 (cosine) and 600 x 10 (cosine): 600 pairs\n")
    assert "What it means:" in text and max(map(len, text.splitlines())) <= 100
    made = found.to_dict(arrays=True)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert len(made["summary"]) == 4 and len(found.least_alike(3)) == 3


def test_same_seed_same_numbers(compared):
    x, y, found = compared
    assert compare(x, y, sample=200).to_dict(arrays=True) == found.to_dict(arrays=True)


def test_ids_labels_and_queries():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 300)
    clean = 2 * rng.standard_normal((3, 8))[kind]
    old, new = ((clean + s * rng.standard_normal((300, 8))).astype(np.float32) for s in (2.0, 1.0))
    order = rng.permutation(300)
    names = np.array([f"n{i}" for i in range(300)])
    found = compare(old[:280], new[order], ids=(names[:280], names[order]), labels=kind[:280], metric=("l2", "cosine"))
    assert set(found) == ALWAYS | {"compatibility", "head_equivalence"}
    assert (found.pairs, found.unpaired, found.metrics) == (280, (0, 20), ("l2", "cosine"))
    assert "20 of the second without a partner" in str(found)
    assert all(name.startswith("n") for name in found.least_alike())
    asked = compare(old, new, queries=(old[:30], new[:30]), relevant=[[i] for i in range(30)])
    assert asked.asked == "queries" and asked.sample == 30 and asked["compatibility"].parts["old_old"] == 1


rng = np.random.default_rng(0)
NORMAL = rng.standard_normal((60, 6))
CASES = {
    "one row": ([[1, 2, 3]], [[1, 2]]),
    "nine rows": (rng.standard_normal((9, 4)), rng.standard_normal((9, 4))),
    "twelve rows": (rng.standard_normal((12, 4)), rng.standard_normal((12, 3))),
    "equal rows": (np.ones((60, 8)), NORMAL),
    "rank one": ((rng.random((60, 1)) + 0.1) * np.ones(7), NORMAL),
    "constant coordinates": (np.hstack([NORMAL, np.ones((60, 3))]), NORMAL),
    "one dimension": (rng.standard_normal((60, 1)), rng.standard_normal((60, 1))),
    "wide": (rng.standard_normal((50, 300)), rng.standard_normal((50, 200))),
    "copies": (np.repeat(NORMAL[:6], 10, 0), np.repeat(NORMAL[6:12], 10, 0)),
    "one hot": (np.eye(40), np.eye(40)),
    "huge and tiny": (NORMAL * 1e14, NORMAL * 1e-30),
    "itself": (NORMAL, NORMAL),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("case", CASES)
def test_strange_data_gives_values_or_reasons(case, metric):
    first, second = (np.asarray(part, np.float32) for part in CASES[case])
    found = compare(first, second, metric=metric, labels=np.arange(len(first)) % 3)
    json.dumps(found.to_dict(arrays=True), allow_nan=False)
    assert str(found)
    for measure in found.measures.values():
        assert measure.known or (measure.meaning.startswith("Unknown: ") and measure.verdict == "unknown")

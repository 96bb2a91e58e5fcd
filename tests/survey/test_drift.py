import json

import numpy as np
import pytest

from nearfield.decide import Judge
from nearfield.index import Flat
from nearfield.quantize import RotatedQuantizer
from nearfield.survey import Drift, drift


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 16))

    def some(rows, shift=0.0, width=0.4):
        return (centres[rng.integers(0, 40, rows)] + shift + width * rng.standard_normal((rows, 16))).astype(np.float32)

    return some(1500), some(400), some(400, shift=1.5)


def test_the_same_kind_and_another(sets):
    old, same, moved = sets
    calm, loud = drift(old, same, metric="l2"), drift(old, moved, metric="l2")
    assert isinstance(calm, Drift)
    assert not calm.shifted and "looks like what is stored" in calm.advice()
    assert loud.shifted and loud["relevance_change"].value < -0.5 and "To do" in loud.advice()
    assert not loud["recall_loss"].known and "give the index" in loud["recall_loss"].meaning


def test_text_and_dict(sets):
    old, _, moved = sets
    found = drift(old, moved)
    text = str(found)
    assert text.startswith("Drift of 400 new rows against 1,500 stored ones with 16 dimensions, metric cosine")
    assert max(map(len, text.splitlines())) <= 101
    made = found.to_dict(arrays=True)
    assert json.loads(json.dumps(made, allow_nan=False)) == made and made["shifted"] is True
    assert list(found) == list(made["measures"]) and len(found) == 3
    with pytest.raises(KeyError, match="recall_loss"):
        found["recall"]
    assert drift(old, moved).to_dict() == found.to_dict()


def test_an_index_over_coarse_codes_loses_on_what_it_was_not_fitted_to(sets):
    old, same, moved = sets
    index = Flat("l2", codec=RotatedQuantizer(2)).build(old)
    assert drift(old, same, metric="l2", index=index)["recall_loss"].verdict in ("good", "fair")
    exact = drift(old, moved, metric="l2", index=Flat("l2").build(old))["recall_loss"]
    assert (exact.value, exact.parts["old"]) == (0, 1)


def test_a_codec_fitted_on_the_old_rows(sets):
    old, same, _ = sets
    codec = RotatedQuantizer(4).fit(old)
    near = drift(old, same, metric="l2", codec=codec)["recall_loss"]
    far = drift(old, (same * 0.05 + 3).astype(np.float32), metric="l2", codec=codec)["recall_loss"]
    assert abs(near.value) < 0.1 and far.value > 0.2 and far.verdict == "poor"


def test_a_judge_says_what_is_answered(sets):
    old, same, moved = sets
    near = np.linalg.norm(old[:, None] - old[None], axis=2)
    np.fill_diagonal(near, np.inf)
    judge = Judge().fit(np.sort(near, 1)[:, :21], near[:, :300], n_items=len(old))
    there = drift(old, same, metric="l2", judge=judge)["relevance_change"]
    gone = drift(old, moved, metric="l2", judge=judge)["relevance_change"]
    assert there.parts["judged"] == 1 and there.value > -0.15 > gone.value


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (np.ones((40, 3)), np.ones((40, 3))),
        (np.eye(12), np.eye(12)),
        (np.ones((5, 3)), np.ones((40, 3))),
        (np.arange(1, 61).reshape(60, 1), np.ones((20, 1))),
        (np.random.default_rng(0).standard_normal((60, 4)) * 1e12, np.ones((20, 4))),
        (np.random.default_rng(0).standard_normal((30, 200)), np.random.default_rng(1).standard_normal((1, 200))),
    ],
)
def test_strange_data_gives_values_or_reasons(old, new, metric):
    found = drift(old.astype(np.float32), new.astype(np.float32), metric=metric)
    json.dumps(found.to_dict(arrays=True), allow_nan=False)
    assert str(found)


def test_bad_input(sets):
    old, same, _ = sets
    with pytest.raises(ValueError, match="at most one of them"):
        drift(old, same, index=1, codec=1)
    with pytest.raises(ValueError, match="new: expected 16 dimensions"):
        drift(old, same[:, :3].copy())
    with pytest.raises(ValueError, match="k: "):
        drift(old, same, k=0)

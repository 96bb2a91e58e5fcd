import json

import numpy as np
import pytest

from nearfield.index import Flat
from nearfield.quantize import ScalarQuantizer, codec_loss
from nearfield.tune import Compressed, Compression, compress
from nearfield.tune.methods import METHODS
from nearfield.tune.reduced import Reduced


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 64))
    spread = centres[rng.integers(0, 60, 6000)] + 0.6 * rng.standard_normal((6000, 64))
    return (spread * np.arange(1, 65) ** -0.6).astype(np.float32)


@pytest.fixture(scope="module")
def found(rows):
    return {share: compress(rows, memory=share, sample=2000, progress=False) for share in (0.5, 0.25, 0.12, 0.07)}


def test_nothing_exceeds_the_budget_and_what_is_smaller_says_so(found, rows):
    for share, result in found.items():
        assert isinstance(result, Compression) and result.budget == int(share * rows.nbytes)
        assert set(METHODS) == {trial.method for trial in result.trials} | set(result.missed)
        for trial in result.trials:
            assert isinstance(trial, Compressed) and trial.memory <= result.budget
            assert trial.hit == (trial.memory >= 0.95 * result.budget)
            assert ("less" in next(line for line in str(result).splitlines() if trial.method in line)) != trial.hit
        assert any(trial.hit for trial in result.trials)


def test_memory_is_what_it_takes(found, rows):
    for trial in found[0.12].trials:
        codes = trial.codec.encode(rows)
        assert codes.shape[0] == len(rows) and codes[0].nbytes == trial.loss.bytes_per_vector
        fitted = sum(array.nbytes for array in trial.codec.to_arrays().values())
        assert trial.memory == codes.nbytes + fitted


def test_quality_falls_with_the_budget_and_the_best_is_the_best(found):
    best = [result.best.loss.recall for result in found.values()]
    assert best == sorted(best, reverse=True) and best[0] > best[-1]
    for result in found.values():
        assert result.best.loss.recall == max(trial.loss.recall for trial in result.trials)
        assert result.best in result.pareto
        for trial in result.trials:
            mine = (trial.loss.recall, -trial.memory, -trial.encode_seconds, -trial.scan_seconds)
            beaten = any(
                (other.loss.recall, -other.memory, -other.encode_seconds, -other.scan_seconds) > mine
                and other.loss.recall >= trial.loss.recall
                and other.memory <= trial.memory
                and other.encode_seconds <= trial.encode_seconds
                and other.scan_seconds <= trial.scan_seconds
                for other in result.trials
            )
            assert (trial in result.pareto) or beaten


def test_the_loss_is_that_of_codec_loss_against_the_vectors_as_they_are(rows):
    queries = rows[:200]
    plain = compress(rows[200:], memory="500kB", queries=queries, methods=["scalar-8"], progress=False).best
    assert plain.transform is None and isinstance(plain.codec, ScalarQuantizer)
    expected = codec_loss(ScalarQuantizer(8), rows[200:], queries)
    assert plain.loss.recall == expected.recall and plain.loss.reconstruction == pytest.approx(expected.reconstruction)
    reduced = compress(rows[200:], memory=0.12, queries=queries, methods=["scalar-8"], progress=False).best
    assert isinstance(reduced.codec, Reduced) and reduced.loss.recall < plain.loss.recall
    exact = Flat("cosine").build(rows[200:]).search(queries, 10).rows
    by_index = reduced.index("cosine").build(rows[200:]).search(queries, 10).rows
    share = (by_index[:, :, None] == exact[:, None, :]).any(2).mean()
    assert share == pytest.approx(reduced.loss.recall, abs=0.01)
    again = reduced.index("cosine", rescore="vectors").build(rows[200:]).search(queries, 10, candidates=100).rows
    assert (again[:, :, None] == exact[:, None, :]).any(2).mean() > share


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_other_metrics(rows, metric):
    result = compress(rows, memory=0.1, metric=metric, sample=1500, methods=["rotated-4", "product"], progress=False)
    assert result.best.loss.recall > 0.5 and result.metric == metric
    decoded = result.best.codec.decode(result.best.codec.encode(rows[:50]))
    assert ((decoded - rows[:50]) ** 2).sum() < 0.5 * ((rows[:50] - rows.mean(0)) ** 2).sum()


def test_the_same_seed_finds_the_same(rows):
    a, b = (compress(rows, memory=0.07, sample=1000, random_state=3, progress=False) for _ in range(2))
    assert {t.method: (t.memory, t.loss, t.text) for t in a.trials} == {
        t.method: (t.memory, t.loss, t.text) for t in b.trials
    }


def test_as_json_and_text(found):
    described = json.loads(json.dumps(found[0.12].to_dict()))
    assert described["best"] == found[0.12].best.method and len(described["trials"]) == len(found[0.12].trials)
    text = str(found[0.12])
    assert "0.12 of float32" in text
    assert all(f"Not measured: {name}, {why}." in text for name, why in found[0.12].missed.items())


@pytest.mark.parametrize(
    "rows",
    [
        np.ones((300, 24), np.float32),
        np.repeat(np.random.default_rng(0).standard_normal((30, 24)).astype(np.float32), 10, axis=0),
        np.random.default_rng(0).standard_normal((400, 1)).astype(np.float32),
        np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32),
        np.random.default_rng(0).standard_normal((50, 120)).astype(np.float16),
    ],
    ids=["equal", "copies", "d=1", "n=3", "d>n, half"],
)
def test_odd_sets(rows):
    for memory in (rows.size * 40 + 5000, rows.size * 2 + 4000):
        result = compress(rows, memory=memory, metric="l2", progress=False)
        assert result.best.memory <= memory and 0 <= result.best.loss.recall <= 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"memory": 0.0}, r"memory: expected bytes, or a share of float32 in \(0, 1\)"),
        ({"memory": 1.5}, "memory: expected bytes, or a share"),
        ({"memory": float("nan")}, "memory: expected bytes, or a share"),
        ({"memory": "lots"}, "memory: expected bytes such as"),
        ({"memory": 1}, "memory: expected enough for one of the methods"),
        ({"methods": []}, "methods: expected at least one"),
        ({"methods": ["hashing"]}, "methods: expected one of"),
        ({"k": 0}, "k: expected"),
        ({"metric": "dot"}, "metric: expected one of"),
        ({"sample": 5}, "sample: expected"),
        ({"random_state": -1}, "random_state: expected"),
        ({"queries": np.ones((3, 63), np.float32)}, "queries: expected 64 dimensions, got 63"),
    ],
)
def test_bad_parameters(rows, bad, message):
    with pytest.raises(ValueError, match=message):
        compress(rows[:200], progress=False, **{"memory": 0.2, **bad})


def test_bad_vectors(rows):
    with pytest.raises(ValueError, match="vectors: expected at least 3 rows, got 2"):
        compress(rows[:2], memory=0.5)
    broken = rows[:100].copy()
    broken[7, 3] = np.nan
    with pytest.raises(ValueError, match="vectors: expected finite"):
        compress(broken, memory=0.5)

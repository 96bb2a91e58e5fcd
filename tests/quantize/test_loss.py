"""What a codec loses, against the same figures worked out by hand in numpy."""

import dataclasses

import numpy as np
import pytest

import nearfield.quantize
from nearfield.quantize import Codec, CodecLoss, Float32, ScalarQuantizer, codec_loss
from nearfield.quantize.codec import CODEC_CLASSES


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_the_figures_are_those_of_the_decoded_rows(make_codec, metric):
    x, queries = gaussian(400, 24) + np.float32(0.3), gaussian(30, 24, seed=1)
    loss = codec_loss(make_codec(), x, queries, k=5, metric=metric)
    if metric == "cosine":
        x, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, queries))
    codec = make_codec().fit(x)
    decoded = codec.decode(codec.encode(x)).astype(np.float64)

    def nearest(rows):
        scores = ((rows[None] - queries[:, None]) ** 2).sum(2) if metric == "l2" else -queries @ rows.T
        return np.argsort(scores, axis=1)[:, :5]

    truth, found = nearest(x), nearest(decoded)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)])
    bias = np.mean([(decoded[rows] - x[rows]) @ query for query, rows in zip(queries, truth, strict=True)])
    assert loss.recall == pytest.approx(recall, abs=0.03)  # a tie or a rounded query may turn a place
    assert loss.bias == pytest.approx(bias, abs=2e-4)
    assert loss.reconstruction == pytest.approx(((decoded - x) ** 2).sum() / (x**2).sum(), rel=1e-3, abs=1e-12)
    assert loss.recall_low <= loss.recall <= loss.recall_high and loss.bias_low <= loss.bias <= loss.bias_high
    assert (loss.bytes_per_vector, loss.k, loss.queries) == (codec.bytes_per_vector, 5, 30)


def test_nothing_is_lost_without_compression():
    loss = codec_loss(Float32(), gaussian(300, 12), metric="l2")
    assert (loss.recall, loss.loss, loss.reconstruction) == (1, 0, 0) and abs(loss.bias) < 1e-6
    assert loss.queries == 60


def test_held_out_rows_depend_on_the_seed_alone():
    x = gaussian(500, 16)
    losses = [codec_loss(ScalarQuantizer(4), x, random_state=seed) for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_a_codec_given_is_not_changed_and_a_fitted_one_is_used_as_it_is():
    x = gaussian(200, 8)
    codec = ScalarQuantizer(8)
    codec_loss(codec, x)
    assert not hasattr(codec, "dim_")
    far = ScalarQuantizer(8).fit(x + np.arange(8, dtype=np.float32) * 50)  # a center that widens every row's range
    center = far.center_.copy()
    assert codec_loss(far, x, metric="l2").reconstruction > codec_loss(codec, x, metric="l2").reconstruction
    assert (far.center_ == center).all()


def test_hard_rows_are_measured(make_codec):
    few = getattr(make_codec(), "bits", 8) < 4 or getattr(make_codec(), "loops", 8) < 4
    for x in (np.ones((2, 1), np.float32), np.full((50, 6), 3, np.float32), np.repeat(gaussian(10, 6), 10, axis=0)):
        loss = codec_loss(make_codec(), x, k=1)
        assert 0 <= loss.recall <= 1 and np.isfinite(loss.bias) and loss.reconstruction < (0.6 if few else 0.02)
    assert codec_loss(make_codec(), np.zeros((20, 3), np.float32), k=1, metric="l2").reconstruction == 0


def test_the_list_of_codecs_is_whole():
    public = [getattr(nearfield.quantize, name) for name in nearfield.quantize.__all__]
    classes = {o.__name__ for o in public if isinstance(o, type) and issubclass(o, Codec) and o is not Codec}
    assert classes == {name for _, name in CODEC_CLASSES.values()}


def test_the_result_cannot_be_changed():
    loss = codec_loss(Float32(), gaussian(50, 4))
    assert isinstance(loss, CodecLoss)
    with pytest.raises(dataclasses.FrozenInstanceError):
        loss.recall = 1.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"codec": "scalar"}, TypeError, "codec: expected a Codec, got 'scalar'"),
        ({"metric": "dot"}, ValueError, "metric: expected one of 'cosine', 'ip', 'l2', got 'dot'"),
        ({"k": 41}, ValueError, "k: expected"),
        ({"k": 0}, ValueError, "k: expected"),
        ({"vectors": np.full((4, 3), np.nan)}, ValueError, "vectors: expected finite values"),
        ({"vectors": np.zeros((4, 3))}, ValueError, "vectors: expected"),
        ({"vectors": np.ones((1, 3))}, ValueError, "vectors: expected at least 2 rows, got 1"),
        ({"queries": np.ones((2, 5))}, ValueError, "queries: expected 3 dimensions, got 5"),
        ({"codec": ScalarQuantizer(8).fit(np.eye(4))}, ValueError, "vectors: expected 4 dimensions, got 3"),
    ],
)
def test_bad_arguments_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        codec_loss(**({"codec": Float32(), "vectors": gaussian(50, 3)} | options))

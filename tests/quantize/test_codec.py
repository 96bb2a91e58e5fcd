"""One suite for every codec: what an index and a file rely on."""

import json

import numpy as np
import pytest

import nearfield.quantize
from nearfield import native
from nearfield.quantize import Codec, Float32, ScalarQuantizer, codec_from_dict

DIMS = [1, 2, 7, 16, 33, 384]


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_every_codec_of_the_room_is_in_this_suite(every_codec):
    public = [getattr(nearfield.quantize, name) for name in nearfield.quantize.__all__]
    classes = {o for o in public if isinstance(o, type) and issubclass(o, Codec) and o is not Codec}
    assert classes == {type(make()) for make in every_codec}


@pytest.mark.parametrize("d", DIMS)
def test_rows_take_the_bytes_it_says(make_codec, d):
    x = gaussian(20, d)
    codec = make_codec()
    assert codec.fit(x) is codec and codec.dim_ == d
    codes = codec.encode(x)
    assert codes.dtype == codec.dtype and len(codes) == 20
    assert codes.nbytes == 20 * codec.bytes_per_vector
    decoded = codec.decode(codes)
    assert decoded.dtype == np.float32 and decoded.shape == x.shape
    share = {"sq1": 0.65, "sq2": 0.16}.get(codec.kind, 0.02)
    assert ((decoded - x) ** 2).sum() <= share * (x**2).sum()


def test_the_longest_vectors(make_codec):
    x = gaussian(30, native.MAX_DIM)
    codec = make_codec().fit(x)
    codes = codec.encode(x)
    assert codes.nbytes == 30 * codec.bytes_per_vector
    assert ((codec.decode(codes) - x) ** 2).sum() < (x**2).sum()
    space, queries = codec.space(codes), codec.prepare_queries(x[:5])
    assert native.scan(space, queries, 1, metric="l2").rows[:, 0].tolist() == list(range(5))


def test_a_single_vector_is_answered_in_kind(make_codec):
    x = gaussian(20, 12)
    codec = make_codec().fit(x)
    codes = codec.encode(x)
    assert (codec.encode(x[3]) == codes[3]).all() and codec.encode(x[3]).ndim == 1
    assert (codec.decode(codes[3]) == codec.decode(codes)[3]).all()


def test_rows_are_encoded_one_by_one(make_codec):
    x = gaussian(700, 24)
    codec = make_codec().fit(x)
    whole = codec.encode(x)
    for part in (slice(0, 1), slice(5, 300), slice(699, 700)):
        assert codec.encode(x[part]).tobytes() == whole[part].tobytes()
    assert codec.encode(x[:0]).shape == (0, whole.shape[1])
    assert codec.decode(whole[:0]).shape == (0, 24)


def test_decoding_and_encoding_again_changes_little(make_codec):
    x = gaussian(50, 24)
    codec = make_codec().fit(x)
    once = codec.decode(codec.encode(x))
    again = codec.decode(codec.encode(once))
    assert ((again - once) ** 2).sum() <= 1.01 * ((once - x) ** 2).sum()


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("d", DIMS)
def test_scores_are_those_of_the_decoded_rows(make_codec, metric, d):
    x, queries = gaussian(60, d), gaussian(5, d, seed=1)
    codec = make_codec().fit(x)
    codes = codec.encode(x)
    decoded = codec.decode(codes).astype(np.float64)
    for query in queries:
        scores = codec.scorer(query, metric)(codes)
        assert scores.dtype == np.float32 and scores.shape == (60,)
        truth = -decoded @ query if metric == "ip" else ((decoded - query) ** 2).sum(1)
        if codec.unbiased and metric == "l2":  # the length is that of the vector
            own, kept = (((rows - codec.center_) ** 2).sum(1) for rows in (x.astype(np.float64), decoded))
            truth = np.maximum(truth + own - kept, 0)
        lengths = np.linalg.norm(decoded, axis=1) + np.linalg.norm(codec.decode(codes).mean(0)) + 1
        # Fifteen bits of the query: six deviations of a sum of uniform errors.
        allowed = (np.abs(query).max() + 2) / 16065 * lengths * 6 + 1e-5
        assert (np.abs(scores - truth) <= 2 * allowed).all()
        assert (codec.scorer(query, metric)(codes[7:9]) == scores[7:9]).all()
    assert codec.scorer(queries[0], metric)(codes[:0]).shape == (0,)


def test_what_was_fitted_comes_back_from_json_and_arrays(make_codec):
    x = gaussian(80, 20) + 3
    codec = make_codec().fit(x)
    description = json.loads(json.dumps(codec.to_dict()))
    arrays = {name: array.copy() for name, array in codec.to_arrays().items()}
    other = codec_from_dict(description, 20, arrays)
    assert type(other) is type(codec) and repr(other) == repr(codec) and other.dim_ == 20
    assert other.encode(x).tobytes() == codec.encode(x).tobytes()
    assert (other.decode(codec.encode(x)) == codec.decode(codec.encode(x))).all()
    unfitted = codec_from_dict(description)
    assert not hasattr(unfitted, "dim_")
    assert unfitted.fit(x).encode(x).tobytes() == codec.encode(x).tobytes()


def test_fitting_again_forgets_the_first(make_codec):
    first, second = gaussian(50, 8), gaussian(50, 9) + 5
    codec = make_codec().fit(first).fit(second)
    assert codec.encode(second).tobytes() == make_codec().fit(second).encode(second).tobytes()


def test_the_repr_makes_the_codec(make_codec):
    codec = make_codec()
    again = eval(repr(codec), {name: getattr(nearfield.quantize, name) for name in nearfield.quantize.__all__})
    assert again.to_dict() == codec.to_dict()


def test_rows_do_not_depend_on_threads_or_level(make_codec):
    x = gaussian(1000, 40)
    codec = make_codec().fit(x)
    codes, before, level = codec.encode(x).tobytes(), native.threads(), native.simd_level()
    try:
        for threads in (1, 2, 5):
            native.set_threads(threads)
            for name in native.simd_levels():
                native.set_simd_level(name)
                assert codec.encode(x).tobytes() == codes
    finally:
        native.set_threads(before)
        native.set_simd_level(level)


@pytest.mark.parametrize("x", [np.zeros((3, 5)), np.ones((1, 5)), np.full((4, 5), -7.0), np.eye(5) * 1e-20])
def test_constant_and_tiny_rows_are_kept(make_codec, x):
    x = x.astype(np.float32)
    codec = make_codec().fit(x)
    assert np.abs(codec.decode(codec.encode(x)) - x).max() <= 1e-7


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vectors", "error", "message"),
    [
        (np.empty((0, 4), np.float32), ValueError, "vectors: expected at least 1 rows, got 0"),
        (np.empty((4, 0), np.float32), ValueError, "vectors: expected at least 1 dimension, got 0"),
        (np.full((3, 4), np.nan), ValueError, "vectors: expected finite values, got NaN or infinity in row 0"),
        (np.float32([[0, 0], [0, np.inf]]), ValueError, "in row 1"),
        (np.full((3, 4), 1e20), TypeError, "vectors: dtype float64 would lose precision"),
        (np.full((3, 4), 1e20, np.float32), ValueError, "vectors: expected lengths from 0 to 1e"),
        (np.zeros((2, 3, 4)), ValueError, r"vectors: expected shape \(n, d\) or \(d,\), got \(2, 3, 4\)"),
        ([["a", "b"]], TypeError, "vectors: expected an array of numbers"),
        (np.array([[0.1, 0.2]]), TypeError, "dtype float64 would lose precision as float32"),
    ],
)
def test_fit_refuses(make_codec, vectors, error, message):
    with pytest.raises(error, match=message):
        make_codec().fit(vectors)


def test_encode_and_decode_refuse(make_codec):
    x = gaussian(10, 8)
    codec = make_codec().fit(x)
    codes = codec.encode(x)
    with pytest.raises(ValueError, match="vectors: expected 8 dimensions, got 7"):
        codec.encode(x[:, :7])
    with pytest.raises(ValueError, match="vectors: expected finite values"):
        codec.encode(np.full((1, 8), np.nan))
    for wrong in (codes[:, :-1], codes[None], codes.astype(np.int32), codes.astype(np.float64)):
        with pytest.raises(ValueError, match="codes: expected"):
            codec.decode(wrong)


def test_scorer_refuses(make_codec):
    codec = make_codec().fit(gaussian(10, 8))
    with pytest.raises(ValueError, match="metric: expected one of 'ip', 'l2', got 'cosine'"):
        codec.scorer(np.ones(8), "cosine")
    with pytest.raises(ValueError, match="query: expected 8 dimensions, got 7"):
        codec.scorer(np.ones(7), "ip")
    with pytest.raises(ValueError, match="query: expected one vector"):
        codec.scorer(np.ones((1, 8)), "ip")
    with pytest.raises(ValueError, match="data: expected"):
        codec.scorer(np.ones(8), "ip")(np.zeros((3, 99), np.uint8))


def test_nothing_works_before_fit(make_codec):
    codec = make_codec()
    calls = [
        lambda: codec.encode(np.ones((1, 3))),
        lambda: codec.decode(np.ones((1, 3))),
        lambda: codec.scorer(np.ones(3), "ip"),
        lambda: codec.bytes_per_vector,
        lambda: codec.space(np.ones((1, 3))),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="is not fitted; call fit first"):
            call()


def test_unknown_descriptions_are_refused():
    with pytest.raises(ValueError, match=r"codec: expected one of 'float32', 'float16', 'scalar', .* got 'unknown'"):
        codec_from_dict({"codec": "unknown"})
    with pytest.raises(ValueError, match="codec: expected one of"):
        codec_from_dict({})
    with pytest.raises(KeyError, match="center"):
        codec_from_dict(ScalarQuantizer().to_dict(), 4, {})
    assert isinstance(codec_from_dict({"codec": "float32"}, 4), Float32)

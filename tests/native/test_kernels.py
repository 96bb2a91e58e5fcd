"""Every kernel against numpy in float64 and against its scalar twin: each dimension has its own tail."""

import numpy as np
import pytest

from nearfield import native

DIMS = [*range(1, 131), 255, 256, 257, 384, 511, 784, 1023, 4096, 8192]
ROWS = 11  # two tiles of four rows and a tail of three
QUERIES = 7  # a tile of four targets and one of three
EPSILON = 2.0**-24
CODES = ["sq8", "sq4", "sq2", "sq1"]


def reference(queries, rows, metric):
    """Scores in float64, and the largest error a float32 sum in eight or more lanes can have."""
    q, x = queries.astype(np.float64), rows.astype(np.float64)
    terms = q[:, None, :] * x[None] if metric == "ip" else (q[:, None, :] - x[None]) ** 2
    steps = q.shape[1] / 8 + 16
    return (-1 if metric == "ip" else 1) * terms.sum(-1), steps * EPSILON * np.abs(terms).sum(-1) + 1e-40


def all_scores(space, queries, metric):
    """Scores of every row for every query, through the tiles of a scan."""
    found = native.scan(space, queries, space.n, metric=metric, threads=1)
    scores = np.full((len(queries), space.n), np.nan, np.float32)
    np.put_along_axis(scores, found.rows, found.scores, axis=1)
    return scores


def one_by_one(space, queries, metric):
    return native.score(space, queries, np.arange(space.n, dtype=np.uint32), metric=metric)


def float_space(kind, rows):
    return native.make_space(kind, rows.astype(np.float32 if kind == "f32" else np.float16), rows.shape[1])


class Codes:
    """Code rows made by hand: any codes, any range, the header as the format says."""

    def __init__(self, kind, codes, low, step, center):
        n, d = codes.shape
        self.kind, self.codes, self.center = kind, codes.astype(np.int64), center.astype(np.float32)
        self.low, self.step = low.astype(np.float32), step.astype(np.float32)
        values = self.low[:, None].astype(np.float64) + self.step[:, None].astype(np.float64) * codes
        self.values = values
        bits = int(kind[2:])
        packed = codes.astype(np.uint8)
        if bits == 1:
            packed = np.packbits(packed, axis=1, bitorder="little")
        elif bits < 8:
            planes = np.zeros((n, 8 // bits, -(-d * bits // 8)), np.uint8)
            planes.reshape(n, -1)[:, :d] = packed
            packed = np.bitwise_or.reduce(planes << np.arange(0, 8, bits, dtype=np.uint8)[:, None], axis=1)
        header = np.zeros(n, [("low", "<f4"), ("step", "<f4"), ("norm2", "<f4"), ("sum", "<i4")])
        header["low"], header["step"], header["norm2"] = self.low, self.step, (values**2).sum(1)
        header["sum"] = codes.sum(1)
        self.rows = np.zeros((n, native.code_row_bytes(kind, d)), np.uint8)
        self.rows[:, :16] = header.view(np.uint8).reshape(n, 16)
        self.rows[:, 16 : 16 + packed.shape[1]] = packed
        self.space = native.make_space(kind, self.rows, d, center=self.center)

    @classmethod
    def random(cls, kind, n, d, rng):
        top = 2 ** int(kind[2:]) - 1
        codes = rng.integers(0, top + 1, (n, d))
        codes[0], codes[1] = 0, top
        codes[2, ::2], codes[2, 1::2] = 0, top
        return cls(kind, codes, rng.normal(size=n), rng.random(n), rng.normal(size=d))

    def scores(self, queries, metric):
        """What the format promises, in float64, and the error that rounding to float32 may add."""
        q, c = queries.astype(np.float64), self.center.astype(np.float64)
        v = (queries - self.center).astype(np.float64) if metric == "l2" else q  # the difference is a float32
        step = np.maximum(np.abs(v).max(1) / 16065, np.abs(v).sum(1) * 255 / 2.1e9)
        step[step == 0] = 1
        kept = np.rint(v / step[:, None]) * step[:, None]
        product = kept @ self.values.T
        size = np.abs(self.low) * np.abs(kept.sum(1))[:, None] + np.abs(kept @ (self.step[:, None] * self.codes).T)
        if metric == "ip":
            base = (v * c).sum(1)[:, None]
            return -(base + product), 8 * EPSILON * (np.abs(base) + size)
        base, norm2 = (v * v).sum(1)[:, None], (self.values**2).sum(1)
        return np.maximum(base + norm2 - 2 * product, 0), 8 * EPSILON * (base + norm2 + 2 * size)

    def pairs(self, row):
        """Squared distances between the stored rows, in float64, and what float32 may add."""
        d = self.codes.shape[1]
        truth = ((self.values[row] - self.values) ** 2).sum(1)
        low, step, total = (a.astype(np.float64) for a in (self.low, self.step, self.codes.sum(1)))
        parts = [
            d * low[row] * low,
            low[row] * step * total,
            low * step[row] * total[row],
            step[row] * step * (self.codes[row] @ self.codes.T),
        ]
        size = sum(np.abs(part) for part in parts) * 2 + (self.values**2).sum(1) + (self.values[row] ** 2).sum()
        return truth, 8 * EPSILON * size


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_float_kernels_in_every_dimension(kind, metric, level):
    rng = np.random.default_rng(0)
    for d in DIMS:
        rows = rng.normal(size=(ROWS, d)).astype(np.float16).astype(np.float32)  # exact in both kinds
        queries = rng.normal(size=(QUERIES, d)).astype(np.float32)
        space = float_space(kind, rows)
        truth, allowed = reference(queries, rows, metric)
        single = one_by_one(space, queries, metric)
        assert (np.abs(single - truth) <= allowed).all(), f"{kind} {metric} d={d}"
        assert all_scores(space, queries, metric).tobytes() == single.tobytes(), f"batch, d={d}"


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_float_kernels_against_the_scalar_twin(kind, metric, on_level):
    rng = np.random.default_rng(1)
    for d in DIMS:
        rows, queries = rng.normal(size=(ROWS, d)), rng.normal(size=(QUERIES, d)).astype(np.float32)
        space = float_space(kind, rows)
        twin = on_level("scalar", one_by_one, space, queries, metric)
        _, allowed = reference(queries, rows.astype(np.float16 if kind == "f16" else np.float32), metric)
        for name in native.simd_levels():
            assert (np.abs(on_level(name, one_by_one, space, queries, metric) - twin) <= 2 * allowed).all(), (name, d)


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("kind", CODES)
def test_code_kernels_in_every_dimension(kind, metric, on_level):
    rng = np.random.default_rng(2)
    for d in DIMS:
        codes = Codes.random(kind, ROWS, d, rng)
        queries = rng.normal(size=(QUERIES, d)).astype(np.float32)
        truth, allowed = codes.scores(queries, metric)
        twin = on_level("scalar", one_by_one, codes.space, queries, metric)
        assert (np.abs(twin - truth) <= allowed + 1e-30).all(), f"{kind} {metric} d={d}"
        for name in native.simd_levels():  # integer sums: the same bits on every level
            assert on_level(name, one_by_one, codes.space, queries, metric).tobytes() == twin.tobytes(), (name, d)
            assert on_level(name, all_scores, codes.space, queries, metric).tobytes() == twin.tobytes(), (name, d)


@pytest.mark.parametrize("kind", CODES)
def test_pair_kernels_of_codes(kind, on_level):
    rng = np.random.default_rng(3)
    ids = np.arange(ROWS, dtype=np.uint32)
    for d in DIMS:
        codes = Codes.random(kind, ROWS, d, rng)
        for row in (0, 1, ROWS - 1):
            truth, allowed = codes.pairs(row)
            twin = on_level("scalar", native.score_pairs, codes.space, row, ids)
            assert (np.abs(twin - truth) <= allowed + 1e-30).all(), f"{kind} d={d}"
            for name in native.simd_levels():
                assert on_level(name, native.score_pairs, codes.space, row, ids).tobytes() == twin.tobytes(), (name, d)


@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_pair_kernels_of_floats(kind, level):
    rng = np.random.default_rng(4)
    ids = np.arange(ROWS, dtype=np.uint32)
    for d in DIMS:
        rows = rng.normal(size=(ROWS, d)).astype(np.float16).astype(np.float32)
        space = float_space(kind, rows)
        truth, allowed = reference(rows[5:6], rows, "l2")
        assert (np.abs(native.score_pairs(space, 5, ids) - truth[0]) <= allowed[0]).all(), f"{kind} d={d}"


@pytest.mark.parametrize("kind", CODES)
def test_the_largest_sums_stay_within_int32(kind, level):
    d = native.MAX_DIM
    top = 2 ** int(kind[2:]) - 1
    codes = Codes(kind, np.full((2, d), top), np.zeros(2), np.ones(2), np.zeros(d))
    queries = np.stack([np.ones(d), -np.ones(d)]).astype(np.float32)
    truth, _ = codes.scores(queries, "ip")
    assert one_by_one(codes.space, queries, "ip") == pytest.approx(truth, rel=1e-6)
    assert native.score_pairs(codes.space, 0, np.uint32([1])) == pytest.approx([0], abs=1e-6 * d * top**2)


def test_every_half_is_read_exactly(level):
    bits = np.arange(1 << 16, dtype=np.uint16)
    halves = bits.view(np.float16)
    finite = np.isfinite(halves)
    # d = 9: eight lanes and a tail; the value stands once in each.
    for position in (0, 8):
        rows = np.zeros((1 << 16, 9), np.float16)
        rows[:, position] = halves
        query = np.zeros((1, 9), np.float32)
        query[0, position] = 1
        scores = native.score(
            native.make_space("f16", rows, 9), query, np.arange(1 << 16, dtype=np.uint32), metric="ip"
        )
        assert (-scores[0][finite] == halves[finite].astype(np.float32)).all()


def test_halves_in_pairs_are_read_exactly(level):
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    rows = np.stack([halves, np.zeros_like(halves)], axis=1)
    space = native.make_space("f16", rows, 2)
    zero = int(np.flatnonzero(halves == 0)[0])
    for row in range(0, len(halves), 997):
        score = native.score_pairs(space, row, np.uint32([zero]))[0]
        assert score == np.float32(halves[row]) * np.float32(halves[row])


EXTREMES = {
    "zeros": lambda rng, d: np.zeros(d),
    "ones": lambda rng, d: np.ones(d),
    "negative": lambda rng, d: -np.abs(rng.normal(size=d)),
    "large": lambda rng, d: 1e18 * rng.normal(size=d),
    "tiny": lambda rng, d: 1e-30 * rng.normal(size=d),
    "one outlier": lambda rng, d: np.where(np.arange(d) == d // 2, 1e6, 1e-3 * rng.normal(size=d)),
    "mixed": lambda rng, d: rng.normal(size=d) * 10.0 ** rng.integers(-9, 9, d),
}


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_values_in_floats(name, metric, level):
    rng = np.random.default_rng(5)
    for d in (1, 7, 16, 33, 130):
        rows = np.stack([EXTREMES[name](rng, d) for _ in range(ROWS)]).astype(np.float32)
        queries = np.stack([EXTREMES[name](rng, d) for _ in range(QUERIES)]).astype(np.float32)
        truth, allowed = reference(queries, rows, metric)
        assert (np.abs(one_by_one(native.make_space("f32", rows, d), queries, metric) - truth) <= allowed).all()


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("name", [name for name in EXTREMES if name != "large"])
def test_extreme_values_in_codes(name, kind, on_level):
    rng = np.random.default_rng(6)
    for d in (1, 7, 16, 33, 130):
        rows = np.stack([EXTREMES[name](rng, d) for _ in range(ROWS)]).astype(np.float32)
        center = rows.mean(0)
        coarse = kind in ("sq2", "sq1")
        codes = native.encode_symmetric(kind, "product", rows - center) if coarse else native.encode(kind, rows, center)
        space = native.make_space(kind, codes, d, center=center)
        for metric in ("ip", "l2"):
            twin = on_level("scalar", one_by_one, space, rows, metric)
            assert np.isfinite(twin).all()
            for level in native.simd_levels():
                assert on_level(level, one_by_one, space, rows, metric).tobytes() == twin.tobytes()


def test_equal_rows_have_no_distance(level):
    rng = np.random.default_rng(7)
    ids = np.uint32([0, 1, 2])
    for d in (1, 16, 77):
        rows = np.repeat(rng.normal(size=(1, d)).astype(np.float32), 3, axis=0)
        for kind in ("f32", "f16"):
            space = float_space(kind, rows)
            assert (native.score_pairs(space, 0, ids) == 0).all()
        assert (native.score(native.make_space("f32", rows, d), rows, ids, metric="l2") == 0).all()


def test_a_scale_multiplies_each_rows_product(level):
    rng = np.random.default_rng(8)
    rows, queries = (rng.normal(size=(n, 33)).astype(np.float32) for n in (ROWS, QUERIES))
    scale = rng.random(ROWS).astype(np.float32)
    plain = native.score(native.make_space("f32", rows, 33), queries, np.arange(ROWS), metric="ip")
    scaled = native.score(native.make_space("f32", rows, 33, scale=scale), queries, np.arange(ROWS), metric="ip")
    assert (scaled == plain * scale).all()


def test_rows_are_read_where_the_list_says_in_any_order(level):
    rng = np.random.default_rng(9)
    rows, query = rng.normal(size=(50, 19)).astype(np.float32), rng.normal(size=(1, 19)).astype(np.float32)
    space = native.make_space("f32", rows, 19)
    in_order = native.score(space, query, np.arange(50), metric="ip")
    for length in range(14):
        picked = rng.integers(0, 50, length).astype(np.uint32)
        assert (native.score(space, query, picked, metric="ip")[0] == in_order[0][picked]).all()

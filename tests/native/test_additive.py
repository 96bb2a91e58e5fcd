"""Additive codes: scores against numpy, the same bits on every level, and nothing read out of bounds."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import additive


@pytest.fixture
def levels():
    before = native.simd_level()
    yield native.simd_levels()
    native.set_simd_level(before)


def books(count, dim, seed=0):
    """Overlapping books of uneven widths, some of which share their words."""
    rng = np.random.default_rng(seed)
    begin = rng.integers(0, dim, count)
    width = np.array([rng.integers(1, dim - b + 1) for b in begin])
    first = np.where(np.arange(count) % 3 == 2, 0, np.cumsum(width) - width)
    words = rng.standard_normal((int(width.sum()) + dim, 256), np.float32)
    return words, np.stack([begin, width, first], 1).astype(np.int32), rng.standard_normal(dim).astype(np.float32)


def rows(count, n, words, layout, center, seed=1):
    codes = np.random.default_rng(seed).integers(0, 256, (n, count), np.uint8)
    packed = additive.pack(codes, words, layout, len(center))
    decoded = np.tile(center.astype(np.float64), (n, 1))
    for m, (begin, width, first) in enumerate(layout):
        decoded[:, begin : begin + width] += words[first : first + width, codes[:, m]].T
    return packed, decoded


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize(("count", "dim"), [(1, 1), (3, 7), (16, 24), (17, 65), (48, 384), (70, 130)])
def test_scores_are_those_of_the_sum_of_words_on_every_level(levels, count, dim, metric):
    words, layout, center = books(count, dim)
    packed, decoded = rows(count, 37, words, layout, center)
    assert packed.shape == (37, additive.row_bytes(count)) and additive.row_bytes(count) == -(-(4 + count) // 4) * 4
    queries = np.random.default_rng(2).standard_normal((6, dim)).astype(np.float32)
    space = native.make_space("additive", packed, dim, center=center, words=words, layout=layout)
    truth = -queries @ decoded.T if metric == "ip" else ((queries[:, None] - decoded[None]) ** 2).sum(2)
    ids, found = np.arange(37, dtype=np.uint32), set()
    for level in levels:
        native.set_simd_level(level)
        scores = native.score(space, queries, ids, metric=metric)
        np.testing.assert_allclose(scores, truth, atol=2e-5 * np.abs(decoded).sum(1).max() * 3)
        assert (native.score(space, queries[2:3], ids[5:9], metric=metric) == scores[2:3, 5:9]).all()
        scanned = native.scan(space, queries, 5, metric=metric)
        found.add((scores.tobytes(), scanned.rows.tobytes(), native.score_pairs(space, 3, ids).tobytes()))
    assert len(found) == 1
    pairs = ((decoded - decoded[3]) ** 2).sum(1)
    np.testing.assert_allclose(native.score_pairs(space, 3, ids), pairs, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(additive.unpack(packed, words, layout, center), decoded, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [1, 2, 8, 33, 384])
def test_the_nearest_word_is_the_same_on_every_level_and_for_any_threads(levels, width):
    rng = np.random.default_rng(width)
    words, x = rng.standard_normal((width, 256), np.float32), rng.standard_normal((1037, width), np.float32)
    words[:, 200] = words[:, 17]  # of two equal words the first
    bias = (0.5 * (words.astype(np.float64) ** 2).sum(0)).astype(np.float32)
    truth = bias - x.astype(np.float64) @ words
    outcomes = set()
    for level in levels:
        native.set_simd_level(level)
        for threads in (1, 3):
            codes, scores = additive.nearest(x, words, bias, threads=threads)
            outcomes.add((codes.tobytes(), scores.tobytes()))
        assert additive.nearest(x[5:6], words, bias)[0][0] == codes[5]
    assert len(outcomes) == 1 and not (codes == 200).any()
    np.testing.assert_allclose(scores, truth.min(1), rtol=1e-4, atol=1e-4)
    assert (truth[np.arange(1037), codes] <= truth.min(1) + 1e-4).all()


@pytest.mark.parametrize(("dim", "columns"), [(1, 1), (7, 65), (100, 64), (33, 200)])
def test_a_product_has_the_same_bits_on_every_level(levels, dim, columns):
    rng = np.random.default_rng(0)
    x, matrix = rng.standard_normal((50, dim), np.float32), rng.standard_normal((dim, columns), np.float32)
    outcomes = set()
    for level in levels:
        native.set_simd_level(level)
        outcomes |= {additive.combine(x, matrix, threads=threads).tobytes() for threads in (1, 2)}
    assert len(outcomes) == 1
    np.testing.assert_allclose(additive.combine(x, matrix), x.astype(np.float64) @ matrix, atol=1e-4)


@pytest.mark.parametrize(
    ("row", "value"), [((0, 0), -1), ((0, 0), 24), ((1, 1), 2**31 - 1), ((2, 1), -3), ((1, 2), 10**6), ((0, 2), -1)]
)
def test_books_that_reach_out_of_bounds_are_refused(row, value):
    words, layout, center = books(3, 24)
    packed, _ = rows(3, 4, words, layout, center)
    layout[row] = value
    with pytest.raises(ValueError, match="layout: a book reaches beyond"):
        native.make_space("additive", packed, 24, center=center, words=words, layout=layout)
    with pytest.raises(ValueError, match="layout: a book reaches beyond"):
        additive.pack(np.zeros((2, 3), np.uint8), words, layout, 24)


def test_rows_that_do_not_fit_the_books_are_refused():
    words, layout, center = books(6, 24)
    packed, _ = rows(6, 4, words, layout, center)
    parts = {"center": center, "words": words, "layout": layout}
    for change, message in [
        ({"words": None}, "words, layout: expected both"),
        ({"layout": layout[:1]}, "data: expected uint8 code rows"),
        ({"center": center[:-1]}, "center: expected"),
        ({"words": words[:, :100].copy()}, r"words: expected float32 of shape \(rows, 256\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            native.make_space("additive", packed, 24, **(parts | change))
    with pytest.raises(ValueError, match="kind: expected 'sq8', 'sq4', 'sq2' or 'sq1' for codes"):
        native.code_row_bytes("additive", 24)

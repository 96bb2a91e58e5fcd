"""What only the graph promises: every row can be found, in whatever order and however alike the rows came."""

import numpy as np
import pytest

from nearfield import native
from nearfield.index import Flat, Graph
from nearfield.quantize import Float32, ScalarQuantizer
from nearfield.transform import PCA


def gaussian(rng, n):
    return rng.normal(size=(n, 12))


def clustered(rng, n):
    return rng.normal(size=(15, 12))[rng.integers(0, 15, n)] * 8 + 0.2 * rng.normal(size=(n, 12))


def mostly_one_value(rng, n):
    rows = rng.normal(size=(n, 12))
    rows[rng.permutation(n)[: 9 * n // 10]] = rng.normal(size=12)
    return rows


def ten_copies(rng, n):
    return rng.normal(size=(n // 10, 12))[rng.integers(0, n // 10, n)]


def all_equal(rng, n):
    return np.ones((n, 12))


def two_far_clusters(rng, n):
    rows = rng.normal(size=(n, 12))
    rows[rng.random(n) < 0.5] += 50
    return rows


def crowded_point(rng, n):
    rows = rng.normal(size=(n, 12))
    crowd = rng.permutation(n)[: 9 * n // 10]
    rows[crowd] = 1 + 1e-3 * rows[crowd]
    return rows


DATA = [gaussian, clustered, mostly_one_value, ten_copies, all_equal, two_far_clusters, crowded_point]


@pytest.mark.parametrize("make", DATA)
def test_every_row_is_reachable_and_found(make, metric, recall):
    rng = np.random.default_rng(0)
    rows = make(rng, 4000).astype(np.float32)
    for codec in (None, ScalarQuantizer(4), Float32()):
        index = Graph(metric, degree=16, build_beam=50, codec=codec, rescore="vectors").build(rows)
        assert index.reachable().all()
        picked = rng.permutation(4000)[:60]
        settings = {"candidates": 200}
        scanned = Flat(metric, codec=index.codec, rescore="vectors").build(rows).search(rows[picked], 10, **settings)
        found = index.search(rows[picked], 10, beam=400 if metric == "ip" else 200, **settings)
        # What codes cannot tell apart a scan loses too; the walk may lose little more.
        share, possible = (recall(f.rows, rows, rows[picked], metric, 10) for f in (found, scanned))
        if metric != "ip" or make not in (two_far_clusters, crowded_point):
            assert share >= possible - 0.02


def test_a_crowd_does_not_hide_what_lies_behind_it(recall):
    rng = np.random.default_rng(1)
    for make in (mostly_one_value, crowded_point):
        rows = make(rng, 10_000).astype(np.float32)
        value = np.median(rows, axis=0)
        others = np.flatnonzero(np.abs(rows - value).max(1) > 0.1)
        index = Graph("l2").build(rows)
        found = index.search(rows[others[:200]], 1)
        assert (found.rows[:, 0] == others[:200]).mean() > 0.97


def test_insertion_order_does_not_matter(recall):
    rng = np.random.default_rng(2)
    rows, queries = (rng.normal(size=(n, 16)).astype(np.float32) for n in (5000, 400))
    recalls = []
    for order in (rng.permutation(5000), np.argsort(rows[:, 0]), np.argsort(-rows[:, 0])):
        index = Graph("l2", codec=Float32()).build(rows[order])
        recalls.append(recall(index.search(queries, 10, beam=24).rows, rows[order], queries, "l2", 10))
    assert max(recalls) - min(recalls) < 0.01
    assert 0.9 < min(recalls) <= max(recalls) < 1, "the beam is too wide to show a difference"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["lean", "fast"])
def test_insertion_order_does_not_matter_among_clusters_or_on_real_vectors(layout, recall, real_rows):
    from nearfield.survey import local_intrinsic_dimension

    rng = np.random.default_rng(7)
    cluster = rng.integers(0, 50, 5800)
    made = rng.normal(size=(50, 32))[cluster] + 0.3 * rng.normal(size=(5800, 32))
    sets = [("l2", made.astype(np.float32), cluster)]
    if real_rows is not None:
        sets.append(("cosine", real_rows, np.arange(len(real_rows))))  # in the order of files, nouns to adverbs
    for metric, both, category in sets:
        chosen = rng.permutation(len(both))
        asked, kept = both[chosen[:800]], np.sort(chosen[800:])
        rows = both[kept]
        local = local_intrinsic_dimension(rows, k=50, metric=metric).arrays
        dimension = np.zeros(len(rows))
        dimension[local["rows"]] = local["per_row"]
        first = (rows - rows.mean(0)) @ np.linalg.svd(rows[:2000] - rows.mean(0), full_matrices=False)[2][0]
        orders = [rng.permutation(len(rows)), *map(np.argsort, (dimension, -dimension, category[kept], first))]
        recalls = []
        for order in orders:
            index = Graph(metric, layout=layout).build(rows[order])
            recalls.append(recall(index.search(asked, 10, beam=20).rows, rows[order], asked, metric, 10))
        assert max(recalls) - min(recalls) < 0.012, recalls  # a point, and what 8,000 answers leave to chance
        assert 0.8 < min(recalls) <= max(recalls) < 1


def test_wider_beams_find_more_and_score_more(make_rows, recall):
    rows, queries = make_rows(1500), make_rows(60, seed=1)
    index = Graph("l2", degree=8, build_beam=16, codec=Float32()).build(rows)
    beams = (10, 20, 40, 80)
    recalls = [recall(index.search(queries, 10, beam=beam).rows, rows, queries, "l2", 10) for beam in beams]
    counts = [index.count_distances(queries, 10, beam=beam).mean() for beam in beams]
    assert recalls == sorted(recalls) and counts == sorted(counts)
    assert recalls[0] < recalls[-1] and counts[-1] < 1500


def test_a_beam_below_k_is_widened(make_rows):
    index = Graph("l2").build(make_rows(1500))
    found = index.search(make_rows(60, seed=1), 30, beam=1)
    assert (found.rows >= 0).all()


def test_links_serve_other_codes_of_the_same_vectors(make_rows, recall):
    rows, queries = make_rows(1500), make_rows(60, seed=1)
    first = Graph("l2", degree=24, build_beam=60).build(rows)
    other = first.with_codes(rows, transform=PCA(24), codec=ScalarQuantizer(4), rescore=ScalarQuantizer(8))
    assert (other.arrays()["neighbors"] == first.arrays()["neighbors"]).all()
    assert recall(other.search(queries, 10, beam=100).rows, rows, queries, "l2", 10) > 0.97
    same = first.with_codes(rows)
    assert same.digest() == first.digest()
    with pytest.raises(ValueError, match=r"vectors: expected the shape this index was built from, \(1500, 32\)"):
        first.with_codes(rows[:-1])


def test_with_codes_keeps_the_layout_and_signs_its_own_codes():
    rows = np.random.default_rng(3).standard_normal((600, 40), dtype=np.float32)
    fast, lean = (Graph("l2", alpha=1.1, layout=layout).build(rows) for layout in ("fast", "lean"))
    other = fast.with_codes(rows, codec=ScalarQuantizer(8), rescore=ScalarQuantizer(8))
    alone = Graph("l2", rescore=ScalarQuantizer(8), alpha=1.1, layout="fast").build(rows)
    assert other.layout == "fast" and other.digest() == alone.digest()
    assert lean.with_codes(rows).layout == "lean" and "signs" not in lean.with_codes(rows).arrays()


def test_settings_and_seed_change_the_graph(make_rows):
    rows = make_rows(1500)[:400]
    settings = [{}, {"degree": 8}, {"build_beam": 8}, {"alpha": 2.0}, {"random_state": 1}]
    assert len({Graph("l2", **options).build(rows).digest() for options in settings}) == len(settings)


def test_memory_is_half_of_what_hnswlib_takes():
    # hnswlib keeps float32 rows and, at M = 16, 33 links and a length a row on its lowest layer.
    rows = np.random.default_rng(3).normal(size=(500, 384)).astype(np.float32)
    assert Graph("cosine").build(rows).memory()["total"] < 500 * (384 * 4 + 33 * 4 + 8) * 0.35


def test_a_flat_index_agrees_where_the_graph_sees_all(make_rows):
    rows, queries = make_rows(1500), make_rows(60, seed=1)
    walked = Graph("l2").build(rows).search(queries, 10, beam=1500)
    scanned = Flat("l2", codec=ScalarQuantizer(8)).build(rows).search(queries, 10)
    assert walked.distances.tobytes() == scanned.distances.tobytes() and (walked.rows == scanned.rows).all()


def test_the_fast_layout_finds_as_much_and_follows_fewer_rows(make_rows, recall):
    rows = np.random.default_rng(4).normal(size=(6000, 96)).astype(np.float32)
    rows[:, 1:] *= 0.97 ** np.arange(95, dtype=np.float32)
    queries = rows[:200] + np.float32(0.3) * np.random.default_rng(5).normal(size=(200, 96)).astype(np.float32)
    for metric in ("cosine", "l2"):
        lean = Graph(metric).build(rows)
        fast = Graph(metric, layout="fast").build(rows)
        assert (fast.arrays()["neighbors"] == lean.arrays()["neighbors"]).all()
        shares = [recall(i.search(queries, 10, beam=80).rows, rows, queries, metric, 10) for i in (lean, fast)]
        assert shares[0] > 0.97 and shares[1] > 0.94, shares  # seeds move the latter by 0.007
        assert fast.count_distances(queries, 10, beam=80).mean() < lean.count_distances(queries, 10, beam=80).mean() / 4


def test_the_fast_layout_gives_as_many_answers_as_there_are(make_rows):
    rows = np.repeat(make_rows(1500)[:40], 5, axis=0)
    index = Graph("l2", layout="fast", degree=6, build_beam=10).build(rows)
    for k in (1, 10, 199, 200, 300):
        found = index.search(rows[::20], k, beam=1)
        assert (np.sort(found.rows[:, : min(k, 200)], axis=1)[:, 0] >= 0).all()
        assert all(len(set(row[:200])) == min(k, 200) for row in found.rows)


def test_an_unknown_layout_is_refused():
    with pytest.raises(ValueError, match="layout: expected one of 'lean', 'fast', got 'wide'"):
        Graph(layout="wide")


def test_sample_queries_link_the_rows_they_have_in_common(recall):
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(6000, 48)).astype(np.float32)
    rows[:, :8] *= 3
    # Queries from elsewhere: far from every row, along directions in which the rows hardly differ.
    elsewhere = (0.2 * rng.normal(size=(1300, 48))).astype(np.float32)
    elsewhere[:, 8:] *= 15
    sample, asked = elsewhere[:1000], elsewhere[1000:]
    like_rows = rows[:300] + np.float32(0.1)
    for layout in ("lean", "fast"):
        without = Graph("l2", layout=layout).build(rows)
        index = Graph("l2", layout=layout).build(rows, queries=sample)
        assert index.reachable().all()

        def found(graph, queries, layout=layout):
            return recall(graph.search(queries, 10, beam=40).rows, rows, queries, "l2", 10)

        assert found(index, asked) > found(without, asked) + (0.03 if layout == "lean" else -0.01)  # what seeds do
        assert found(index, like_rows) > found(without, like_rows) - 0.005
        assert index.build(rows, queries=sample[:0]).digest() == without.digest()
        assert index.build(rows).digest() == without.digest()


def test_sample_queries_are_checked_and_may_be_few(make_rows, metric):
    rows = make_rows(1500)
    for n in (1, 2, 40):
        index = Graph(metric, degree=2, build_beam=4).build(rows[:n], queries=rows[:3])
        assert (index.search(rows[:1], n, beam=2 * n).rows >= 0).all()
    with pytest.raises(ValueError, match="queries: expected 32 dimensions, got 31"):
        Graph(metric).build(rows, queries=rows[:5, :31])
    with pytest.raises(ValueError, match="queries"):
        Graph(metric).build(rows, queries=np.full((2, 32), np.nan, np.float32))
    transformed = Graph(metric, transform=PCA(16, center=metric == "l2")).build(rows, queries=rows[:50])
    assert (transformed.search(rows[:20], 1, beam=100).rows[:, 0] >= 0).all()


def test_a_stitched_graph_does_not_depend_on_threads(make_rows):
    before = native.threads()
    digests = set()
    try:
        for threads in (1, 3):
            native.set_threads(threads)
            digests.add(Graph("l2").build(make_rows(1500), queries=make_rows(60, seed=1)).digest())
    finally:
        native.set_threads(before)
    assert len(digests) == 1


@pytest.mark.parametrize("layout", ["lean", "fast"])
def test_slack_ends_easy_walks_early_and_costs_little(metric, layout, recall):
    rng = np.random.default_rng(4)
    rows = (clustered(rng, 4000) + rng.normal(size=(4000, 12))).astype(np.float32)
    queries = (rows[:200] + 0.3 * rng.normal(size=(200, 12))).astype(np.float32)
    index = Graph(metric, layout=layout).build(rows)
    whole = index.search(queries, 10, beam=100)
    for slack, part in ((0.0, None), (0.2, None), (1e9, whole.rows)):
        found = index.search(queries, 10, beam=100, slack=slack).rows
        steps, most = (index.count_distances(queries, 10, beam=100, slack=s) for s in (slack, None))
        assert (steps <= most).all()
        if part is not None:
            assert (found == part).all()
        elif slack == 0.2 and metric != "ip":
            assert recall(found, rows, queries, metric, 10) >= recall(whole.rows, rows, queries, metric, 10) - 0.02
            assert steps.mean() < most.mean()
    alone = [index.search(q, 10, beam=100, slack=0.2).rows for q in queries[:20]]
    assert (np.array(alone) == index.search(queries, 10, beam=100, slack=0.2).rows[:20]).all()
    for bad in (-0.1, float("nan"), "much"):
        with pytest.raises((TypeError, ValueError), match="slack"):
            index.search(queries, 10, slack=bad)
    ten = index.search(queries, 10, beam=60, slack=0.05)
    three = index.search(queries, 3, beam=60, slack=0.05, slack_from=10)
    assert (three.rows == ten.rows[:, :3]).all() and (three.distances == ten.distances[:, :3]).all()
    assert (index.search(queries[0], 3, beam=60, slack=0.05, slack_from=10).rows == ten.rows[0, :3]).all()
    same = index.search(queries, 3, beam=60, slack_from=10).rows  # without slack there is nothing to measure
    assert (same == index.search(queries, 3, beam=60).rows).all()
    with pytest.raises(ValueError, match="slack_from: expected"):
        index.search(queries, 3, slack=0.1, slack_from=0)


def test_links_have_codes_of_several_bits_along_few_directions(recall):
    rng = np.random.default_rng(5)
    spread = np.float32(1.0) / np.arange(1, 65, dtype=np.float32)
    rows = rng.normal(size=(4000, 64)).astype(np.float32) * spread
    queries = rng.normal(size=(100, 64)).astype(np.float32) * spread
    sizes = {}
    for bits, dims in ((1, 64), (2, 64), (2, 32), (2, 16), (4, 16)):
        index = Graph("l2", layout="fast", link_bits=bits, link_dims=dims).build(rows)
        sizes[bits, dims] = index.memory()["graph"]
        assert recall(index.search(queries, 10, beam=60).rows, rows, queries, "l2", 10) > 0.97
        again = Graph("l2", layout="fast", link_bits=bits, link_dims=dims).build(rows)
        assert again.digest() == index.digest()
    assert sizes[2, 16] < sizes[2, 32] < sizes[2, 64] and sizes[2, 16] < sizes[4, 16] < sizes[2, 64]
    for name, value in (("link_bits", 5), ("link_bits", 0), ("link_dims", 0)):
        with pytest.raises(ValueError, match=name):
            Graph(layout="fast", **{name: value})


@pytest.mark.parametrize("layout", ["lean", "fast"])
def test_a_mended_graph_finds_what_no_link_led_to(layout, metric, make_rows):
    rows = make_rows(1500)
    index = Graph(metric, layout=layout, degree=16).build(rows)
    lost = np.setdiff1d(np.arange(0, 1500, 30), index._entries)
    sound, cut = index._neighbors, index._neighbors.copy()
    cut[np.isin(cut, lost)] = native.NO_LINK
    cut = np.take_along_axis(cut, np.argsort(cut == native.NO_LINK, axis=1, kind="stable"), axis=1)
    index._neighbors = cut
    index._sign()
    assert (np.flatnonzero(~index.reachable()) == lost).all()
    mended = index.mended()
    assert mended.reachable().all() and not index.reachable().all(), "the one it was made from stays as it is"
    assert mended.link_dims_ == index.link_dims_ and (mended.link_dims_ is None) == (layout == "lean")
    if metric != "ip":  # by inner product a longer row may be nearer than the row itself
        alone = (mended.search(rows[lost], 1, beam=200).rows[:, 0] == lost).mean()
        assert alone > 0.95 > (index.search(rows[lost], 1, beam=200).rows[:, 0] == lost).mean()
    index._neighbors = sound
    with pytest.raises(ValueError, match="missed: expected row numbers from 0 to 1499, got 0 to 1500"):
        index.mended(np.array([0, 1500]))
    with pytest.raises(ValueError, match="empty"):
        Graph().mended()

"""What lost a neighbour, where it is known because only one thing was made bad."""

import numpy as np
import pytest

from nearfield.index import IVF, Explanation, Flat, Graph, Hash, Missed, explain
from nearfield.quantize import Float32, ScalarQuantizer
from nearfield.transform import PCA


@pytest.fixture(scope="module")
def world(make_rows):
    return make_rows(1500), make_rows(60, seed=1)


def test_an_exact_search_misses_nothing(world, metric):
    for index, options in (
        (Flat(metric), {}),
        (Graph(metric, codec=Float32(), rescore="vectors"), {"beam": 1500}),
        (IVF(metric, codec=Float32()), {"probes": 1500}),
        (Hash(metric, codec=Float32(), bits=8), {"probes": 256}),
    ):
        explanation = explain(index.build(world[0]), *world, **options)
        assert explanation.missed == () and explanation.recall == 1 and explanation.wanted == 600
        assert str(explanation) == "recall 1.0000: 0 of 600 neighbours missed"


@pytest.mark.parametrize(
    ("stage", "make"),
    [
        ("code", lambda m: Flat(m, codec=ScalarQuantizer(4))),
        ("transform", lambda m: Flat(m, transform=PCA(8, center=m == "l2"))),
        ("rescore", lambda m: Flat(m, rescore=ScalarQuantizer(4))),
        ("rescore", lambda m: Graph(m, codec=Float32(), rescore=ScalarQuantizer(4))),
        ("code", lambda m: IVF(m, codec=ScalarQuantizer(4))),
        ("transform", lambda m: IVF(m, transform=PCA(8, center=m == "l2"), codec=Float32())),
        ("rescore", lambda m: IVF(m, codec=Float32(), rescore=ScalarQuantizer(4))),
        ("probes", lambda m: IVF(m, codec=Float32())),
        ("probes", lambda m: IVF(m, codec=Float32(), rescore="vectors")),
        ("code", lambda m: Hash(m, codec=ScalarQuantizer(4), bits=8)),
        ("transform", lambda m: Hash(m, transform=PCA(8, center=m == "l2"), codec=Float32(), bits=8)),
        ("rescore", lambda m: Hash(m, codec=Float32(), rescore=ScalarQuantizer(4), bits=8)),
        ("probes", lambda m: Hash(m, codec=Float32(), bits=8)),
        ("probes", lambda m: Hash(m, codec=Float32(), rescore="vectors", bits=8)),
        ("beam", lambda m: Graph(m, codec=Float32(), degree=6, build_beam=10)),
        ("beam", lambda m: Graph(m, codec=Float32(), degree=6, build_beam=10, layout="fast")),
    ],
)
def test_the_stage_that_was_made_bad_is_blamed(world, metric, stage, make, recall):
    index = make(metric).build(world[0])
    options = {"beam": 2 if stage == "beam" else 1500} if isinstance(index, Graph) else {}
    if isinstance(index, IVF | Hash):
        options = {"probes": 3 if stage == "probes" else 1500}
    explanation = explain(index, *world, **options)
    assert explanation.counts == {stage: len(explanation.missed)} and explanation.missed
    found = index.search(world[1], 10, **options).rows
    assert explanation.recall == pytest.approx(recall(found, *world, metric, 10), abs=1e-9)
    assert explanation.of(stage) == list(explanation.missed)
    for query, row, _ in explanation.missed:
        assert row not in found[query]


def test_a_row_without_a_way_to_it_is_told_from_a_narrow_beam(world):
    index = Graph("l2", codec=Float32()).build(world[0])
    lost = int(Flat("l2").build(world[0]).search(world[1][0], 1).rows[0])
    links = index._neighbors.copy()
    links[links == lost] = (lost + 1) % 1500
    index._neighbors, index._entries = links, index._entries[index._entries != lost]
    if not len(index._entries):
        index._entries = np.uint32([(lost + 1) % 1500])
    explanation = explain(index, world[0], world[1][0], beam=1500)
    assert explanation.missed == (Missed(0, lost, "unreachable"),)


def test_a_filter_is_not_held_against_the_index(world):
    allow = np.arange(1500) % 2 == 0
    index = Graph("l2", rescore="vectors").build(world[0])
    explanation = explain(index, *world, allow=allow, beam=1500, candidates=1500)
    assert set(explanation.counts) == {"filter"} and explanation.recall == 1
    assert all(one.row % 2 for one in explanation.missed)
    lists = explain(IVF("l2", rescore="vectors").build(world[0]), *world, allow=allow, probes=1500, candidates=1500)
    assert set(lists.counts) == {"filter"} and lists.recall == 1
    nothing = explain(index, *world, allow=np.zeros(1500, bool))
    assert nothing.wanted == 0 and nothing.recall == 1 and nothing.counts == {"filter": 600}


def test_a_twin_stands_in_for_its_twin(world):
    twice = np.concatenate([world[0], world[0]])
    index = Flat("l2", codec=ScalarQuantizer(8), rescore="vectors").build(twice)
    assert explain(index, twice, world[1], k=1, candidates=1).recall > 0.9
    assert explain(Flat("l2").build(twice[::-1].copy()), twice[::-1].copy(), world[1], k=7).missed == ()


def test_the_table_says_what_helps(world):
    text = str(explain(Graph("cosine", codec=ScalarQuantizer(4)).build(world[0]), *world, beam=10))
    assert text.startswith("recall 0.") and "use more bits" in text
    assert Explanation((), 0).recall == 1


def test_arguments_are_checked(world):
    index = Graph("l2").build(world[0])
    with pytest.raises(
        ValueError, match=r"vectors: expected those of the index, of shape \(1500, 32\), got \(1499, 32\)"
    ):
        explain(index, world[0][:-1], world[1])
    with pytest.raises(ValueError, match="beam: expected None for a Flat index"):
        explain(Flat("l2").build(world[0]), *world, beam=10)
    with pytest.raises(ValueError, match="probes: expected None for a Graph index"):
        explain(index, *world, probes=10)
    with pytest.raises(ValueError, match="beam: expected None for a IVF index"):
        explain(IVF("l2").build(world[0]), *world, beam=10)
    with pytest.raises(ValueError, match="stage: expected one of 'filter'"):
        explain(index, *world).of("luck")
    with pytest.raises(ValueError, match="queries: expected 32 dimensions"):
        explain(index, world[0], world[1][:, :4])
    with pytest.raises(ValueError, match="is empty; call build first"):
        explain(Graph("l2"), *world)

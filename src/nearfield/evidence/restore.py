"""RESTORE: what node embeddings of three families keep of their graph, and of what its nodes mean."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from ..datasets import load
from ..survey import Measure, graph_reconstruction, relation_offsets, similarity_error
from . import glosses, nodes
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "restore",
    "RESTORE: Graph Embedding Assessment Through Reconstruction",
    "nearfield.survey.graph_reconstruction, relation_offsets and similarity_error.",
)
EXACT = Claim(
    "With as many dimensions as the adjacency matrix has ranks, its factors give a 1-hop mAP of 0.99 or more."
)
CONTROL = Claim("Every family is far above vectors dealt out anew among the nodes: five times their 1-hop mAP or more.")
HOPS = Claim("mAP falls from each hop to the next (nearer nodes left out of the ranking).")
DIMS = Claim("1-hop mAP rises with the dimension, 8 to 32 to 128, or falls by at most 0.02.")
REWIRED = Claim("Embedding a graph with 20% of its edges rewired lowers every family's 1-hop mAP on the true graph.")
FAMILIES = Claim("Families come in another order by structure than by meaning.")
CLAIMS = (EXACT, CONTROL, HOPS, DIMS, REWIRED, FAMILIES)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    names = setting.pick(("email_eu", "cora"), ("email_eu",))
    graphs = {name: nodes.connected(load(name).adjacency)[0] for name in names}
    if setting.quick:
        graphs = {name: graph[:300][:, :300] for name, graph in graphs.items()}
        graphs = {name: nodes.connected(graph)[0] for name, graph in graphs.items()}
    exact = {n: _rebuilt(nodes.spectral(g, g.shape[0]), g).value for n, g in graphs.items()}
    yield Finding(EXACT, _list(exact) + ".", Verdict.of(min(exact.values()) >= 0.99, why="rounding"), exact)

    dims = setting.pick((8, 32, 128), (4, 16))
    made = {(n, f, d): nodes.FAMILIES[f](g, d) for n, g in graphs.items() for f in nodes.FAMILIES for d in dims}
    scores = {key: _rebuilt(vectors, graphs[key[0]]) for key, vectors in made.items()}
    middle = [(name, family, dims[1]) for name in graphs for family in nodes.FAMILIES]
    ratios = {}
    for key in middle:
        order = np.random.default_rng(0).permutation(graphs[key[0]].shape[0])
        dealt = nodes.Nodes(made[key].starts[order], made[key].ends[order], made[key].metric)
        ratios[f"{key[1]} on {key[0]}"] = scores[key].value / _rebuilt(dealt, graphs[key[0]]).value
    text = f"In {dims[1]} dimensions {min(ratios.values()):.1f} to {max(ratios.values()):.1f} times."
    low = ", ".join(key for key, ratio in ratios.items() if ratio < 5)
    yield Finding(CONTROL, text, Verdict.of(not low, in_part=min(ratios.values()) > 2, why=f"less for {low}"), ratios)

    by_hop = {f"{k[1]} on {k[0]}": [scores[k].parts[f"map_{h}"] for h in (1, 2, 3)] for k in middle}
    chance = {key[0]: [scores[key].parts[f"chance_{h}"] for h in (1, 2, 3)] for key in middle}
    rises = sorted({key[0] for key in middle if scores[key].parts["map_3"] > scores[key].parts["map_1"]})
    falls = [key for key, hops in by_hop.items() if all(a > b for a, b in pairwise(hops))]
    text = "; ".join(f"{key} {' '.join(f'{h:.2f}' for h in hops)}" for key, hops in by_hop.items())
    text += "; by chance " + "; ".join(f"{n} {' '.join(f'{h:.2f}' for h in hops)}" for n, hops in chance.items()) + "."
    why = f"it rises on {', '.join(rises) or 'some'}, where few nodes are left to rank and chance rises with it"
    numbers = {"map": by_hop, "chance": chance}
    yield Finding(HOPS, text, Verdict.of(len(falls) == len(by_hop), in_part=bool(falls), why=why), numbers)

    along = {f"{f} on {n}": [scores[n, f, d].value for d in dims] for n in graphs for f in nodes.FAMILIES}
    drops = {key: max(a - b for a, b in pairwise(line)) for key, line in along.items()}
    text = "; ".join(f"{key} {' '.join(f'{value:.2f}' for value in line)}" for key, line in along.items()) + "."
    low = ", ".join(key for key, drop in drops.items() if drop > 0.02)
    yield Finding(DIMS, text, Verdict.of(not low, in_part=min(drops.values()) <= 0.02, why=f"not for {low}"), along)

    lost = {}
    for name, family, dim in middle:
        noisy = nodes.FAMILIES[family](nodes.rewired(graphs[name], 0.2), dim)
        lost[f"{family} on {name}"] = scores[name, family, dim].value - _rebuilt(noisy, graphs[name]).value
    text = f"In {dims[1]} dimensions lower by {min(lost.values()):.3f} to {max(lost.values()):.3f}."
    kept = ", ".join(key for key, value in lost.items() if value <= 0)
    yield Finding(REWIRED, text, Verdict.of(not kept, in_part=max(lost.values()) > 0, why=f"not for {kept}"), lost)

    yield _families(setting, dims[1])


def _families(setting: Setting, dim: int) -> Finding:
    """On a part of WordNet's relations, whose nodes have meanings: the gloss vectors say how alike two are."""
    known = load("wn18rr")
    rows = glosses.rows_of(known.entities)
    every = np.concatenate([known.train, known.valid, known.test])
    every = every[(rows[every[:, [0, 2]]] >= 0).all(axis=1)]
    size = len(known)
    graph = sparse.csr_array((np.ones(len(every)), (every[:, 0], every[:, 2])), shape=(size, size))
    part, chosen = nodes.connected(graph)
    near = csgraph.breadth_first_order(part, 0, directed=False, return_predecessors=False)
    order = np.sort(near[: setting.pick(2_500, 400)])
    part, chosen = part[order][:, order], chosen[order]
    place = np.full(size, -1)
    place[chosen] = np.arange(len(chosen))
    triples = np.column_stack([place[every[:, 0]], every[:, 1], place[every[:, 2]]])
    triples = triples[(triples[:, [0, 2]] >= 0).all(axis=1)]
    meant = load("wordnet").vectors[rows[chosen]]
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(chosen), (20_000, 2))
    pairs = np.concatenate([pairs[pairs[:, 0] != pairs[:, 1]], triples[:, [0, 2]]])
    alike = np.einsum("ij,ij->i", meant[pairs[:, 0]], meant[pairs[:, 1]]).clip(-1, 1)
    found = {}
    for family, make in nodes.FAMILIES.items():
        made = make(part, dim)
        shifted = made.starts + 1e-9 * rng.standard_normal(made.starts.shape).astype(np.float32)
        likeness = similarity_error(shifted, pairs, alike)
        offsets = relation_offsets(shifted, triples, sample=setting.pick(1000, 100))
        found[family] = {
            "structure": _rebuilt(made, part).value,
            "similarity": likeness.parts["rank_correlation"],
            "error": likeness.value,
            "analogies": offsets.value,
            "without the step": offsets.parts["no_offset"],
        }
    text = f"{len(chosen):,} synonym sets of WN18RR in {dim} dimensions: " + "; ".join(
        f"{family}: mAP {line['structure']:.2f}, Spearman with the likeness of glosses {line['similarity']:.2f} (error "
        f"{line['error']:.2f}), analogies {line['analogies']:.0%} (without the step {line['without the step']:.0%})"
        for family, line in found.items()
    )
    best = {
        kind: max(found, key=lambda family: found[family][kind]) for kind in ("structure", "similarity", "analogies")
    }
    ranked = [sorted(found, key=lambda family: -found[family][kind]) for kind in ("structure", "similarity")]
    verdict = Verdict.of(
        best["structure"] not in (best["similarity"], best["analogies"]),
        in_part=ranked[0] != ranked[1],
        why=f"the orders differ, but {best['structure']} leads by structure and by one of the two tests of meaning",
    )
    return Finding(FAMILIES, text + ".", verdict, found)


def _rebuilt(vectors: nodes.Nodes, graph: sparse.csr_array) -> Measure:
    return graph_reconstruction(vectors.starts, graph, targets=vectors.ends, metric=vectors.metric, sample=500)


def _list(values: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:.4f}" for key, value in values.items())

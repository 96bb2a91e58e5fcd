"""Graph reconstruction: whether the rows nearest in the space are the neighbours in a graph, hop by hop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from ..common.interval import student_interval
from .adjacency import adjacency, hops_from
from .collection import Collection
from .measure import Measure, undefined

_NAME, _TITLE = "graph_reconstruction", "Graph reconstruction"
_SOURCE = "RESTORE: Yip et al., Graph Embedding Assessment Through Reconstruction, 2023"
_FEWEST = 10
# Scores that may be ranked: of a million nodes, 100 rank the others.
_RANKED, _LEAST, _CELLS = 1e8, 100, 1 << 24


def graph_reconstruction(
    vectors: Any,
    graph: Any,
    *,
    targets: Any = None,
    hops: int = 3,
    k: int = 10,
    metric: str = "cosine",
    sample: int = 1000,
    random_state: int = 0,
) -> Measure:
    """How well the graph can be rebuilt from the vectors of its nodes: mean average precision of its edges.

    Each sampled node ranks all others by similarity; the average precision of its true neighbours in that ranking
    is 1 when they come first. The mean over nodes is the value; ``parts`` tell the same for each further hop
    (``map_2``: the nodes exactly two edges away, nearer ones left out of the ranking; ``within_2``: all up to two),
    beside what a random ranking would score (``chance_2``, exact), ``precision_at_k`` per node, and
    ``pair_precision``: of as many best-scored pairs as there are edges, how many are edges. Choose it for vectors of
    nodes when the graph is at hand; for rows with labels take :func:`neighbor_purity`, for relations of several kinds
    :func:`relation_offsets`.

    Parameters
    ----------
    vectors : (n, d) one row a node.
    graph : sparse (n, n), nonzero where an edge leads from the row to the column; or (m, 2) edges. An undirected
        graph holds each edge in both directions. Loops are left out.
    targets : (n, d) the vectors of nodes as ends of edges, where a method makes two (HOPE, factors of an adjacency
        matrix); None: ``vectors``.
    hops : how far to look; 3 reaches most of a small graph.
    k : for ``precision_at_k``.
    metric : "cosine", "ip" or "l2": by what pairs are ranked. Factors of a matrix are made for "ip".
    sample : nodes that rank the others, fewer for over 100,000 nodes (not below 100). Only nodes with an edge do.
    random_state : the seed of the sample and of the order of ties.

    Returns
    -------
    Measure
        NaN when fewer than 10 nodes have an edge that leads from them. Arrays: ``map``, ``low``, ``high``, ``chance``
        for each hop; ``precisions`` of the nodes at the first.

    Raises
    ------
    ValueError : graph or targets of another size, rows out of range, NaN, zero vectors under cosine.

    Notes
    -----
    The paper ranks nodes and compares with neighbourhoods of growing radius without saying what chance would give;
    here hops are told apart, so that a wide neighbourhood does not score well for being wide. Ties are broken
    at random.

    Examples
    --------
    >>> ring = np.arange(60)
    >>> angle = 2 * np.pi * ring / 60
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    >>> edges = np.concatenate([np.column_stack([ring, (ring + step) % 60]) for step in (1, -1)])
    >>> found = graph_reconstruction(circle, edges)
    >>> found.value, found.parts["map_3"], round(found.parts["chance_1"], 2)
    (1.0, 1.0, 0.09)
    """
    check_int(hops, "hops", 1, 100)
    check_int(k, "k", 1)
    check_int(sample, "sample", _FEWEST)
    seed = check_random_state(random_state)
    space = Collection.of(vectors, metric)
    ends = space if targets is None else Collection.of(targets, metric)
    if ends.vectors.shape != space.vectors.shape:
        raise ValueError(f"targets: expected shape {space.vectors.shape} like vectors, got {ends.vectors.shape}")
    edges = adjacency(graph, len(space))
    rng = np.random.default_rng([seed, 90])
    linked = np.flatnonzero(np.diff(edges.indptr))
    if len(linked) < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} nodes with an edge that leads from them, and there are {len(linked)}."
        return undefined(_NAME, _TITLE, why, source=_SOURCE)
    count = int(min(sample, max(_RANKED / len(space), _LEAST)))
    asked = np.sort(rng.permutation(linked)[:count])
    shuffled = rng.permutation(len(space))
    found = _Rankings(space, ends, hops, k).run(edges, asked, shuffled)
    return _told(found, len(linked), len(asked), len(space), edges.nnz, k)


class _Rankings:
    """What the rankings of the asked nodes give: per node and hop, average precision and chance."""

    def __init__(self, space: Collection, ends: Collection, hops: int, k: int) -> None:
        self.space, self.ends, self.hops, self.k = space, ends, hops, k
        self.rings: list[np.ndarray] = []
        self.within: list[np.ndarray] = []
        self.chance: list[np.ndarray] = []
        self.at_k: list[float] = []
        self.best: list[np.ndarray] = []
        self.pair_precision = math.nan

    def run(self, edges: Any, asked: np.ndarray, order: np.ndarray) -> _Rankings:
        n = len(self.space)
        harmonic = float((1 / np.arange(1, n + 1)).sum())
        ends = self.ends.take(order) * self.ends.shrink
        lengths = np.einsum("ij,ij->i", ends, ends, dtype=np.float64)
        place = np.empty(n, np.int64)
        place[order] = np.arange(n)
        kept = int(np.diff(edges.indptr)[asked].sum())
        scores_kept: list[np.ndarray] = []
        hits_kept: list[np.ndarray] = []
        step = max(1, _CELLS // n)
        for start in range(0, len(asked), step):
            rows = asked[start : start + step]
            scores = (self.space.take(rows) * self.ends.shrink) @ ends.T
            if self.space.metric == "l2":
                scores = (scores - lengths / 2).astype(np.float32)  # as distances order them
            scores[np.arange(len(rows)), place[rows]] = -np.inf
            distance = hops_from(edges, rows, self.hops)[:, order]
            ranked = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
            hop = np.take_along_axis(distance, ranked, axis=1)
            for line in hop:
                self._node(line, harmonic)
            if self.space.metric == "l2":  # a node's own length does not order its list; between lists it does
                scores -= np.float32(0.5) * (self.space.norms[rows, None] * self.ends.shrink).astype(np.float32) ** 2
            top = np.take_along_axis(scores, ranked[:, : max(kept // len(asked) * 50, 1000)], axis=1)
            scores_kept.append(top.ravel())
            hits_kept.append((hop[:, : top.shape[1]] == 1).ravel())
            if sum(map(len, scores_kept)) > 4 * max(kept, 1 << 20):
                scores_kept, hits_kept = _trim(scores_kept, hits_kept, kept)
        _, hits = _trim(scores_kept, hits_kept, kept)
        self.pair_precision = float(hits[0].mean())
        return self

    def _node(self, hop: np.ndarray, harmonic: float) -> None:
        rings, within, chance = (np.full(self.hops, np.nan) for _ in range(3))
        self.at_k.append(float((hop[: self.k] == 1).mean()))
        near = np.zeros(len(hop), bool)
        for number in range(1, self.hops + 1):
            ring = hop == number
            if ring.any():
                rings[number - 1] = _average_precision(ring[~near])
                left, right = int((~near).sum()), int(ring.sum())
                short = harmonic - float((1 / np.arange(left + 1, len(hop) + 2)).sum())
                chance[number - 1] = (short + (right - 1) / max(left - 1, 1) * (left - short)) / left
            near |= ring
            within[number - 1] = _average_precision(near)
        self.rings.append(rings)
        self.within.append(within)
        self.chance.append(chance)


def _average_precision(relevant: np.ndarray) -> float:
    places = np.flatnonzero(relevant)
    return float((np.arange(1, len(places) + 1) / (places + 1)).mean())


def _trim(scores: list[np.ndarray], hits: list[np.ndarray], kept: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    one, two = np.concatenate(scores), np.concatenate(hits)
    best = np.argsort(-one, kind="stable")[:kept]
    return [one[best]], [two[best]]


def _told(found: _Rankings, linked: int, asked: int, n: int, edges: int, k: int) -> Measure:
    rings = np.array(found.rings)
    per_hop = np.array([student_interval(ring) for ring in rings.T])
    per_hop[:, 1:] = np.clip(per_hop[:, 1:], 0.0, 1.0)
    chances = np.array([student_interval(ring)[0] for ring in np.array(found.chance).T])
    value, low, high = per_hop[0]
    chance = chances[0]
    lift = (value - chance) / max(1 - chance, 1e-9)
    tail = f"a ranking by chance would give {chance:.2g}"
    if lift >= 0.7:
        verdict, meaning = "good", f"A node's neighbours are the rows most like it (mAP {value:.3g}; {tail})."
    elif lift >= 0.35:
        verdict = "fair"
        meaning = f"A node's neighbours are mixed with other rows among those most like it (mAP {value:.3g}; {tail})."
    else:
        verdict = "poor"
        meaning = (
            f"Searching by these vectors does not find a node's neighbours (mAP {value:.3g}; {tail}): take more "
            "dimensions or another embedding, or ask the graph itself."
        )
    parts: dict[str, float] = {}
    within = np.array(found.within)
    for hop in range(len(chances)):
        parts |= {f"map_{hop + 1}": float(per_hop[hop, 0]), f"chance_{hop + 1}": float(chances[hop])}
        parts[f"within_{hop + 1}"] = student_interval(within[:, hop])[0]
    parts |= {"k": k, "precision_at_k": float(np.mean(found.at_k)), "pair_precision": found.pair_precision}
    few = (
        f"{asked:,} of {linked:,} nodes with an edge rank all {n:,}"
        if asked < linked
        else f"{asked:,} nodes rank {n:,}"
    )
    return Measure(
        _NAME,
        float(value),
        float(low),
        float(high),
        meaning,
        title=_TITLE,
        unit="mAP",
        verdict=verdict,
        detail=f"{few}; {edges:,} edges, an undirected one counted twice. The interval takes the nodes as drawn "
        "at random from many like them (Student's t over nodes); what nodes share by the same targets it leaves out.",
        source=_SOURCE,
        parts=parts,
        arrays={
            "map": per_hop[:, 0],
            "low": per_hop[:, 1],
            "high": per_hop[:, 2],
            "chance": chances,
            "precisions": rings[:, 0],
        },
    )

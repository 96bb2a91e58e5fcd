"""Relations as offsets: whether the step from one thing to another is the same for all pairs of one relation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..common.interval import student_interval
from .adjacency import check_rows
from .collection import METRICS, Collection
from .measure import Measure, undefined

_SOURCE = "RESTORE: Yip et al., Graph Embedding Assessment Through Reconstruction, 2023"
_FEWEST, _CELLS, _ASKED = 10, 1 << 24, 1e8


def relation_offsets(
    vectors: Any,
    triples: Any,
    *,
    k: int = 10,
    metric: str = "cosine",
    sample: int = 1000,
    random_state: int = 0,
) -> Measure:
    """Does *a is to b as c is to d* hold in the space? The share of such questions answered among the first ``k``.

    Two pairs (a, b) and (c, d) of one relation are drawn, and the rows nearest to ``c + b - a`` are looked up; a, b
    and c do not count, nor other right answers. ``parts`` hold the same for the mean offset of up to 100 other pairs
    (``mean_offset``), for no offset at all (``no_offset``: the neighbours of c), and by chance. Only what exceeds
    ``no_offset`` is knowledge of the relation. Choose it for nodes or words with known relations of several kinds;
    for one kind of edge take :func:`graph_reconstruction`.

    Parameters
    ----------
    vectors : (n, d) one row a thing.
    triples : (m, 3) integers: row of the head, number of the relation, row of the tail. Relations of one pair, and
        pairs of a row with itself, are left out.
    k : how many rows count as an answer.
    metric : by what rows are ranked; under "cosine" offsets are taken between rows at length one.
    sample : questions asked, spread over the relations as the triples are; fewer for over 100,000 rows.
    random_state : the seed of the questions.

    Returns
    -------
    Measure
        NaN with fewer than 10 usable triples. Arrays: ``relations`` and, for each, ``hits`` and ``without``.

    Raises
    ------
    ValueError : triples of another shape, rows out of range, NaN, zero vectors under cosine.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> heads = rng.standard_normal((100, 16))
    >>> x = np.concatenate([heads, heads + 3 * rng.standard_normal(16)]).astype(np.float32)
    >>> triples = np.column_stack([np.arange(100), np.zeros(100, int), np.arange(100, 200)])
    >>> found = relation_offsets(x, triples, metric="l2", k=1)
    >>> found.value, found.parts["no_offset"]
    (1.0, 0.0)
    """
    check_choice(metric, "metric", METRICS)
    check_int(k, "k", 1)
    check_int(sample, "sample", _FEWEST)
    seed = check_random_state(random_state)
    name, title = "relation_offsets", "Relations as offsets"
    space = Collection.of(vectors, metric)
    known = check_rows(triples, "triples", 3, None)
    check_rows(known[:, [0, 2]], "triples", 2, len(space))
    known = np.unique(known[known[:, 0] != known[:, 2]], axis=0)
    _, relation, counts = np.unique(known[:, 1], return_inverse=True, return_counts=True)
    known, relation = known[counts[relation] > 1], relation[counts[relation] > 1]
    if len(known) < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} triples whose relation has another, found {len(known)}."
        return undefined(name, title, why, source=_SOURCE)
    rng = np.random.default_rng([seed, 91])
    count = min(sample, len(known), max(100, int(_ASKED / len(space))))
    asked = np.sort(rng.permutation(len(known))[:count])
    starts = np.concatenate([[0], np.cumsum(np.bincount(relation))])
    order = np.argsort(relation, kind="stable")
    single, mean, without = _answers(space, known, relation, asked, order, starts, k, rng)
    value, low, high = student_interval(single)
    plain = float(without.mean())
    extra = value - plain
    tail = f"the neighbours of the thing itself, without the step, give {plain:.0%}"
    if extra >= 0.3:
        verdict, meaning = "good", f"A step known from one pair leads to the answer for another in {value:.0%}; {tail}."
    elif extra >= 0.05:
        verdict = "fair"
        meaning = f"A step known from one pair sometimes leads to the answer for another ({value:.0%}; {tail})."
    else:
        verdict = "poor"
        meaning = (
            f"Relations are not steps in this space: with one {value:.0%} are answered, and {tail}. Do not compute "
            "with differences of these vectors; look relations up."
        )
    kinds = known[asked, 1]
    numbers = np.unique(kinds)
    per = np.array([[single[kinds == kind].mean(), without[kinds == kind].mean()] for kind in numbers])
    return Measure(
        name,
        value,
        max(low, 0.0),
        min(high, 1.0),
        meaning,
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"{count:,} questions on {len(numbers)} relations, answered among the first {k} of {len(space):,} rows. "
        "Student's t over questions.",
        source=_SOURCE,
        parts={
            "k": k,
            "relations": len(numbers),
            "mean_offset": float(mean.mean()),
            "no_offset": plain,
            "chance": min(k / max(len(space) - 3, 1), 1.0),
        },
        arrays={"relations": numbers, "hits": per[:, 0], "without": per[:, 1]},
    )


def _answers(
    space: Collection,
    known: np.ndarray,
    relation: np.ndarray,
    asked: np.ndarray,
    order: np.ndarray,
    starts: np.ndarray,
    k: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1.0 or 0.0 a question: by the offset of one other pair, by the mean of others, by none."""
    everything = space.take(slice(None))
    everything *= space.shrink
    half = np.einsum("ij,ij->i", everything, everything) / 2 if space.metric == "l2" else np.float32(0)
    right: dict[tuple[int, int], list[int]] = {}
    for head, kind, tail in known.tolist():
        right.setdefault((head, kind), []).append(tail)
    found = np.zeros((3, len(asked)))
    step = max(1, _CELLS // len(space))
    for begin in range(0, len(asked), step):
        here = asked[begin : begin + step]
        queries = np.empty((3, len(here), space.dim), np.float32)
        banned: list[list[list[int]]] = []
        for line, number in enumerate(here.tolist()):
            head, kind, tail = known[number].tolist()
            members = order[starts[relation[number]] : starts[relation[number] + 1]]
            others = members[members != number]
            others = rng.permutation(others)[:100]
            steps = everything[known[others, 2]] - everything[known[others, 0]]
            queries[0, line] = everything[head] + steps[0]
            queries[1, line] = everything[head] + steps.mean(axis=0)
            queries[2, line] = everything[head]
            taken = [row for row in (head, *right[head, kind]) if row != tail]
            pair = [row for row in known[others[0], [0, 2]].tolist() if row != tail]
            banned.append([taken + pair, taken, taken])
        tails = known[here, 2]
        for way in range(3):
            scores = queries[way] @ everything.T - half
            own = scores[np.arange(len(here)), tails].copy()
            for line, rows in enumerate(banned):
                scores[line, rows[way]] = -np.inf
            above, level = (scores > own[:, None]).sum(axis=1), (scores == own[:, None]).sum(axis=1)
            # Ties share the places they fill.
            found[way, begin : begin + step] = np.clip((k - above) / np.maximum(level, 1), 0.0, 1.0)
    return found[0], found[1], found[2]


def similarity_error(vectors: Any, pairs: Any, similarities: Any) -> Measure:
    """How far cosines are from given similarities: the mean absolute difference over pairs.

    Choose it where similarities of pairs are known as numbers (judged by people, from a taxonomy, from another
    encoder) and the cosine itself will be read; where only the order counts, read ``parts["rank_correlation"]``
    (Spearman), which no monotone change of scale moves.

    Parameters
    ----------
    vectors : (n, d), no zero rows.
    pairs : (m, 2) row numbers.
    similarities : (m,) from -1 to 1; bring other scales there first (scores of 0 to 5: divide by 5).

    Returns
    -------
    Measure
        NaN with fewer than 10 pairs. ``parts["constant"]``: the error of one best similarity said of every pair, which
        a space must stay below to say anything. Arrays: ``given``, ``cosines``.

    Raises
    ------
    ValueError : similarities beyond -1 to 1 or not one a pair; rows out of range; zero vectors, NaN.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    >>> pairs = np.column_stack([np.arange(49), np.arange(1, 50)])
    >>> unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    >>> round(similarity_error(x, pairs, (unit[:-1] * unit[1:]).sum(axis=1)).value, 6)
    0.0
    """
    from scipy.stats import rankdata

    name, title = "similarity_error", "Similarity error"
    space = Collection.of(vectors, "cosine")
    rows = check_rows(pairs, "pairs", 2, len(space))
    given = np.asarray(similarities, np.float64)
    if given.shape != (len(rows),):
        raise ValueError(f"similarities: expected shape ({len(rows)},), one a pair, got {given.shape}")
    if given.size and not (np.isfinite(given).all() and np.abs(given).max() <= 1):
        raise ValueError(f"similarities: expected numbers from -1 to 1, got {given.min()} to {given.max()}")
    if len(rows) < _FEWEST:
        return undefined(name, title, f"Unknown: needs at least {_FEWEST} pairs, got {len(rows)}.", source=_SOURCE)
    cosines = np.concatenate(
        [
            np.einsum("ij,ij->i", space.take(part[:, 0]), space.take(part[:, 1]))
            for part in np.array_split(rows, max(1, len(rows) * space.dim >> 24))
        ]
    ).clip(-1, 1)
    value, low, high = student_interval(np.abs(cosines - given))
    constant = float(np.abs(given - np.median(given)).mean())
    ranks = rankdata(cosines), rankdata(given)
    varies = min(np.ptp(ranks[0]), np.ptp(ranks[1])) > 0
    order = float(np.corrcoef(*ranks)[0, 1]) if varies else 0.0
    tail = f"one number said of every pair would be off by {constant:.2g}"
    if value <= 0.5 * constant:
        verdict, meaning = "good", f"A cosine is within {value:.2g} of the true similarity on average; {tail}."
    elif value < constant:
        verdict, meaning = "fair", f"A cosine is off by {value:.2g} on average: read it as a hint; {tail}."
    else:
        verdict = "poor"
        meaning = f"A cosine is off by {value:.2g} on average, and {tail}: do not read it as a similarity; "
        meaning += f"{'calibrate it' if order > 0.3 else 'it does not order the pairs either'} (Spearman {order:.2f})."
    return Measure(
        name,
        value,
        max(low, 0.0),
        high,
        meaning,
        title=title,
        unit="",
        verdict=verdict,
        detail=f"{len(rows):,} pairs. Student's t over pairs.",
        source=_SOURCE,
        parts={"pairs": len(rows), "rank_correlation": order, "constant": constant},
        arrays={"given": given, "cosines": cosines},
    )

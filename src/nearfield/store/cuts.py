"""Which rows belong together: a tree of cuts by the conditions of past queries.

Every inner node asks one question that a past condition asked; rows that answer alike stay together. Cuts are chosen
greedily: the one that spares the past queries most rows, where a query looks at all rows of every leaf in which one
passes its condition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Tree(NamedTuple):
    """``labels`` int32 (n,): the leaf of each row; ``splits``: which leaf was cut by which question, in order."""

    labels: np.ndarray
    splits: list[tuple[int, int]]

    def apply(self, answer: Callable[[int], np.ndarray], n: int) -> np.ndarray:
        """The leaves of ``n`` other rows, whose answers to a question ``answer(number)`` gives: bool (n,)."""
        labels = np.zeros(n, np.int32)
        for leaf, question in self.splits:
            labels[labels > leaf] += 1
            labels[(labels == leaf) & ~answer(question)] += 1
        return labels


def grow(passing: np.ndarray, weights: np.ndarray, answers: np.ndarray, *, smallest: int, most: int) -> Tree:
    """Cut rows apart.

    Parameters
    ----------
    passing : bool (queries, n), which rows pass what each past query asked for; ``weights`` how often it came.
    answers : bool (questions, n).
    smallest : fewest rows of a leaf; a leaf of few rows costs more to go to than it spares.
    most : how many leaves at most.

    Notes
    -----
    Source: the greedy construction of the query-data routing tree (Yang et al., SIGMOD 2020), as HQI (Mohoney et al.,
    SIGMOD 2023) uses it for vectors. Departures: which queries reach a leaf is read off the rows themselves, not
    derived from the texts of the conditions, so any condition can be a question and a new one needs no reasoning; the
    node that gains most is cut first, so a bound on the leaves leaves out what matters least.

    Examples
    --------
    >>> rows = np.arange(8)
    >>> wanted = np.array([rows < 4, rows == 7])
    >>> grow(wanted, np.array([3.0, 1.0]), wanted, smallest=1, most=2).labels
    array([0, 0, 0, 0, 1, 1, 1, 1], dtype=int32)
    """
    # Rows that answer everything alike are never parted: the tree is grown over kinds of rows.
    packed = np.packbits(np.concatenate([passing, answers]), axis=0)
    kinds = np.ascontiguousarray(packed.T).view(np.dtype((np.void, packed.shape[0]))).ravel()
    _, first, kind_of, sizes = np.unique(kinds, return_index=True, return_inverse=True, return_counts=True)
    wanted = passing[:, first].astype(np.float32)
    asked = answers[:, first].astype(np.float32)
    nodes = [np.arange(len(first))]
    best = [_best_cut(nodes[0], wanted, weights, asked, sizes, smallest)]
    splits: list[tuple[int, int]] = []
    while len(nodes) < most:
        at = max(range(len(nodes)), key=lambda i: best[i][0])
        gain, cut = best[at]
        if gain <= 0:
            break
        node, inside = nodes[at], asked[cut, nodes[at]] > 0
        splits.append((at, cut))
        nodes[at : at + 1] = [node[inside], node[~inside]]
        best[at : at + 1] = [_best_cut(one, wanted, weights, asked, sizes, smallest) for one in nodes[at : at + 2]]
    labels = np.empty(len(first), np.int32)
    for number, node in enumerate(nodes):
        labels[node] = number
    return Tree(labels[kind_of.ravel()], splits)


def _best_cut(
    node: np.ndarray, wanted: np.ndarray, weights: np.ndarray, asked: np.ndarray, sizes: np.ndarray, smallest: int
) -> tuple[float, int]:
    """How many row visits the best question spares, and which it is."""
    total = int(sizes[node].sum())
    if total < 2 * smallest or not len(asked):
        return 0.0, -1
    inner, own = asked[:, node], wanted[:, node]
    inside = inner @ sizes[node].astype(np.float32)
    outside = total - inside
    reach_inside = own @ inner.T  # (queries, questions): how many kinds of passing rows answer yes
    everywhere = own.sum(axis=1)
    reach_outside = everywhere[:, None] - reach_inside
    spared = weights @ ((everywhere > 0)[:, None] * total - (reach_inside > 0) * inside - (reach_outside > 0) * outside)
    spared = np.where((inside >= smallest) & (outside >= smallest), spared, 0.0)
    cut = int(np.argmax(spared))
    return float(spared[cut]), cut

"""Expensive scorers on real data, for searches that may call one only a few times a query."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import material


@dataclass(frozen=True)
class Judged:
    """A scorer with its items, anchor queries and test queries, and two cheap first searches over them.

    ``vectors``, ``anchor_vectors`` and ``query_vectors`` are a bi-encoder's; ``words`` (q, n) are BM25 scores.
    """

    scorer: Any
    count: int
    anchors: Sequence[Any]
    queries: Sequence[Any]
    vectors: np.ndarray
    anchor_vectors: np.ndarray
    query_vectors: np.ndarray
    words: np.ndarray


class TokenMaxSim:
    """Exact MaxSim: for each of a query's token vectors (t, d) the best cosine among an item's, added up."""

    def __init__(self, tokens: Sequence[np.ndarray]):
        self._ends = np.cumsum([0, *map(len, tokens)])
        self._tokens = material.unit(np.concatenate(tokens))

    def __call__(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Scores (n,) of the items at ``rows``."""
        scores = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), 250):
            some = rows[start : start + 250]
            first, last = self._ends[some], self._ends[some + 1]
            if (first[1:] == last[:-1]).all():  # neighbours: no copy
                tokens = self._tokens[first[0] : last[-1]]
            else:
                tokens = np.concatenate([self._tokens[a:b] for a, b in zip(first, last, strict=True)])
            starts = np.cumsum([0, *(last - first)[:-1]])
            scores[start : start + 250] = np.maximum.reduceat(tokens @ query.T, starts, axis=0).sum(axis=1)
        return scores


def maxsim_on_scifact(quick: bool) -> Judged:
    """Claims against abstracts by MaxSim over MiniLM's token vectors; anchors are training claims about others."""
    from ..datasets import load

    encoder = material.minilm()
    found, train = load("scifact"), load("scifact_train")
    documents = found.documents[:: 20 if quick else 1]
    anchors, queries = train.queries[: 30 if quick else 200], found.queries[:: 30 if quick else 3]

    def tokens(texts: Sequence[str]) -> list[np.ndarray]:
        return [material.unit(one) for one in encoder.encode_tokens(texts, progress=False)]

    vectors = material.unit(found.vectors[:: 20 if quick else 1])
    asked, known = (material.unit(encoder.encode(texts, progress=False)) for texts in (queries, anchors))
    scorer = TokenMaxSim(encoder.encode_tokens(documents, progress=False))
    return Judged(
        scorer, len(documents), tokens(anchors), tokens(queries), vectors, known, asked, bm25(documents, queries)
    )


def relations_on_wordnet(quick: bool) -> Judged:
    """Glosses against glosses by a small network that was trained to tell related synonym sets from others.

    Its input is the product and the difference of two gloss vectors, so that it is no inner product of anything.
    """
    from ..datasets import load

    words = load("wordnet")
    vectors = material.unit(words.vectors)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(vectors))
    items, rest = np.sort(order[: 400 if quick else 12_000]), order[12_000:]
    anchors, asked = rest[: 30 if quick else 200], rest[200 : 210 if quick else 300]
    network = _trained(vectors, _relations(), np.concatenate([anchors, asked]), rng, 2_000 if quick else 30_000)
    texts = words.texts
    by_words = bm25([texts[row] for row in items], [texts[row] for row in asked])
    own = vectors[items]

    def scorer(query: int, rows: np.ndarray) -> np.ndarray:
        return network(vectors[query], own[rows])

    return Judged(scorer, len(items), anchors.tolist(), asked.tolist(), own, vectors[anchors], vectors[asked], by_words)


def bm25(items: Sequence[str], queries: Sequence[str]) -> np.ndarray:
    """BM25 (k1 = 1.2, b = 0.75) of every query with every item, (q, n); English stop words count nothing.

    Examples
    --------
    >>> bm25(["lift of a wing", "drag of a wing", "a stall"], ["wing lift"]).argsort().tolist()
    [[2, 1, 0]]
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    from ..index import bm25_weights

    counts = CountVectorizer(stop_words="english").fit(items)
    weights = bm25_weights(csr_array(counts.transform(items), dtype=np.float32))
    asked = csr_array(counts.transform(queries) > 0, dtype=np.float32)
    return np.asarray((asked @ weights.T).todense(), np.float32)


def _relations() -> np.ndarray:
    """Pairs of rows of WordNet's glosses that a pointer joins (hypernyms, parts, similar, entailed), (m, 2)."""
    from ..datasets.wordnet import FILES, read_lines

    parts = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
    fields = [(part, line.partition("|")[0].split()) for part in FILES for line in read_lines(part)]
    place = {(part, words[0]): row for row, (part, words) in enumerate(fields)}
    pairs = []
    for row, (_, words) in enumerate(fields):
        at = 4 + 2 * int(words[3], 16)
        for start in range(at + 1, at + 1 + 4 * int(words[at]), 4):
            symbol, offset, kind = words[start : start + 3]
            if symbol[0] in "@~#%&*>":
                pairs.append((row, place[parts[kind], offset]))
    return np.array(pairs)


def _trained(vectors: np.ndarray, pairs: np.ndarray, held: np.ndarray, rng: np.random.Generator, count: int) -> Any:
    """A network of 64 hidden units: log-odds that two vectors are of related glosses; ``held`` rows are not shown."""
    from sklearn.neural_network import MLPClassifier

    shown = pairs[~np.isin(pairs, held).any(axis=1)]
    related = shown[rng.permutation(len(shown))[:count]]
    pool = rng.permutation(np.setdiff1d(np.arange(len(vectors)), held))[: count // 3]
    near = []
    for start in range(0, count, 500):  # hard ones: among the five nearest of a pool
        left = related[start : start + 500, 0]
        best = np.argpartition(-(vectors[left] @ vectors[pool].T), 5, axis=1)[:, :5]
        near.append(pool[best[np.arange(len(left)), rng.integers(0, 5, len(left))]])
    others = [rng.integers(0, len(vectors), len(related)), np.concatenate(near)]
    left = np.concatenate([related[:, 0]] * 3)
    right = np.concatenate([related[:, 1], *others])

    def features(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.hstack([20 * a * b, 20 * np.abs(a - b) - 0.8])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few passes are the setting
        net = MLPClassifier((64,), max_iter=6, batch_size=500, random_state=0)
        net.fit(features(vectors[left], vectors[right]), np.arange(len(left)) < len(related))
    first, second = (np.asarray(part, np.float32) for part in net.coefs_)
    bias, last = np.asarray(net.intercepts_[0], np.float32), float(net.intercepts_[1][0])

    def score(query: np.ndarray, items: np.ndarray) -> np.ndarray:
        hidden = np.maximum(features(query[None, :], items) @ first + bias, 0) @ second
        return np.asarray(hidden[:, 0] + last)

    return score

"""The same things seen by two encoders, and how often one side finds its partner on the other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..common.lengths import unit_rows
from ..datasets import load
from .material import unit

FOUND = ("R@1", "R@10", "MRR")


@dataclass(frozen=True)
class Pair:
    """Row i of both sides is one thing; ``judged`` rows are looked for and among, ``rest`` is there to learn from.

    ``ids`` are the rows' numbers in the set they come from.
    """

    first: np.ndarray
    second: np.ndarray
    judged: np.ndarray
    rest: np.ndarray
    ids: np.ndarray

    def turned(self) -> Pair:
        """The same with the sides exchanged."""
        return Pair(self.second, self.first, self.judged, self.rest, self.ids)

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray, judged: int, rest: int, ids: np.ndarray) -> Pair:
        """Judged rows and rows to learn from, drawn at random."""
        order = np.random.default_rng(0).permutation(len(first))
        return cls(unit(first), unit(second), order[:judged], order[judged : judged + rest], ids)


def glosses(judged: int, rest: int, *, lexical: bool = False) -> Pair:
    """WordNet's definitions by WordLlama (256 dimensions), or by LSA (256), and by MiniLM (384)."""
    found = load("wordnet")
    order = np.random.default_rng(0).permutation(len(found.vectors))[: judged + rest]
    texts = [found.texts[row] for row in order]
    return Pair.of(_lsa(texts) if lexical else _words(texts), found.vectors[order], judged, rest, order)


def abstracts(judged: int) -> Pair:
    """SciFact's abstracts by WordLlama and by MiniLM."""
    found = load("scifact")
    count = len(found.documents)
    return Pair.of(_words(found.documents), found.vectors, judged, count, np.arange(count))


def claims() -> tuple[np.ndarray, np.ndarray]:
    """SciFact's test claims by the same two."""
    found = load("scifact")
    return unit(_words(found.queries)), unit(found.query_vectors)


def autoencoders(seeds: Sequence[int], quick: bool = False) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Bottlenecks (32) of networks trained from different seeds to redraw Fashion-MNIST, and the labels.

    ``(codes of 6,000 training images by each, codes of 2,000 test images by each, labels of both together)``.
    """
    from sklearn.neural_network import MLPRegressor

    images = load("fashion_mnist")
    seen, unseen = (images.train[:800], images.test[:400]) if quick else (images.train[:6_000], images.test[:2_000])
    codes: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for seed in seeds:
        net = MLPRegressor(
            hidden_layer_sizes=(128, 32, 128), activation="tanh", max_iter=3 if quick else 15, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so many epochs are the setting, not a failure to converge
            net.fit(seen / 255, seen / 255)
        for part, found in zip((seen, unseen), codes, strict=True):
            hidden = np.tanh(part / 255 @ net.coefs_[0] + net.intercepts_[0])
            found.append(np.tanh(hidden @ net.coefs_[1] + net.intercepts_[1]).astype(np.float32))
    labels = np.concatenate([images.train_labels[: len(seen)], images.test_labels[: len(unseen)]])
    return *codes, labels


def partners(asked: np.ndarray, rows: np.ndarray) -> tuple[float, float, float]:
    """Row i of ``asked`` looks for row i of ``rows`` by cosine: R@1, R@10 and MRR; of ties it comes last.

    Examples
    --------
    >>> partners(np.eye(2, 3), np.eye(3))
    (1.0, 1.0, 1.0)
    """
    cosines = unit_rows(asked) @ unit_rows(rows).T
    own = cosines[np.arange(len(asked)), np.arange(len(asked))]
    places = (cosines >= own[:, None]).sum(axis=1)
    return float((places == 1).mean()), float((places <= 10).mean()), float((1 / places).mean())


def _words(texts: list[str]) -> np.ndarray:
    from ..encode import WordLlama

    return np.asarray(WordLlama().encode(texts, progress=False))


def _lsa(texts: list[str], dimensions: int = 256) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    counts = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2).fit_transform(texts)
    latent = TruncatedSVD(dimensions, random_state=0).fit_transform(counts).astype(np.float32)
    latent[~latent.any(axis=1)] = 1e-3  # not one known word: no direction of its own
    return np.asarray(latent)

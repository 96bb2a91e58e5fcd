"""Topics of a listing: the labels of its papers, and groups found in the space, named by words that set them apart."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
from listing import ASPECTS
from shelf import Whole
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from threadpoolctl import threadpool_limits
from vocabulary import HERE

_FEWEST = 3
# What abstracts of all fields say, beside the stop words of English.
_SAID_BY_ALL = frozenset((HERE / "said-by-all.txt").read_text(encoding="utf-8").split())


@dataclass(frozen=True)
class Topic:
    """A name, the kind of thing it is ("task", "method", "data" or "group"), and which papers belong, bool (n,)."""

    name: str
    kind: str
    members: np.ndarray


def labelled_topics(whole: Whole) -> list[Topic]:
    """A topic for each label that three papers have."""
    topics = []
    for aspect in ASPECTS:
        labels = np.array(whole.labels(aspect), object)
        for name in sorted(set(labels) - {None}):
            members = labels == name
            if members.sum() >= _FEWEST:
                topics.append(Topic(name, aspect, members))
    return topics


def found_groups(whole: Whole, count: int | None = None) -> list[Topic]:
    """Papers near each other, by k-means: about the square root of half the papers as groups, 2 to 24, or ``count``.

    Every paper is in one of them. Nothing of a paper's date or listing is looked at.
    """
    papers = len(whole)
    if papers < 2 * _FEWEST:
        return []
    count = min(count or int(np.clip(round((papers / 2) ** 0.5), 2, 24)), papers)
    unit = whole.vectors / np.linalg.norm(whole.vectors, axis=1, keepdims=True)
    with threadpool_limits(1):  # sums in one order: the same groups on any number of cores
        group = KMeans(count, n_init=10, random_state=0).fit(unit.astype(np.float64)).labels_
    spoken = [_words(text) for text in whole.texts]
    names = _names(spoken, group)
    return [Topic(name, "group", group == number) for number, name in sorted(names.items())]


def _words(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_][\w-]{2,}", text.casefold())
    return {word for word in words if word not in ENGLISH_STOP_WORDS and word not in _SAID_BY_ALL}


def _names(spoken: list[set[str]], group: np.ndarray) -> dict[int, str]:
    """Each group's three words with the largest share inside it beyond that outside; no two of one stem."""
    everywhere = Counter(word for words in spoken for word in words)
    names = {}
    for number in np.unique(group):
        inside = Counter(word for words, own in zip(spoken, group, strict=True) if own == number for word in words)
        size, others = int((group == number).sum()), int((group != number).sum())
        gain = {
            word: times / size - (everywhere[word] - times) / max(others, 1)
            for word, times in inside.items()
            if times >= min(2, size)
        }
        chosen: list[str] = []
        for word in sorted(gain, key=lambda word: (-gain[word], word)):
            if not any(word[:5] == other[:5] for other in chosen):
                chosen.append(word)
            if len(chosen) == 3:
                break
        names[int(number)] = ", ".join(chosen) or f"group {number + 1}"
    return names

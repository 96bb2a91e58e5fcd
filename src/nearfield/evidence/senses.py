"""Words in sentences that are to be linked to one of their senses: WordNet's own examples, and views of both sides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from ..datasets import Synset, load
from .material import unit

# Relations that make two synonym sets neighbours: above and below, alike, derived, part and whole, entailed.
_NEAR = ("@", "@i", "~", "~i", "&", "+", "\\", "#p", "#m", "#s", "%p", "%m", "%s", "=", "$", "*", ">", "<")


@dataclass(frozen=True)
class Senses:
    """Sentences, the word in each, the rows of its senses, and the row of the sense that it has.

    Attributes
    ----------
    rows : all rows that are a sense of one of the words, rising.
    """

    synsets: Sequence[Synset]
    sentences: list[str]
    words: list[str]
    candidates: list[list[int]]
    truth: np.ndarray

    @property
    def rows(self) -> list[int]:
        return sorted({row for own in self.candidates for row in own})


def load_senses(count: int, seed: int = 0) -> Senses:
    """Examples of at least four words that no other set has, each with a word of two senses or more of its kind."""
    synsets = load("wordnet").synsets
    kinds = [_kind(synset.topic) for synset in synsets]
    senses: dict[tuple[str, int], list[int]] = {}
    written: dict[str, int] = {}
    for row, synset in enumerate(synsets):
        for word in synset.words:
            senses.setdefault((word.lower(), kinds[row]), []).append(row)
        for sentence in synset.examples:
            written[sentence] = written.get(sentence, 0) + 1
    found = []
    for row, synset in enumerate(synsets):
        for sentence in synset.examples:
            read = re.findall(r"[\w'-]+", sentence.lower())
            if len(read) < 4 or written[sentence] > 1:
                continue
            able = (word.lower() for word in synset.words if len(senses[word.lower(), kinds[row]]) > 1)
            used = [word for word in able if any(_is_form(each, word) for each in read)][:1]
            found += [(sentence, word, senses[word, kinds[row]], row) for word in used]
    chosen = [found[place] for place in np.random.default_rng(seed).permutation(len(found))[:count]]
    sentences, words, candidates, truth = zip(*chosen, strict=True)
    return Senses(synsets, list(sentences), list(words), list(candidates), np.array(truth))


def neighbour_means(senses: Senses, vectors: np.ndarray) -> list[np.ndarray | None]:
    """For each of the rows the mean of the glosses around it in the graph; None where there are none.

    The sets whose examples are the sentences are left out everywhere, as their glosses hold those.
    """
    held = set(senses.truth.tolist())
    means: list[np.ndarray | None] = []
    for row in senses.rows:
        relations = senses.synsets[row].relations
        near = sorted({other for sign in _NEAR for other in relations.get(sign, ())} - held - {row})
        means.append(unit(vectors[near]).mean(axis=0) if near else None)
    return means


def spectral_vectors(synsets: Sequence[Synset], dim: int = 128) -> np.ndarray:
    """(n, dim): singular vectors of the ancestors of each set and of its neighbours, rare ancestors weighing more."""
    count = len(synsets)
    up, beside = _edges(synsets, ("@", "@i")), _edges(synsets, _NEAR[4:])
    above = step = sparse.eye_array(count, format="csr")
    for _ in range(20):
        step = step @ up
        step.data[:] = 1
        above = above + step
    above.data[:] = 1
    both = beside + beside.T
    both.data[:] = 1
    table = sparse.csr_array(above + 0.5 * (both @ above))
    seen = np.bincount(table.indices, minlength=count)
    table = (table @ sparse.diags_array(np.log(count / np.maximum(seen, 1)))).tocsr()[:, np.flatnonzero(seen >= 5)]
    lengths = np.sqrt(table.power(2).sum(axis=1))
    table = sparse.diags_array(1 / np.maximum(lengths, 1e-9)) @ table
    left, sizes, _ = svds(table, dim, v0=np.random.default_rng(0).standard_normal(min(table.shape)))
    return np.asarray(left * sizes, np.float32)


def around(senses: Senses, vectors: np.ndarray) -> list[np.ndarray | None]:
    """For each sentence the mean of the vectors of all senses of its other words; None where it has none."""
    known: dict[str, list[int]] = {}
    for row, synset in enumerate(senses.synsets):
        for word in synset.words:
            known.setdefault(word.lower(), []).append(row)
    means: list[np.ndarray | None] = []
    for sentence, own in zip(senses.sentences, senses.words, strict=True):
        read = [each for each in re.findall(r"[\w'-]{3,}", sentence.lower()) if not _is_form(each, own)]
        forms = ((each, each.removesuffix("s"), each.removesuffix("ed"), each.removesuffix("ing")) for each in read)
        first = (next((form for form in own_forms if form in known), None) for own_forms in forms)
        found = [vectors[known[form]].mean(axis=0) for form in first if form is not None]
        means.append(np.mean(found, axis=0) if found else None)
    return means


def _is_form(read: str, word: str) -> bool:
    stem = word[:-1] if len(word) > 4 and word[-1] in "ey" else word
    return read == word or (read.startswith(stem) and len(read) <= len(word) + 3)


def _kind(topic: int) -> int:
    """Nouns, verbs, adverbs, adjectives, by the lexicographer's file."""
    return 0 if 3 <= topic <= 28 else 1 if 29 <= topic <= 43 else 2 if topic == 2 else 3


def _edges(synsets: Sequence[Synset], signs: tuple[str, ...]) -> sparse.csr_array:
    pairs = [
        (row, other)
        for row, synset in enumerate(synsets)
        for sign in signs
        for other in dict.fromkeys(synset.relations.get(sign, ()))
    ]
    starts, ends = np.array(pairs).T
    made = sparse.csr_array((np.ones(len(pairs)), (starts, ends)), shape=(len(synsets), len(synsets)))
    made.data[:] = 1
    return made

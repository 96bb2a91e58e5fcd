"""Queries with the labels of their hits, over one store of vectors: what cut-offs are fitted to and compared on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..common.checks import check_choice
from ..common.lengths import unit_rows
from .clinc150 import Utterances
from .clinc150 import load as load_clinc150
from .cranfield import load as load_cranfield
from .retrieval import Retrieval
from .scifact import load as load_scifact
from .scifact import train as load_scifact_train
from .synsets import read_synsets
from .wordnet import FILES, read_lines

NAMES = ("scifact", "cranfield", "wordnet", "clinc150")
Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """Query vectors (q, d) and, for each, the rows of the store that are relevant (none: it has no answer)."""

    vectors: np.ndarray
    relevant: tuple[Collection[int], ...]

    def __len__(self) -> int:
        return len(self.vectors)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Bool (q, j): which hits are relevant."""
        return np.stack([np.isin(row, list(known)) for row, known in zip(rows, self.relevant, strict=True)])

    def first(self, count: int) -> Labelled:
        """The first ``count`` queries."""
        return Labelled(self.vectors[:count], self.relevant[:count])


@dataclass(frozen=True)
class Answers:
    """Unit vectors of a store, labelled queries to fit to and others to measure on.

    ``outside_train`` and ``outside_test`` are queries without an answer, (0, d) where the set has none.
    """

    name: str
    store: np.ndarray
    train: Labelled
    test: Labelled
    outside_train: np.ndarray
    outside_test: np.ndarray


def load_answers(name: str, encode: Encode, *, quick: bool = False) -> Answers:
    """One of :data:`NAMES`, encoded by ``encode``; ``quick`` takes a fraction of the queries (and of CLINC150's store).

    SciFact: claims to abstracts, fitted to training claims about other abstracts than the test claims'. Cranfield: the
    judged queries in two halves. CLINC150: the training utterances are the store, those of a query's intent are
    relevant; validation queries to fit to, out-of-scope ones have no answer. WordNet: single words, asked for their
    synonyms; the words that are asked are not in the store, and no word to fit to has a synonym of one to measure on.
    """
    check_choice(name, "name", NAMES)
    rng = np.random.default_rng(0)
    if name == "clinc150":
        return _clinc150(encode, rng, quick)
    if name == "wordnet":
        return _wordnet(encode, rng, quick)
    found = load_scifact() if name == "scifact" else load_cranfield()
    documents = found.documents[:: 8 if quick else 1]
    place = {document: row for row, document in enumerate(found.document_ids[:: 8 if quick else 1])}
    store = unit_rows(found.vectors[:: 8 if quick else 1] if name == "scifact" else encode(documents))
    if name == "scifact":
        train, test = _labelled(load_scifact_train(), place, encode), _labelled(found, place, encode)
    else:
        every = _labelled(found, place, encode)
        order = rng.permutation(len(every))
        parts = (order[: len(order) // 2], order[len(order) // 2 :])
        train, test = (Labelled(every.vectors[part], tuple(every.relevant[row] for row in part)) for part in parts)
    none = np.empty((0, store.shape[1]), np.float32)
    return Answers(name, store, train, test, none, none)


def _labelled(found: Retrieval, place: dict[str, int], encode: Encode) -> Labelled:
    """Queries with at least one relevant document in the store."""
    relevant = [
        [place[document] for document, grade in found.judgements[query].items() if grade > 0 and document in place]
        for query in found.query_ids
    ]
    kept = [row for row, known in enumerate(relevant) if known]
    vectors = unit_rows(encode([found.queries[row] for row in kept]))
    return Labelled(vectors, tuple(relevant[row] for row in kept))


def _clinc150(encode: Encode, rng: np.random.Generator, quick: bool) -> Answers:
    found = load_clinc150()
    stored = np.arange(0, len(found.train), 10 if quick else 1)
    intents = np.array([found.train.intents[row] for row in stored])
    rows_of = {str(intent): np.flatnonzero(intents == intent) for intent in np.unique(intents)}

    def labelled(part: Utterances, most: int) -> Labelled:
        chosen = np.sort(rng.permutation(len(part))[:most])
        texts = [part.texts[row] for row in chosen]
        known = tuple(rows_of[part.intents[row]] for row in chosen)
        return Labelled(unit_rows(encode(texts)), known)

    store = unit_rows(encode([found.train.texts[row] for row in stored]))
    few, many = (60, 100) if quick else (500, 1_000)
    outside = [*found.oos_train.texts, *found.oos_validation.texts]
    return Answers(
        "clinc150",
        store,
        labelled(found.validation, few),
        labelled(found.test, many),
        unit_rows(encode(outside[: few // 2] if quick else outside)),
        unit_rows(encode(found.oos_test.texts[:many])),
    )


def _wordnet(encode: Encode, rng: np.random.Generator, quick: bool) -> Answers:
    sets = [synset.words for synset in read_synsets([line for part in FILES for line in read_lines(part)])]
    stored, asked = (400, 40) if quick else (6_000, 400)
    synonyms: dict[str, set[str]] = {}
    for words in sets:
        for word in words:
            synonyms.setdefault(word, set()).update(words)
    for word, others in synonyms.items():
        others.discard(word)
    queries: list[list[str]] = [[], []]
    taken: set[str] = set()  # words that were asked, and their synonyms
    for row in rng.permutation(len(sets)).tolist():
        word = sets[row][0]
        part = int(len(queries[0]) >= asked)
        known = {word} | synonyms[word]
        if len(sets[row]) < 3 or not word.isalpha() or known & taken:
            continue
        taken.update(known)
        queries[part].append(word)
        if len(queries[1]) == asked:
            break
    out = {word for part in queries for word in part}
    answers = sorted({other for word in out for other in synonyms[word]} - out)
    rest = sorted(set(synonyms) - out - set(answers))
    store = answers + [rest[row] for row in rng.permutation(len(rest))[: max(0, stored - len(answers))]]
    place = {word: row for row, word in enumerate(store)}

    def labelled(part: list[str]) -> Labelled:
        known = tuple([place[other] for other in sorted(synonyms[word]) if other in place] for word in part)
        return Labelled(unit_rows(encode(part)), known)

    vectors = unit_rows(encode(store))
    none = np.empty((0, vectors.shape[1]), np.float32)
    return Answers("wordnet", vectors, labelled(queries[0]), labelled(queries[1]), none, none)

"""The store of papers: what is put on it, what it learns from that, and how it is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from held_out import agreement
from listing import ASPECTS, Paper, same_title
from vocabulary import HERE, Vocabulary, label

import nearfield as nf

SCHEMA = {"published": "timestamp", "year": "int", "listing": "string"} | dict.fromkeys(ASPECTS, "string")
FEWEST = 50  # papers, below which no judge is fitted
SHRINKAGE = 0.6  # some hundred labels in 256 dimensions: most of the variance within a label has to be guessed


@dataclass(frozen=True)
class Shelved:
    """What :func:`shelve` did: how many papers are new, and how many were there already, by id or by title."""

    added: int
    known: int


def open_shelf(path: Path, encoder: Any, *, create: bool = False) -> nf.Store:
    """The store at ``path``; with ``create`` it is made where there is none."""
    if create and not path.exists():
        return nf.Store.create(path, dim=encoder.dim, attributes=SCHEMA, embedding=encoder.fingerprint())
    store = nf.Store.open(path, read_only=not create)
    if store.attributes != SCHEMA:
        store.close()
        raise ValueError(f"{path}: expected a store made by the import of this example, got another")
    return store


def shelve(store: nf.Store, encoder: Any, papers: Sequence[Paper], listing: str, vocabulary: Vocabulary) -> Shelved:
    """Add the papers that are not there yet, in one transaction; ``listing`` says where they first came from."""
    titles = {same_title(item["title"]) for batch in store.iterate() for item in batch.payload}
    new = [paper for paper in papers if paper.id not in store and paper.same not in titles]
    if new:
        store.add(
            [paper.id for paper in new],
            encoder.encode([paper.text for paper in new]),
            text=[paper.text for paper in new],
            payload=[{"title": paper.title, "url": paper.url} for paper in new],
            attributes=[
                {
                    "published": paper.published,
                    "year": paper.published.year if paper.published else None,
                    "listing": listing,
                }
                | {aspect: label(paper, aspect, vocabulary) for aspect in ASPECTS}
                for paper in new
            ],
            embedding=encoder.fingerprint(),
        )
    return Shelved(len(new), len(papers) - len(new))


def learn(store: nf.Store, encoder: Any) -> list[str]:
    """Fit aspects and judge to what is there now; a sentence for each thing that was learnt, or why it was not."""
    whole = everything(store)
    said = []
    fitted = []
    for aspect in ASPECTS:
        labels = whole.labels(aspect)
        counts = [labels.count(name) for name in set(labels) - {None}]
        said.append(f"{aspect}: {sum(counts)} of {len(whole)} papers have a label, {len(counts)} different ones")
        if sum(count >= 2 for count in counts) >= 2:
            fitted.append(aspect)
            measured = agreement(whole.vectors, labels, SHRINKAGE)
            said[-1] += f"; {measured}" if measured else ""
        else:
            said[-1] += "; too few to search by"
    if fitted:
        store.fit_aspects(fitted, shrinkage=SHRINKAGE)
    if len(whole) < FEWEST:
        return [*said, f"relevance: not learnt, which takes {FEWEST} papers; answers are not cut"]
    # A title is a question that its own paper answers; what people ask elsewhere is not answered by papers.
    elsewhere = (HERE / "elsewhere.txt").read_text(encoding="utf-8").splitlines()
    questions = [*whole.titles, *elsewhere]
    answered = [number < len(whole) for number in range(len(questions))]
    judge = store.fit_judge(encoder.encode(questions, progress=False), answered)
    return [*said, f"relevance: learnt; max_false=0.05 leaves {judge.expected_lost(0.05)} of titles unanswered"]


@dataclass(frozen=True)
class Whole:
    """All papers of a store, in the order of their arrival; ``columns`` has a list for each attribute."""

    ids: list[str]
    titles: list[str]
    urls: list[str | None]
    texts: list[str]
    columns: dict[str, list[Any]]
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def labels(self, aspect: str) -> list[str | None]:
        """The label of each paper, None where it has none."""
        return self.columns[aspect]

    @property
    def days(self) -> list[dt.date | None]:
        """The day each paper was published, None where that is not known."""
        return [None if moment is None else moment.date() for moment in self.columns["published"]]


def everything(store: nf.Store) -> Whole:
    """The whole store, for maps and digests."""
    batches = list(store.iterate())
    return Whole(
        [one for batch in batches for one in batch.ids],
        [one["title"] for batch in batches for one in batch.payload],
        [one["url"] for batch in batches for one in batch.payload],
        [one for batch in batches for one in batch.text],
        {name: [one for batch in batches for one in batch.attributes.column(name).to_pylist()] for name in SCHEMA},
        np.concatenate([np.empty((0, store.dim), np.float32), *(batch.vectors for batch in batches)]),
    )


def full_id(store: nf.Store, beginning: str) -> str:
    """The id that is ``beginning``, or the only one that begins with it."""
    if beginning in store:
        return beginning
    found = [one for batch in store.iterate() for one in batch.ids if one.startswith(beginning)] if beginning else []
    if len(found) != 1:
        shown = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise ValueError(f"expected the beginning of one paper's id, got {beginning!r}: {shown or 'none begins so'}")
    return found[0]

"""WN18RR: relations between WordNet's synonym sets, without those that another one gives away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sources import Source, damage_named, obtain, read_bytes

_PARTS = ("train", "valid", "test")
_ADVICE = "The code of ConvE (Dettmers et al., 2018) has it, in WN18RR.tar.gz."


@dataclass(frozen=True)
class KnowledgeGraph:
    """Triples of a head, a relation and a tail.

    Attributes
    ----------
    entities : names; for WN18RR the eight digits of a synonym set.
    relations : names.
    train, valid, test : (m, 3) int64: number of the head, of the relation, of the tail.

    Examples
    --------
    >>> none = np.empty((0, 3), np.int64)
    >>> len(KnowledgeGraph(["a", "b"], ["is"], np.array([[0, 0, 1]]), none, none))
    2
    """

    entities: list[str]
    relations: list[str]
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    def __len__(self) -> int:
        return len(self.entities)


def load() -> KnowledgeGraph:
    """All three parts; entities and relations are numbered in the order of their names."""
    lines: dict[str, list[list[str]]] = {}
    for part in _PARTS:
        path = obtain(Source(f"wn18rr/{part}.txt", advice=_ADVICE))
        with damage_named(path):
            lines[part] = [line.split("\t") for line in read_bytes(path).decode().splitlines()]
            if not all(len(line) == 3 for line in lines[part]):
                raise ValueError("expected three fields a line, separated by tabs")
    every = [line for part in _PARTS for line in lines[part]]
    entities = sorted({line[i] for line in every for i in (0, 2)})
    relations = sorted({line[1] for line in every})
    number = {name: place for place, name in enumerate(entities)}
    kind = {name: place for place, name in enumerate(relations)}
    coded = [
        np.array([(number[head], kind[relation], number[tail]) for head, relation, tail in lines[part]], np.int64)
        for part in _PARTS
    ]
    return KnowledgeGraph(entities, relations, *(part.reshape(-1, 3) for part in coded))

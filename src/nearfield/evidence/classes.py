"""Classes of WordNet's nouns, and definitions of what belongs to them: real classes that are given as texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets import Synset, load


@dataclass(frozen=True)
class NounClass:
    """One noun that covers many others.

    ``name``; ``descriptions``, phrases of its own definition, examples, what it is a kind of, what its parts are;
    ``relatives``, definitions of nouns below it; ``labelled`` and ``held``, other definitions below it; ``kinds``, the
    definition of the noun directly below the class that each of ``held`` is below. The words that are defined are in
    none of them.
    """

    name: str
    descriptions: tuple[str, ...]
    relatives: tuple[str, ...]
    labelled: tuple[str, ...]
    held: tuple[str, ...]
    kinds: tuple[str, ...]


def noun_classes(count: int, relatives: int, labelled: int, held: int, seed: int = 0) -> list[NounClass]:
    """``count`` classes, drawn at random, of 60 to 300 nouns below each; none is below another, none has two names.

    Of the nouns below a class, ``relatives`` (those directly below it first), ``labelled`` and ``held`` definitions are
    kept, fewer only of the first.
    """
    synsets = load("wordnet").synsets
    rng = np.random.default_rng(seed)
    below = {row: _below(synsets, row) for row, synset in enumerate(synsets) if "~" in synset.relations}
    wide = [row for row, rows in below.items() if 60 <= len(rows) <= 300 and synsets[row].topic >= 4]
    taken: set[int] = set()
    names: set[str] = set()
    found: list[NounClass] = []
    for row in rng.permutation(wide):
        rows, name = below[row], synsets[row].words[0]
        if synsets[row].topic > 28 or taken & {row, *rows} or name in names or len(found) == count:
            continue
        taken |= {row, *rows}
        names.add(name)
        found.append(_class(synsets, int(row), rows, (relatives, labelled, held), rng))
    return found


def _class(
    synsets: Sequence[Synset], row: int, rows: set[int], sizes: tuple[int, int, int], rng: np.random.Generator
) -> NounClass:
    order = rng.permutation(sorted(rows))
    n_relatives, n_labelled, n_held = sizes
    held, labelled = order[:n_held], order[n_held : n_held + n_labelled]
    direct = synsets[row].relations["~"]
    kind = {other: first for first in direct for other in (first, *_below(synsets, first))}
    rest = sorted(order[n_held + n_labelled :], key=lambda other: other not in direct)[:n_relatives]
    own = synsets[row]
    phrases = [phrase.strip() for phrase in re.split(r"[;,]", own.definition) if len(phrase.split()) > 1]
    kinds = [f"a kind of {synsets[other].words[0]}" for other in own.relations.get("@", ())]
    parts = [f"has {synsets[other].words[0]}" for other in own.relations.get("%p", ())]
    chosen = (rest, labelled, held, [kind[other] for other in held])
    texts = (tuple(synsets[other].definition for other in part) for part in chosen)
    return NounClass(own.words[0], tuple(dict.fromkeys([*phrases, *kinds, *parts, *own.examples])), *texts)


def _below(synsets: Sequence[Synset], row: int) -> set[int]:
    found: set[int] = set()
    waiting = [row]
    while waiting:
        for other in synsets[waiting.pop()].relations.get("~", ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def remembering(encoder: Any) -> Callable[[Iterable[str]], np.ndarray]:
    """``encode(texts)`` that asks the encoder for each text once, however often it is wanted.

    Examples
    --------
    >>> class Length:
    ...     def encode(self, items, *, progress=None):
    ...         return np.array([[len(item)] for item in items], np.float32)
    >>> remembering(Length())(["a", "bcd", "a"]).tolist()
    [[1.0], [3.0], [1.0]]
    """
    known: dict[str, np.ndarray] = {}

    def encode(texts: Iterable[str]) -> np.ndarray:
        wanted = list(texts)
        new = [text for text in dict.fromkeys(wanted) if text not in known]
        if new:
            known.update(zip(new, encoder.encode(new, progress=False), strict=True))
        return np.array([known[text] for text in wanted])

    return encode


def flat(texts: Sequence[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    """The texts of all classes one after the other, and the number of the class of each.

    Examples
    --------
    >>> flat([["a", "b"], ["c"]])
    (['a', 'b', 'c'], array([0, 0, 1]))
    """
    return [text for own in texts for text in own], np.repeat(np.arange(len(texts)), [len(own) for own in texts])

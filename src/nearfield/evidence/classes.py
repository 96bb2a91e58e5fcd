"""Classes of WordNet's nouns, and definitions of what belongs to them: real classes that are given as texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..datasets import Synset, load


@dataclass(frozen=True)
class NounClass:
    """One noun that covers many others.

    ``name``; ``descriptions``, phrases of its own definition, examples, what it is a kind of, what its parts are;
    ``relatives``, definitions of nouns below it; ``labelled`` and ``held``, other definitions below it. The words
    that are defined are in none of them.
    """

    name: str
    descriptions: tuple[str, ...]
    relatives: tuple[str, ...]
    labelled: tuple[str, ...]
    held: tuple[str, ...]


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
    rest = order[n_held + n_labelled :]
    direct = set(synsets[row].relations["~"])
    rest = sorted(rest, key=lambda other: other not in direct)[:n_relatives]
    own = synsets[row]
    phrases = [phrase.strip() for phrase in re.split(r"[;,]", own.definition) if len(phrase.split()) > 1]
    kinds = [f"a kind of {synsets[other].words[0]}" for other in own.relations.get("@", ())]
    parts = [f"has {synsets[other].words[0]}" for other in own.relations.get("%p", ())]
    texts = (tuple(synsets[other].definition for other in part) for part in (rest, labelled, held))
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

"""Questions that WordNet itself answers: a noun's meaning asks for its family in the hierarchy.

The family of a synset are those it is a kind or an instance of, those that are kinds or instances of it, and its
sisters, which are kinds or instances of the same. All of it counts alike: WordNet has no grades.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..common.ndcg import discounts

if TYPE_CHECKING:
    from ..datasets.synsets import Synset

K = 10
_ABOVE, _BELOW = ("@", "@i"), ("~", "~i")
_NOUNS = range(3, 29)  # the topics of nouns


class Families(NamedTuple):
    """Rows of ``synsets``: the items; the questions that are scored and the samples; and the family of each of these.

    No question is an item, or of another's family. No family of a sample holds anything of one that is scored.
    """

    items: np.ndarray
    scored: np.ndarray
    samples: np.ndarray
    relevant: list[np.ndarray]
    known: list[np.ndarray]


def draw(synsets: Sequence[Synset], rows: int | None = None, questions: int = 500) -> Families:
    """All nouns, or the first ``rows`` of them from the top of the hierarchy down; of these so many questions twice."""
    nouns = [row for row, synset in enumerate(synsets) if synset.topic in _NOUNS]
    if rows is not None:
        nouns = _downwards(synsets, nouns[0])[:rows]
    inside = set(nouns)
    order = np.random.default_rng(0).permutation(np.array(nouns, np.int64)).tolist()
    scored, taken = _asked(synsets, order, inside, questions, set(), apart=False)
    samples, _ = _asked(synsets, order, inside, questions, taken, apart=True)
    items = np.array(sorted(inside.difference(scored, samples)), np.int64)
    relevant, known = ([np.searchsorted(items, sorted(one)) for one in found.values()] for found in (scored, samples))
    return Families(items, np.array(list(scored)), np.array(list(samples)), relevant, known)


def family(synsets: Sequence[Synset], row: int) -> set[int]:
    """Those above, those below, and those below the same.

    Examples
    --------
    >>> from nearfield.datasets.synsets import Synset
    >>> animal, dog, cat, pug = ({"~": (1, 2)}, {"@": (0,), "~": (3,)}, {"@": (0,)}, {"@": (1,)})
    >>> synsets = [Synset((), "", (), 5, relations) for relations in (animal, dog, cat, pug)]
    >>> [sorted(family(synsets, row)) for row in range(4)]
    [[1, 2], [0, 2, 3], [0, 1], [1]]
    """
    above, below = (_linked(synsets[row], signs) for signs in (_ABOVE, _BELOW))
    sisters = {one for parent in above for one in _linked(synsets[parent], _BELOW)}
    return (above | below | sisters) - {row}


def gains(relevant: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """What judges ten answers to each question: nDCG@10, all that is relevant counting alike.

    Examples
    --------
    >>> answers = np.arange(10)[None]
    >>> float(gains([np.array([0, 1])])(answers)[0]), float(gains([np.array([2])])(answers)[0])
    (1.0, 0.5)
    """
    counts = discounts(K)
    best = [counts[: len(own)].sum() for own in relevant]

    def each(answer: np.ndarray) -> np.ndarray:
        right = np.array([np.isin(row, own) for row, own in zip(answer, relevant, strict=True)])
        return np.asarray(right @ counts / best)

    return each


def _linked(synset: Synset, signs: Sequence[str]) -> set[int]:
    return {row for sign in signs for row in synset.relations.get(sign, ())}


def _downwards(synsets: Sequence[Synset], top: int) -> list[int]:
    """Everything below, each subtree as a whole before the next."""
    found: dict[int, None] = {}
    open_ = [top]
    while open_:
        row = open_.pop()
        if row not in found:
            found[row] = None
            open_.extend(sorted(_linked(synsets[row], _BELOW), reverse=True))
    return list(found)


def _asked(
    synsets: Sequence[Synset], order: Sequence[int], inside: set[int], count: int, before: set[int], *, apart: bool
) -> tuple[dict[int, set[int]], set[int]]:
    """The first ``count`` that ask for something and are in no family that was asked for, those ``before`` neither;
    and all that was asked for, questions included. ``apart``: nor may their families meet those before."""
    found: dict[int, set[int]] = {}
    taken = set(before)
    for row in order:
        own = family(synsets, row) & inside
        if len(found) == count:
            break
        if own and row not in taken and not (apart and (own & before)):
            found[row] = own
            taken |= own | {row}
    return found, taken

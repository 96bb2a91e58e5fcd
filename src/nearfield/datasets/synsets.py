"""WordNet's synonym sets, read from the lines of its files (wndb(5WN))."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# What the lexicographer's file of each number holds (lexnames(5WN)), in a few plain words.
TOPICS = (
    "adjectives", "adjectives of belonging", "adverbs", "the broadest nouns", "acts and actions", "animals",
    "man-made objects", "attributes of people and objects", "body parts", "thinking and knowledge", "communication",
    "natural events", "feelings and emotions", "foods and drinks", "groups of people or objects",
    "places and locations", "goals and motives", "natural objects", "people", "natural phenomena", "plants",
    "possession and its transfer", "natural processes", "quantities and units of measure",
    "relations between people or things or ideas", "shapes", "states of affairs", "substances", "time",
    "grooming, dressing and caring for the body", "changing size, temperature or intensity",
    "thinking, judging, analyzing or doubting", "telling, asking, ordering or singing",
    "fighting and competing in sports", "eating and drinking", "touching, hitting, tying or digging",
    "sewing, baking, painting or performing", "having feelings", "walking, flying or swimming",
    "seeing, hearing or feeling", "buying, selling or owning", "political and social activities",
    "being, having and being somewhere", "raining, snowing, thawing or thundering", "participles as adjectives",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning, and the words that have it.

    Attributes
    ----------
    words : the words of the set, the most usual first, with spaces for underscores.
    definition : the gloss without its examples.
    examples : sentences or phrases in which a word of the set is used; often none.
    topic : number of the lexicographer's file, 0 to 44; ``TOPICS`` in this module says what each holds.
    relations : by WordNet's own sign (``"@"`` hypernym, ``"~"`` hyponym, ``"%p"`` part, ...), the rows it points to.

    Examples
    --------
    >>> Synset(("dog",), "a domestic animal", ("the dog barked all night",), 5, {}).words
    ('dog',)
    """

    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]
    topic: int
    relations: dict[str, tuple[int, ...]]


def read_synsets(lines: Sequence[str]) -> list[Synset]:
    """Every line as a :class:`Synset`; relations are row numbers among ``lines``, which must be whole files."""
    kinds = [line.split(" ", 3)[2].replace("s", "a") for line in lines]  # a satellite is pointed to as an adjective
    row = {kind + line[:8]: number for number, (kind, line) in enumerate(zip(kinds, lines, strict=True))}
    return [_parse(line, row) for line in lines]


def _parse(line: str, row: dict[str, int]) -> Synset:
    head, _, gloss = line.partition("|")
    fields = head.split()
    n_words = int(fields[3], 16)
    words = (re.sub(r"\((?:a|p|ip)\)$", "", fields[4 + 2 * number]) for number in range(n_words))
    first = 5 + 2 * n_words
    relations: dict[str, tuple[int, ...]] = {}
    for place in range(first, first + 4 * int(fields[first - 1]), 4):
        target = row.get(fields[place + 2] + fields[place + 1])
        if target is not None:
            relations[fields[place]] = (*relations.get(fields[place], ()), target)
    examples = tuple(example.strip() for example in re.findall(r'"([^"]+)"', gloss))
    definition = gloss.partition('"')[0].strip().rstrip(";:").strip()
    return Synset(tuple(word.replace("_", " ") for word in words), definition, examples, int(fields[1]), relations)

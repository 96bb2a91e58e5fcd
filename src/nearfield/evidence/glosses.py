"""What WordNet says of its glosses beside their text: real attributes to filter by, some that lean on the meaning."""

from __future__ import annotations

import numpy as np

from ..datasets.sources import Source, damage_named, obtain, read_bytes

FILES = ("noun", "verb", "adj", "adv")
_HOME = "/usr/share/wordnet/"


def _source(part: str) -> Source:
    advice = "Debian's package wordnet-base has it (apt install wordnet-base)."
    return Source(f"wordnet/data.{part}", advice=advice, also=(f"{_HOME}data.{part}",))


def attributes() -> dict[str, np.ndarray]:
    """One value a gloss, in the order of the vectors; FileNotFoundError when WordNet's files are not here.

    ``part`` (of speech: 0 to 3), ``topic`` (the lexicographer's file: 0 to 44, such as animals or feelings), ``length``
    (characters of the gloss), ``words`` (of the synonym set) and ``relations`` (to other sets), all int64.
    """
    rows = [_parse(line, part) for part, name in enumerate(FILES) for line in _lines(name)]
    names = ("part", "topic", "length", "words", "relations")
    return dict(zip(names, np.array(rows, np.int64).T, strict=True))


def texts() -> list[str]:
    """What was encoded of each gloss, in the order of the vectors: ``"word, word: gloss"``."""
    return [_text(line) for name in FILES for line in _lines(name)]


def _text(line: str) -> str:
    head, _, gloss = line.partition("|")
    fields = head.split()
    words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    return ", ".join(word.replace("_", " ") for word in words) + ": " + gloss.strip()


def _lines(name: str) -> list[str]:
    path = obtain(_source(name))
    with damage_named(path):
        text = read_bytes(path).decode()
    return [line for line in text.splitlines() if not line.startswith("  ")]  # the licence is indented


def _parse(line: str, part: int) -> tuple[int, int, int, int, int]:
    head, _, gloss = line.partition("|")
    fields = head.split()
    words = int(fields[3], 16)
    return part, int(fields[1]), len(gloss.strip()), words, int(fields[4 + 2 * words])

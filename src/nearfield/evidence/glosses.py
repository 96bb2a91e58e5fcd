"""What WordNet says of its glosses beside their text: real attributes to filter by, some that lean on the meaning."""

from __future__ import annotations

import numpy as np

from ..datasets.wordnet import FILES, read_lines


def attributes() -> dict[str, np.ndarray]:
    """One value a gloss, in the order of the vectors; FileNotFoundError when WordNet's files are not here.

    ``part`` (of speech: 0 to 3), ``topic`` (the lexicographer's file: 0 to 44, such as animals or feelings), ``length``
    (characters of the gloss), ``words`` (of the synonym set) and ``relations`` (to other sets), all int64.
    """
    rows = [_parse(line, part) for part, name in enumerate(FILES) for line in read_lines(name)]
    names = ("part", "topic", "length", "words", "relations")
    return dict(zip(names, np.array(rows, np.int64).T, strict=True))


def rows_of(offsets: list[str]) -> np.ndarray:
    """The row of each synonym set by the eight digits of its place in WordNet's files, -1 where there is none.

    Of parts of speech that share a place the first is taken, nouns before verbs. Debian has mended some lines, so
    that a seventh of the places that other copies of WordNet 3.0 name begin no line here.
    """
    known: dict[str, int] = {}
    for row, line in enumerate(line for name in FILES for line in read_lines(name)):
        known.setdefault(line[:8], row)
    return np.array([known.get(offset, -1) for offset in offsets])


def _parse(line: str, part: int) -> tuple[int, int, int, int, int]:
    head, _, gloss = line.partition("|")
    fields = head.split()
    words = int(fields[3], 16)
    return part, int(fields[1]), len(gloss.strip()), words, int(fields[4 + 2 * words])

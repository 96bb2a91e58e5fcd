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


def _parse(line: str, part: int) -> tuple[int, int, int, int, int]:
    head, _, gloss = line.partition("|")
    fields = head.split()
    words = int(fields[3], 16)
    return part, int(fields[1]), len(gloss.strip()), words, int(fields[4 + 2 * words])

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


def hierarchy(least: int) -> tuple[np.ndarray, np.ndarray]:
    """Nouns sorted into the nodes of a tree: ``(node of each noun gloss, parent of each node)``, -1 for the root.

    A synonym set becomes a node when at least ``least`` glosses lie at or below it that no node below has taken (the
    root whatever is left). The first broader term of a set is its parent.
    """
    lines = read_lines("noun")
    row_of = {line[:8]: row for row, line in enumerate(lines)}
    up = np.array([row_of.get(_broader(line), -1) for line in lines])
    depth = np.zeros(len(lines), np.int64)
    for row in range(len(lines)):
        above = up[row]
        while above >= 0:
            depth[row] += 1
            above = up[above]
    taken, node = np.ones(len(lines), np.int64), np.full(len(lines), -1)
    by_depth = np.argsort(-depth, kind="stable")
    for row in by_depth:
        if taken[row] >= least or up[row] < 0:
            node[row] = row
        else:
            taken[up[row]] += taken[row]
    for row in by_depth[::-1]:
        if node[row] < 0:
            node[row] = node[up[row]]
    nodes, own = np.unique(node, return_inverse=True)
    parents = np.array([np.searchsorted(nodes, node[up[row]]) if up[row] >= 0 else -1 for row in nodes])
    return own, parents


def _broader(line: str) -> str:
    fields = line.partition("|")[0].split()
    words = int(fields[3], 16)
    first = 5 + 2 * words
    marks = fields[first : first + 4 * int(fields[first - 1]) : 4]
    return next((fields[first + 4 * i + 1] for i, mark in enumerate(marks) if mark in ("@", "@i")), "")

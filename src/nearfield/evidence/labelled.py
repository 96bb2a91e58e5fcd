"""Items with labels of several kinds: WordNet's glosses, and Debian's packages by their tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..datasets import debian_packages, load
from .claims import Setting
from .glosses import attributes


@dataclass(frozen=True)
class Labelled:
    """Items seen and items held out, with the labels of each kind."""

    name: str
    texts: list[str]
    vectors: np.ndarray
    labels: Mapping[str, np.ndarray]
    seen: np.ndarray
    held: np.ndarray


def labelled(setting: Setting) -> Iterator[Labelled]:
    """WordNet by topic and part of speech (MiniLM), packages by language and role (WordLlama); one or the other may be
    missing: FileNotFoundError."""
    glosses = load("wordnet")
    found = attributes()
    order = np.random.default_rng(0).permutation(len(glosses.vectors))
    count = setting.pick(20_000, 1_500)
    labels = {"topic": found["topic"], "part of speech": found["part"]}
    yield Labelled("WordNet", glosses.texts, glosses.vectors, labels, order[:count], order[count : 2 * count])

    from ..encode import WordLlama

    packages = debian_packages()
    tags = {kind: [_only(text, kind) for text in packages.attributes["tags"]] for kind in ("implemented-in", "role")}
    both = [row for row in range(len(packages)) if all(tags[kind][row] for kind in tags)]
    both = list(np.random.default_rng(0).permutation(both)[: setting.pick(None, 1_500)])
    some = packages.take(np.sort(both))
    rows = np.sort(both)
    vectors = np.ascontiguousarray(WordLlama().encode(some.texts, progress=False), np.float32)
    kinds = {
        name: np.array([tags[kind][row] for row in rows])
        for name, kind in (("language", "implemented-in"), ("role", "role"))
    }
    order = np.random.default_rng(1).permutation(len(rows))
    half = len(rows) // 2
    yield Labelled("Debian packages", some.texts, vectors, kinds, order[:half], order[half:])


def _only(tags: str, kind: str) -> str:
    """The label of a kind, empty where a package has none or several."""
    found = {name for name in re.findall(rf"{kind}::([^\s,]+)", tags) if name.islower()}  # capitals: still to be said
    return found.pop() if len(found) == 1 else ""

"""WordNet glosses as MiniLM vectors, with queries from another distribution; and its synonym sets as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .sources import Source, damage_named, obtain, read_bytes, read_vectors
from .synsets import Synset, read_synsets

FILES = ("noun", "verb", "adj", "adv")
_HOME = "/usr/share/wordnet/"

_MADE = (
    "It was computed for Nearfield and has no public home. To make it, encode {what} with "
    "nearfield.OnnxText('<all-MiniLM-L6-v2 exported to ONNX>', max_tokens=96) and numpy.save the result as float16."
)
_VECTORS = Source(
    "wordnet/minilm.npy",
    advice=_MADE.format(
        what="the 117,659 synsets of WordNet 3.0 (Debian's wordnet-base: data.noun, data.verb, data.adj, data.adv in "
        "that order) as 'word, word: gloss'"
    ),
)
_QUERIES = Source(
    "wordnet/debian_queries.npy",
    advice=_MADE.format(what="6,000 descriptions of Debian packages (apt-cache dumpavail)"),
)


@dataclass(frozen=True)
class WordNet:
    """117,659 short definitions as unit vectors of all-MiniLM-L6-v2: a real space of middling difficulty.

    Attributes
    ----------
    vectors : float32 (117659, 384); row order is that of WordNet's files.
    out_of_distribution_queries : float32 (6000, 384), Debian package descriptions by the same encoder. Their nearest
        definitions are far away, which makes approximate search much harder than held-out rows do.
    texts : what was encoded, ``"word, word: gloss"``, in the same order; read on first use from WordNet's own files.
    synsets : the same with its parts told apart: words, definition, examples, topic, relations.

    Examples
    --------
    >>> from nearfield.datasets import load
    >>> load("wordnet").vectors.shape    # doctest: +SKIP
    (117659, 384)
    """

    vectors: np.ndarray
    out_of_distribution_queries: np.ndarray

    @cached_property
    def texts(self) -> list[str]:
        """The definitions with the words they define."""
        return [_text(line) for part in FILES for line in read_lines(part)]

    @cached_property
    def synsets(self) -> list[Synset]:
        """Words, definition, examples, topic and relations of each row."""
        return read_synsets([line for part in FILES for line in read_lines(part)])


def load() -> WordNet:
    """Both arrays."""
    return WordNet(read_vectors(_VECTORS), read_vectors(_QUERIES))


def read_lines(part: str) -> list[str]:
    """The lines of one of WordNet's :data:`FILES`, one a gloss, in the order of the vectors, without the licence."""
    advice = "Debian's package wordnet-base has it (apt install wordnet-base)."
    path = obtain(Source(f"wordnet/data.{part}", advice=advice, also=(f"{_HOME}data.{part}",)))
    with damage_named(path):
        text = read_bytes(path).decode()
    return [line for line in text.splitlines() if not line.startswith("  ")]  # the licence is indented


def _text(line: str) -> str:
    head, _, gloss = line.partition("|")
    fields = head.split()
    words = [fields[4 + 2 * number].replace("_", " ") for number in range(int(fields[3], 16))]
    return f"{', '.join(words)}: {gloss.strip()}"

"""The words of a question, and the items that hold any of them, scored by BM25 as SQLite's FTS5 computes it.

What a user writes is text, never a query language: its words are taken out and quoted, and any of them may match. FTS5
fixes ``k1 = 1.2`` and ``b = 0.75``, and a word in more than half of all items weighs nothing; in a store of some size
such words are left out, since their items are many and it would take long to score them all.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import native
from .filters import Filter
from .snapshot import View
from .texts import Wording, is_indexed, words_errors

_WORD = re.compile(r"[^\W_]+")
# So many different words are asked for at most: the rarest of the first so many.
MOST_WORDS, MOST_LOOKED_AT = 64, 512
# With fewer items every word counts, however many hold it.
_PRUNED_ITEMS = 1000
_PAIR = np.dtype([("key", np.int64), ("score", np.float64)])


@dataclass(frozen=True)
class Matches:
    """The items that hold any of a text's words.

    Attributes
    ----------
    keys : int64 (n,).
    scores : float64 (n,), BM25: larger is better.
    words : how many different words the text has.
    items : how many items the store has.
    """

    keys: np.ndarray
    scores: np.ndarray
    words: int
    items: int

    @property
    def standing(self) -> np.ndarray:
        """Minus the log of the share of items that would score as high by chance; 0 for all that hold no word.

        Some items hold any of the words, and their scores have a nearly exponential tail about their mean:
        that of a word that one item alone holds says much, the same score among thousands little.
        """
        if not len(self.scores):
            return self.scores
        return self.scores / self.scores.mean() + np.log(max(self.items, len(self.keys)) / len(self.keys))


@dataclass(frozen=True)
class Ranked:
    """Those of the matches that live and pass a condition, the best first; among equals the older item."""

    keys: np.ndarray
    parts: np.ndarray
    rows: np.ndarray
    scores: np.ndarray
    standing: np.ndarray


def words_of(text: str, tokenizer: str) -> list[str]:
    """The different words of a text in order; for trigrams, every three characters of them."""
    composed = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    found: Iterable[str] = (match.group().lower() for match in _WORD.finditer(composed))
    return list(dict.fromkeys(_trigrams(found) if tokenizer == "trigram" else found))


def _trigrams(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        yield from (word[start : start + 3] for start in range(len(word) - 2))


def match(connection: sqlite3.Connection, path: Path, text: str, wording: Wording, items: int) -> Matches:
    """All items that hold any of the words, of the moment of this transaction, in the order of their keys."""
    words = words_of(text, wording.tokenizer)
    empty = Matches(np.empty(0, np.int64), np.empty(0), len(words), items)
    if not words or not is_indexed(connection):
        return empty
    with words_errors(path):
        asked = _telling(connection, words, items)
        if not asked:
            return empty
        query = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?"
        pairs = np.fromiter(connection.execute(query, (_any(asked),)), _PAIR)
    pairs.sort(order="key")
    return Matches(pairs["key"].copy(), pairs["score"].copy(), len(words), items)


def _any(words: Iterable[str]) -> str:
    """In FTS5's language: letters and digits in quotes, which nothing in them can end."""
    return " OR ".join(f'"{word}"' for word in words)


def _telling(connection: sqlite3.Connection, words: list[str], items: int) -> list[str]:
    """The words to ask for: of many the rarest, and none that half of the items hold, unless all are like that."""
    if len(words) <= MOST_WORDS and items < _PRUNED_ITEMS:
        return words
    query = "SELECT COUNT(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
    half = max(items // 2, 1)
    held = Counter(
        {word: connection.execute(query, (_any([word]), half + 1)).fetchone()[0] for word in words[:MOST_LOOKED_AT]}
    )
    known = [word for word in held if held[word]]
    rare = [word for word in known if held[word] <= half] if items >= _PRUNED_ITEMS else known
    chosen = sorted(rare or known, key=lambda word: held[word])[:MOST_WORDS]  # stable: the first of equals
    return [word for word in known if word in set(chosen)]


def rank(view: View, found: Matches, condition: Filter | None) -> Ranked:
    """The matches that may be returned."""
    parts, rows = view.locate(found.keys)
    may = np.zeros(len(found.keys), bool)
    for number, live in enumerate(view.parts):
        here = np.flatnonzero(parts == number)
        words, allowed = live.allowed(condition) if here.size else (None, 0)
        if allowed:
            may[here] = True if words is None else native.unpack_bits(words, len(live.part))[rows[here]].astype(bool)
    kept = np.flatnonzero(may)
    order = kept[np.lexsort((found.keys[kept], -found.scores[kept]))]
    return Ranked(found.keys[order], parts[order], rows[order], found.scores[order], found.standing[order])


def explain_words(
    view: View,
    found: Matches,
    ranked: Ranked,
    count: int,
    k: int,
    condition: Filter | None,
    max_false: float | None,
) -> str:
    """``"ok"``, or why there are fewer than ``k`` hits."""
    filtered = condition is not None
    if count == k:
        return "ok"
    if not view.items:
        return "the store is empty"
    if max_false is not None and count < len(ranked.keys):
        return f"{'cut: nothing else' if count else 'nothing'} is relevant at max_false={max_false:g}"
    if not found.words:
        return "the text holds no word to search by"
    if not len(found.keys):
        return "no item holds any of the words"
    if not len(ranked.keys):
        return "no item that passes the filter holds any of the words" if filtered else "no item holds any of the words"
    one = len(ranked.keys) == 1
    holds = "1 item" if one else f"{len(ranked.keys)} items"
    passing = " that pass the filter" if filtered and not one else " that passes the filter" if filtered else ""
    return f"only {holds}{passing} {'holds' if one else 'hold'} any of the words"

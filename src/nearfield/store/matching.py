"""The words of a question, and the items that hold any of them, scored by BM25 as SQLite's FTS5 computes it.

What a user writes is text, never a query language: its words are taken out and quoted, and any of them may match. FTS5
fixes ``k1 = 1.2`` and ``b = 0.75``, and a word in more than half of all items weighs nothing; in a store of some size
such words are left out, since their items are many.

FTS5 takes some microseconds for every item that it scores, so where many items hold common words, only those are scored
that hold a rare one, as long as no other can be among the best: a word adds at most ``(k1 + 1) * idf`` (MaxScore,
Turtle and Flood, 1995). The answer is the same.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import native
from .filters import Filter
from .snapshot import View
from .texts import SCHEMA, TOKENIZERS, Wording, is_indexed, read_texts, words_errors

_WORD = re.compile(r"[^\W_]+")
# Scripts that put no space between words: Thai, Lao, Burmese, Khmer, and what Chinese and Japanese are written in.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# So many different words are asked for at most: the rarest of the first so many.
MOST_WORDS, MOST_LOOKED_AT = 64, 512
# With fewer items every word counts, however many hold it.
_PRUNED_ITEMS = 1000
# So many entries of lists of items are scored before it is worth to look for less.
_SCORED = 20_000
_K1, _B = 1.2, 0.75
# By how much the mean score is raised by words that a text holds more than once: 1.25 on SciFact, 1.27 on Cranfield.
_AGAIN = 1.25
_PAIR = np.dtype([("key", np.int64), ("score", np.float64)])


@dataclass(frozen=True)
class Asked:
    """The words that are asked for, the rarest first.

    Attributes
    ----------
    words : as the text has them.
    held : int64, how many texts hold each.
    texts : how many texts there are.
    mean_length : of them, in words.
    """

    words: tuple[str, ...]
    held: np.ndarray
    texts: int
    mean_length: float

    @cached_property
    def idf(self) -> np.ndarray:
        """What each word weighs, as FTS5 has it."""
        return np.maximum(np.log((self.texts - self.held + 0.5) / (self.held + 0.5)), 1e-6)

    @cached_property
    def usual(self) -> tuple[float, float]:
        """The mean score of a text that holds any of the words, and the share of texts that do, were words scattered.

        A word adds its idf to a text of mean length that holds it once, and more where it is said again.
        """
        share = -np.expm1(np.log1p(-np.minimum(self.held / self.texts, 1 - 1e-9)).sum())
        return _AGAIN * float((self.held * self.idf).sum() / (share * self.texts)), float(share)


@dataclass(frozen=True)
class Matches:
    """Items that hold any of a text's words.

    Attributes
    ----------
    keys : int64 (n,), ascending.
    scores : float64 (n,), BM25: larger is better.
    words : how many different words the text has.
    asked : those asked for; None where no text holds any.
    whole : whether all that match are here, or only such as may be among the best.
    """

    keys: np.ndarray
    scores: np.ndarray
    words: int
    asked: Asked | None = None
    whole: bool = True

    def standing(self, scores: np.ndarray) -> np.ndarray:
        """Minus the log of the share of items that would score as high by chance; 0 for all that hold no word.

        Some items hold any of the words, and their scores have a nearly exponential tail about their mean: that of a
        word that one item alone holds says much, the same score among thousands little.
        """
        if self.asked is None:
            return np.zeros(len(scores))
        mean, share = self.asked.usual
        return np.where(scores > 0, scores / mean - np.log(share), 0.0)


@dataclass(frozen=True)
class Ranked:
    """Those of the matches that live and pass a condition, the best first; among equals the older item."""

    keys: np.ndarray
    parts: np.ndarray
    rows: np.ndarray
    scores: np.ndarray
    standing: np.ndarray


def words_of(text: str, tokenizer: str) -> list[str]:
    """The different words of a text in order; for trigrams, of scripts without spaces every three characters."""
    composed = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    found: Iterable[str] = (match.group().lower() for match in _WORD.finditer(composed))
    return list(dict.fromkeys(_trigrams(found) if tokenizer == "trigram" else found))


def _trigrams(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if _UNSPACED.search(word):
            yield from (word[start : start + 3] for start in range(len(word) - 2))
        elif len(word) > 2:
            yield word


def match(connection: sqlite3.Connection, path: Path, text: str, wording: Wording, need: int | None = None) -> Matches:
    """The items that hold any of the words, of the moment of this transaction.

    ``need`` is how many of the best are needed; None: all that match.
    """
    words = words_of(text, wording.tokenizer)
    empty = Matches(np.empty(0, np.int64), np.empty(0), len(words))
    if not words or not is_indexed(connection):
        return empty
    with words_errors(path):
        asked = _telling(connection, words)
        if asked is None:
            return empty
        pairs, whole = _best(connection, asked, need)
    pairs.sort(order="key")
    return Matches(pairs["key"].copy(), pairs["score"].copy(), len(words), asked, whole)


def _any(words: Iterable[str]) -> str:
    """In FTS5's language: letters and digits in quotes, which nothing in them can end."""
    return " OR ".join(f'"{word}"' for word in words)


def _scored(connection: sqlite3.Connection, query: str) -> np.ndarray:
    found = connection.execute("SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?", (query,))
    return np.fromiter(found, _PAIR)


def _telling(connection: sqlite3.Connection, words: list[str]) -> Asked | None:
    """The words to ask for: of many the rarest, and none that half of the texts hold, unless all are like that."""
    texts, length = _sizes(connection)
    query = "SELECT COUNT(*) FROM words WHERE words MATCH ?"
    held = {word: connection.execute(query, (_any([word]),)).fetchone()[0] for word in words[:MOST_LOOKED_AT]}
    known = {word: count for word, count in held.items() if count}
    rare = {word: count for word, count in known.items() if count <= texts // 2 or texts < _PRUNED_ITEMS} or known
    chosen = sorted(rare.items(), key=lambda pair: pair[1])[:MOST_WORDS]  # stable: the first of equals
    if not chosen:
        return None
    return Asked(tuple(word for word, _ in chosen), np.array([count for _, count in chosen]), texts, length)


def _sizes(connection: sqlite3.Connection) -> tuple[int, float]:
    """How many texts the index has, and their mean length in words: FTS5's record of averages, two varints."""
    row = connection.execute("SELECT block FROM words_data WHERE id = 1").fetchone()
    numbers, value = [], 0
    for byte in row[0] if row and isinstance(row[0], bytes) else b"":
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(value)
            value = 0
    texts, tokens = (*numbers, 0, 0)[:2]
    return max(1, texts), max(1.0, tokens / max(1, texts))


def _best(connection: sqlite3.Connection, asked: Asked, need: int | None) -> tuple[np.ndarray, bool]:
    """Keys and scores of all that match, or of all that may be among the ``need`` best; and which of the two."""
    ends = np.cumsum(asked.held)
    count = len(asked.words)
    if need is None or ends[-1] <= _SCORED:
        return _scored(connection, _any(asked.words)), True
    rest = (_K1 + 1) * np.append(np.cumsum(asked.idf[::-1])[::-1], 0.0)  # at most, of the words from each on
    first = max(1, int(np.searchsorted(ends, _SCORED // 4, side="right")))
    while first < count:
        pairs = _scored(connection, _any(asked.words[:first]))
        least = np.partition(pairs["score"], len(pairs) - need)[-need] if len(pairs) >= need else 0.0
        if rest[first] < least:
            with_others = _scored(connection, f"({_any(asked.words[:first])}) AND ({_any(asked.words[first:])})")
            pairs.sort(order="key")
            pairs["score"][np.searchsorted(pairs["key"], with_others["key"])] = with_others["score"]
            return pairs, False
        enough = int(np.argmax(rest < least)) if least > 0 else count  # what is known of the best only grows
        first = min(enough, max(first + 1, int(np.searchsorted(ends, 4 * ends[first - 1], side="right"))))
    return _scored(connection, _any(asked.words)), True


def score(connection: sqlite3.Connection, path: Path, wording: Wording, found: Matches, keys: np.ndarray) -> np.ndarray:
    """The BM25 score of these items, float64; of those that were passed over, from their texts."""
    scores = np.zeros(len(keys))
    at = np.minimum(np.searchsorted(found.keys, keys), max(0, len(found.keys) - 1))
    held = found.keys[at] == keys if len(found.keys) else np.zeros(len(keys), bool)
    scores[held] = found.scores[at[held]]
    if not found.whole and found.asked is not None:
        missing = np.flatnonzero(~held)
        texts = read_texts(connection, keys[missing].tolist(), path, wording)
        scores[missing] = _score_texts(found.asked, [texts.get(key) for key in keys[missing].tolist()], wording)
    return scores


def _score_texts(asked: Asked, texts: list[str | None], wording: Wording) -> np.ndarray:
    """BM25 by the formula, of texts that a small index of their own makes into words."""
    scores = np.zeros(len(texts))
    small = sqlite3.connect(":memory:", isolation_level=None)
    try:
        small.execute(SCHEMA.format(TOKENIZERS[wording.tokenizer]))
        rows = [(place, text) for place, text in enumerate(texts, 1) if text]
        small.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", rows)
        small.execute("CREATE VIRTUAL TABLE places USING fts5vocab(words, instance)")
        length = np.zeros(len(texts) + 1)
        for place, count in small.execute("SELECT doc, COUNT(*) FROM places GROUP BY doc"):
            length[place] = count
        own, norm = (
            _K1 * (1 - _B + _B * length / mean)
            for mean in (max(1.0, length.sum() / max(1, len(rows))), asked.mean_length)
        )
        for word, idf in zip(asked.words, asked.idf.tolist(), strict=True):
            pairs = _scored(small, _any([word]))
            if len(pairs):
                # How often a text holds the word, out of the score that the small index gives it.
                weight = max(float(np.log((len(rows) - len(pairs) + 0.5) / (len(pairs) + 0.5))), 1e-6)
                part = pairs["score"] / (weight * (_K1 + 1))
                count = np.rint(part / (1 - part) * own[pairs["key"]])
                scores[pairs["key"] - 1] += idf * count * (_K1 + 1) / (count + norm[pairs["key"]])
    finally:
        small.close()
    return scores


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
    scores = found.scores[order]
    return Ranked(found.keys[order], parts[order], rows[order], scores, found.standing(scores))


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

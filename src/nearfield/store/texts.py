"""The items' texts in the catalogue, and the index of their words: an FTS5 table, changed in the same transaction.

An item's text is what was given with it (table ``texts``), or else what its payload holds under the key that the
setting ``text`` names; then it is stored once. The index of words (table ``words``) is contentless: it holds words and
places, no text. So what leaves it must be told to it again word by word, which is why a text has a checksum. The index
is derived: where FTS5 finds it damaged, or where it is missing, it is built again from the texts.

A contentless table with FTS5's own deletion (``contentless_delete``) would need SQLite 3.43; an ordinary FTS5 table
would keep the text without a checksum.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..common.checks import check_choice
from ..common.decoding import decoding
from ..common.errors import CorruptFileError
from .tables import digest, read_meta, set_meta

if TYPE_CHECKING:
    from .catalogue import Catalogue

TOKENIZERS = {
    "porter": "porter unicode61 remove_diacritics 2",
    "unicode61": "unicode61 remove_diacritics 2",
    "trigram": "trigram",
}
SCHEMA = "CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='{}')"
_DAMAGED = sqlite3.SQLITE_CORRUPT | 1 << 8  # SQLITE_CORRUPT_VTAB: FTS5 found it, not SQLite's own checks
_STEP = 500
Answer = TypeVar("Answer")
_MERGED_PAGES = 1000
# The formats of older stores have no texts.
FORMAT = 4


@dataclass(frozen=True)
class Wording:
    """How a store's texts become words, the setting ``text``.

    Attributes
    ----------
    field : the key of a payload that holds an item's text; None where texts are given by themselves only.
    tokenizer : one of :data:`TOKENIZERS`.
    """

    field: str | None = None
    tokenizer: str = "porter"

    @classmethod
    def check(cls, field: Any, tokenizer: Any) -> Wording:
        """As a caller says it."""
        if field is not None and not isinstance(field, str):
            raise TypeError(f"text: expected the name of a key of the payload, got {field!r}")
        return cls(field, check_choice(tokenizer, "tokenizer", tuple(TOKENIZERS)))

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Wording | None:
        """That of a store with these settings; None where it has no texts."""
        said = meta.get("text")
        return None if said is None else cls.check(said["field"], said["tokenizer"])

    def to_dict(self) -> dict[str, Any]:
        """As it is stored."""
        return {"field": self.field, "tokenizer": self.tokenizer}

    def within(self, payload: Any) -> str | None:
        """The text that a payload holds."""
        found = payload.get(self.field) if self.field is not None and isinstance(payload, dict) else None
        # JSON can say half a surrogate pair, UTF-8 cannot.
        return found.encode("utf-8", "replace").decode() if isinstance(found, str) else None


def check_texts(text: Any, rows: int) -> list[str | None] | None:
    """The texts that one add brings, checked; None where it brings none."""
    if text is None:
        return None
    if isinstance(text, str | bytes | Mapping) or not hasattr(text, "__len__") or not hasattr(text, "__iter__"):
        raise TypeError(f"text: expected a list of one text per item, got {type(text).__name__}")
    if len(text) != rows:
        raise ValueError(f"text: expected {rows} texts, one per item, got {len(text)}")
    values = text.to_pylist() if hasattr(text, "to_pylist") else list(text)
    for place, value in enumerate(values):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"text: expected str or None, got {type(value).__name__} at position {place}")
        try:
            (value or "").encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"text: expected text that UTF-8 can hold, at position {place}: {error}") from None
    return values if any(value is not None for value in values) else None


class DamagedWordsError(CorruptFileError):
    """The index of words is damaged, or cannot be told what leaves it; it can be built again."""


def is_damage(error: BaseException | None) -> bool:
    """Whether FTS5 found its own table damaged, perhaps only when the transaction ended."""
    return isinstance(error, DamagedWordsError) or getattr(error, "sqlite_errorcode", 0) == _DAMAGED


@contextlib.contextmanager
def words_errors(path: Path) -> Iterator[None]:
    """Raise :class:`DamagedWordsError` for what FTS5 says of its own table."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        raise DamagedWordsError(path, f"the index of words is damaged ({error}); a writer builds it again") from error


def read_wording(connection: sqlite3.Connection, path: Path) -> Wording | None:
    """The store's, as the last transaction left it."""
    meta = read_meta(connection, path, "text")
    with decoding(path, "setting 'text'"):
        return Wording.of(meta)


def is_indexed(connection: sqlite3.Connection) -> bool:
    """Whether there is an index of words."""
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'words'").fetchone() is not None


# -- reading ----------------------------------------------------------------------------------------------------------


def read_texts(
    connection: sqlite3.Connection, keys: Iterable[int], path: Path, wording: Wording | None
) -> dict[int, str]:
    """The texts of those items with these keys that have one, their checksums verified."""
    wanted = [] if wording is None else list(keys)
    found: dict[int, str] = {}
    for start in range(0, len(wanted), _STEP):
        some = wanted[start : start + _STEP]
        marks = ",".join("?" * len(some))
        found.update(_read(connection, f"WHERE items.key IN ({marks})", some, path, wording))
    return found


def _read(
    connection: sqlite3.Connection, where: str, values: Sequence[int], path: Path, wording: Wording | None
) -> Iterator[tuple[int, str]]:
    rows = connection.execute(
        "SELECT items.key, items.payload, items.xxh3, texts.text, texts.xxh3 "
        f"FROM items LEFT JOIN texts ON texts.key = items.key {where}",
        values,
    )
    for key, payload, check, text, own in rows:
        if text is not None:
            if digest(b"%d" % key, str(text).encode()) != own:
                raise CorruptFileError(path, f"checksum of the text of item {key} differs")
            yield key, str(text)
        elif payload is not None and wording is not None and wording.field is not None:
            if digest(b"%d" % key, str(payload).encode()) != check:
                raise CorruptFileError(path, f"checksum of the payload of item {key} differs")
            with decoding(path, f"the payload of item {key}"):
                inside = wording.within(json.loads(payload))
            if inside is not None:
                yield key, inside


# -- writing, inside a transaction ------------------------------------------------------------------------------------


def insert(
    connection: sqlite3.Connection,
    path: Path,
    first_key: int,
    texts: Sequence[str | None] | None,
    payload: Sequence[Any] | None,
    rows: int,
) -> None:
    """The texts of new items, with keys from ``first_key`` on; the first ones make the setting and the index."""
    wording = read_wording(connection, path)
    if wording is None:
        if texts is None:
            return
        wording = Wording()
        set_meta(connection, "text", wording.to_dict())
    inside = [None] * rows if payload is None else [wording.within(value) for value in payload]
    given: Sequence[str | None] = texts or [None] * rows
    own = [
        (key, text, digest(b"%d" % key, text.encode()))
        for key, (text, other) in enumerate(zip(given, inside, strict=True), first_key)
        if text is not None and text != other
    ]
    connection.executemany("INSERT INTO texts VALUES (?, ?, ?)", own)
    if not is_indexed(connection):
        rebuild(connection, path, wording)
        return
    every = (
        (key, other if text is None else text)
        for key, (text, other) in enumerate(zip(given, inside, strict=True), first_key)
    )
    with words_errors(path):
        _index(connection, ((key, text) for key, text in every if text is not None))


def remove(connection: sqlite3.Connection, path: Path, keys: Sequence[int]) -> None:
    """Take the texts of these items away, which are still there otherwise."""
    wording = read_wording(connection, path)
    if wording is None:
        return
    if is_indexed(connection):
        try:
            found = read_texts(connection, keys, path, wording)
        except CorruptFileError as error:  # it cannot be told to the index any more
            raise DamagedWordsError(path, error.reason) from error
        rows = [(key, found[key]) for key in sorted(found)]
        with words_errors(path):
            connection.executemany("INSERT INTO words(words, rowid, text) VALUES ('delete', ?, ?)", rows)
    connection.executemany("DELETE FROM texts WHERE key = ?", [(key,) for key in keys])


def retrying(catalogue: Catalogue, write: Callable[[], Answer]) -> Answer:
    """What ``write`` returns; where the index of words stopped it, that is dropped and it is done once more.

    It was one transaction and is undone. What FTS5 has in mind for a table that it finds damaged must not be written,
    so the table goes in a transaction of its own; ``write`` then finds it missing and makes it anew. A violated
    constraint is FTS5's as well: it numbers a part of its table as one that is there, though it does not know of it.
    """
    try:
        return write()
    except sqlite3.IntegrityError:
        pass
    except CorruptFileError as error:
        if not is_damage(error) and not is_damage(error.__cause__):
            raise
    with catalogue.writing() as connection:
        discard(connection)
    return write()


def ensure(connection: sqlite3.Connection, path: Path) -> None:
    """Build the index of words where it was discarded."""
    if not is_indexed(connection):
        wording = read_wording(connection, path)
        if wording is not None:
            rebuild(connection, path, wording)


def discard(connection: sqlite3.Connection) -> None:
    """Drop the index of words."""
    connection.execute("DROP TABLE IF EXISTS words")


def rebuild(connection: sqlite3.Connection, path: Path, wording: Wording) -> None:
    """Build the index of words from the items' texts."""
    discard(connection)
    connection.execute(SCHEMA.format(TOKENIZERS[wording.tokenizer]))
    _index(connection, _read(connection, "ORDER BY items.key", (), path, wording))


def _index(connection: sqlite3.Connection, rows: Iterable[tuple[int, str]]) -> None:
    connection.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", rows)


def choose(catalogue: Catalogue, wording: Wording) -> None:
    """Make this the store's setting and index all items by it, in one transaction."""
    with catalogue.writing() as connection:
        if read_wording(connection, catalogue.path) != wording or not is_indexed(connection):
            set_meta(connection, "text", wording.to_dict())
            rebuild(connection, catalogue.path, wording)


def repair(catalogue: Catalogue) -> bool:
    """Build the index of words anew; returns whether there is one."""
    with catalogue.writing() as connection:
        wording = read_wording(connection, catalogue.path)
        if wording is not None:
            rebuild(connection, catalogue.path, wording)
    return wording is not None


def merge(catalogue: Catalogue) -> bool:
    """Merge the parts that the index of words has grown by, some megabytes at a time; returns whether there were any.

    FTS5 merges on the way as well, but leaves up to a few dozen.
    """
    merged, pages = False, -_MERGED_PAGES
    while True:
        with catalogue.reading() as connection:
            if catalogue.format(connection) < FORMAT or not is_indexed(connection):
                return merged
            parts = connection.execute("SELECT COUNT(DISTINCT segid) FROM words_idx").fetchone()[0]
        if parts <= 1:
            return merged
        with catalogue.writing() as connection:
            before = connection.total_changes
            connection.execute("INSERT INTO words(words, rank) VALUES ('merge', ?)", (pages,))
            if connection.total_changes - before < 2:
                return merged
        merged, pages = True, _MERGED_PAGES


# -- verifying --------------------------------------------------------------------------------------------------------


def check(connection: sqlite3.Connection, path: Path) -> tuple[list[str], list[str]]:
    """Problems of the texts, and of the index of words, which is held against one made anew from the texts."""
    strays = connection.execute(
        "SELECT COUNT(*) FROM texts WHERE NOT EXISTS (SELECT 1 FROM items WHERE items.key = texts.key)"
    ).fetchone()[0]
    problems = [f"{path}: {strays} texts belong to no item"] * bool(strays)
    wording = read_wording(connection, path)
    if wording is None:
        return problems, [f"{path}: words of a store that has no texts"] * is_indexed(connection)
    if not is_indexed(connection):
        return problems, [f"{path}: the index of words is missing"]
    fresh = sqlite3.connect("", isolation_level=None)
    try:
        fresh.execute("BEGIN")
        fresh.execute(SCHEMA.format(TOKENIZERS[wording.tokenizer]))
        try:
            _index(fresh, _read(connection, "ORDER BY items.key", (), path, wording))
        except CorruptFileError as error:
            return [*problems, str(error)], []
        try:
            wrong = _different(_listed(connection), _listed(fresh))
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            wrong = str(error)
    finally:
        fresh.close()
    return problems, [f"{path}: the index of words is not that of the texts ({wrong})"] * bool(wrong)


def _listed(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """What an index holds: how long each text is; for every word where it occurs, summed up."""
    yield from connection.execute("SELECT id, sz FROM words_docsize ORDER BY id")
    connection.execute("DROP TABLE IF EXISTS temp.word_places")
    connection.execute("CREATE VIRTUAL TABLE temp.word_places USING fts5vocab('main', 'words', 'instance')")
    try:
        yield from connection.execute(
            "SELECT term, COUNT(*), SUM((doc % 1000003 * 31 + offset) * 2654435761 % 2147483647) "
            "FROM temp.word_places GROUP BY term ORDER BY term"
        )
    finally:
        connection.execute("DROP TABLE IF EXISTS temp.word_places")


def _different(one: Iterator[tuple[Any, ...]], other: Iterator[tuple[Any, ...]]) -> str:
    """The first difference of two listings; empty where there is none."""
    for found, right in itertools.zip_longest(one, other):
        if found != right:
            named = (right or found or ("",))[0]
            return f"it differs at item {named}" if isinstance(named, int) else f"it differs at {named!r}"
    return ""

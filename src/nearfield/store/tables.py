"""The rows of the catalogue's tables: written with their checksums, and checked when they are read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError
from .description import check_description, check_settings

_SETTINGS = ("dim", "metric", "dtype", "attributes")


def digest(*parts: bytes | memoryview) -> int:
    """xxh3-64 of the parts as the signed integer SQLite stores."""
    state = xxhash.xxh3_64()
    for part in parts:
        state.update(part)
    number = state.intdigest()
    return number - 2**64 if number >= 2**63 else number


def whole(path: Path, what: str, *values: Any) -> tuple[int, ...]:
    """The values, all of which must be integers; anything else is damage that SQLite's own checks cannot see."""
    if not all(isinstance(value, int) for value in values):
        raise CorruptFileError(path, f"{what}: expected integers, found {values!r}")
    return values


def read_state(connection: sqlite3.Connection, path: Path) -> tuple[int, ...]:
    """Number of the last transaction, how many items live, how many rows were ever added or deleted."""
    row = connection.execute("SELECT generation, items, changes FROM state").fetchone()
    state = whole(path, "table state", *(row or (None,)))
    if min(state) < 0:
        raise CorruptFileError(path, f"table state: expected counts, found {state!r}")
    return state


def read_deleted(connection: sqlite3.Connection, path: Path, *, after: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequence numbers, ascending, and keys of the deletions after ``after`` whose rows are still stored."""
    rows = connection.execute("SELECT seq, key FROM deleted WHERE seq > ? ORDER BY seq", (after,)).fetchall()
    try:
        pairs = np.array(rows, np.int64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise CorruptFileError(path, "table deleted: expected integers") from None
    return pairs[:, 0], pairs[:, 1]


def set_meta(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Store a JSON value under ``name``."""
    text = json.dumps(value, allow_nan=False)
    row = (name, text, digest(name.encode(), text.encode()))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", row)


def read_meta(connection: sqlite3.Connection, path: Path, only: str = "%") -> dict[str, Any]:
    """The JSON values by name, their checksums verified; ``only`` is a LIKE pattern of names."""
    values = {}
    for name, text, check in connection.execute("SELECT name, value, xxh3 FROM meta WHERE name LIKE ?", (only,)):
        if digest(str(name).encode(), str(text).encode()) != check:
            raise CorruptFileError(path, f"checksum of setting {name!r} differs")
        with decoding(path, f"setting {name!r}"):
            values[str(name)] = json.loads(text)
    missing = [name for name in _SETTINGS if only == "%" and name not in values]
    if missing:
        raise CorruptFileError(path, f"setting {missing[0]!r} is missing")
    if only == "%":
        with decoding(path, "a setting"):
            check_settings(values)
    return values


def read_id_type(connection: sqlite3.Connection, path: Path) -> str | None:
    """``"int"`` or ``"str"``; None before the first add."""
    found = read_meta(connection, path, "id_type").get("id_type")
    if found is None and read_state(connection, path)[2] > 0:
        raise CorruptFileError(path, "setting 'id_type' is missing")
    return found


def insert_segment(connection: sqlite3.Connection, number: int, description: dict[str, Any]) -> None:
    """Name a segment; from the commit on it exists."""
    text = json.dumps(description, sort_keys=True)
    connection.execute("INSERT INTO segments VALUES (?, ?, ?)", (number, text, digest(b"%d" % number, text.encode())))


def read_segments(connection: sqlite3.Connection, path: Path) -> dict[int, dict[str, Any]]:
    """The segments' descriptions by number, ascending, their checksums verified."""
    described = {}
    for number, text, check in connection.execute("SELECT number, description, xxh3 FROM segments ORDER BY number"):
        whole(path, "table segments", number, check)
        if digest(b"%d" % number, str(text).encode()) != check:
            raise CorruptFileError(path, f"checksum of segment {number}'s description differs")
        with decoding(path, f"the description of segment {number}"):
            described[number] = json.loads(text)
            check_description(number, described[number])
    return described


def own_segments(connection: sqlite3.Connection, path: Path) -> dict[int, dict[str, Any]]:
    """Those of the store's own space."""
    return {number: said for number, said in read_segments(connection, path).items() if said.get("space") is None}


def next_segments(connection: sqlite3.Connection, path: Path) -> dict[int, dict[str, Any]]:
    """Those of the next model's space, while the store is moved to it."""
    return {number: said for number, said in read_segments(connection, path).items() if said.get("space") == "next"}


def still_ahead(connection: sqlite3.Connection, table: str, first: int, last: int) -> bool:
    """Whether the blocks ``first`` to ``last`` of a table, read before (0: none), are its first ones yet.

    A compaction takes blocks from the front; what writes a segment while one is under way takes them from the back.
    """
    if not last:
        return True
    (begins,) = connection.execute(f"SELECT MIN(batch) FROM {table}").fetchone()
    there = connection.execute(f"SELECT 1 FROM {table} WHERE batch = ?", (last,)).fetchone() is not None
    return begins == first and there


def write_arrays(connection: sqlite3.Connection, group: str, arrays: Mapping[str, np.ndarray]) -> None:
    """These named arrays in place of all that are stored in the group."""
    drop_arrays(connection, group)
    for name, array in arrays.items():
        plain = np.ascontiguousarray(array)
        form, shape, data = plain.dtype.str, json.dumps(plain.shape), plain.tobytes()
        full = f"{group}.{name}"
        check = digest(full.encode(), form.encode(), shape.encode(), data)
        connection.execute("INSERT INTO arrays VALUES (?, ?, ?, ?, ?)", (full, form, shape, data, check))


def drop_arrays(connection: sqlite3.Connection, group: str) -> None:
    """None of the arrays of a group any more."""
    connection.execute("DELETE FROM arrays WHERE substr(name, 1, ?) = ?", (len(group) + 1, f"{group}."))


def read_arrays(connection: sqlite3.Connection, path: Path, group: str) -> dict[str, np.ndarray]:
    """The stored arrays of a group by name, their checksums verified."""
    arrays = {}
    query = "SELECT * FROM arrays WHERE substr(name, 1, ?) = ?"
    for name, form, shape, data, check in connection.execute(query, (len(group) + 1, f"{group}.")):
        parts = (str(name).encode(), str(form).encode(), str(shape).encode(), data if isinstance(data, bytes) else b"")
        if digest(*parts) != check:
            raise CorruptFileError(path, f"checksum of array {name!r} differs")
        with decoding(path, f"array {name!r}"):
            expect(form in ("<f4", "<f8", "<f2", "<i8", "<i4", "|u1"), f"numbers of type {form}")
            arrays[str(name)[len(group) + 1 :]] = np.frombuffer(data, form).reshape(json.loads(shape))
    return arrays


def among(connection: sqlite3.Connection, query: str, values: Iterable[int | str]) -> Iterator[tuple[Any, ...]]:
    """Rows of a query whose last word is ``IN``, for these values, some hundreds at a time."""
    wanted = list(values)
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        yield from connection.execute(f"{query} ({','.join('?' * len(some))})", some)


def find_keys(connection: sqlite3.Connection, ids: Iterable[int | str]) -> dict[int | str, int]:
    """The keys of those ids that exist."""
    return dict(among(connection, "SELECT id, key FROM items WHERE id IN", ids))


def list_ids(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, int | str]]:
    """Keys and ids of the first ``limit`` items whose key is above ``after``, ascending."""
    query = "SELECT key, id FROM items WHERE key > ? ORDER BY key LIMIT ?"
    return connection.execute(query, (after, limit)).fetchall()


def find_ids(connection: sqlite3.Connection, keys: Iterable[int]) -> dict[int | str, int]:
    """The ids of those keys that exist, each with its key."""
    return dict(among(connection, "SELECT id, key FROM items WHERE key IN", keys))


def read_payloads(connection: sqlite3.Connection, keys: Iterable[int], path: Path) -> dict[int, Any]:
    """The payloads of the items with these keys, decoded, their checksums verified; None where an item has none."""
    return {key: payload for key, (_, payload) in read_items(connection, keys, path).items()}


def read_items(connection: sqlite3.Connection, keys: Iterable[int], path: Path) -> dict[int, tuple[int | str, Any]]:
    """Ids and payloads of those keys that are there, decoded, their checksums verified."""
    found: dict[int, tuple[int | str, Any]] = {}
    query = "SELECT key, id, payload, xxh3 FROM items WHERE key IN"
    for key, identifier, text, check in among(connection, query, keys):
        if text is None:
            found[key] = identifier, None
            continue
        if digest(b"%d" % key, str(text).encode()) != check:
            raise CorruptFileError(path, f"checksum of the payload of item {key} differs")
        with decoding(path, f"the payload of item {key}"):
            found[key] = identifier, json.loads(text)
    return found

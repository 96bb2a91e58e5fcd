"""The transactions that move a store to another model: begin, take vectors in, fold them, finish or give up.

What holds at every moment, whoever is killed:

1. The old space is whole until the transaction that ends the move: every item has its old vector, and everything that
   worked before works on it as before.
2. Every living item has one row in the next space: encoded when the table ``encoded`` has its key, else mapped.
3. The vectors of the keys in ``encoded`` are in ``incoming`` or in segments of the next space, each once. Rows of these
   whose key is not in ``encoded`` are dead.
4. The setting ``next``, ``encoded``, ``incoming``, ``arrays`` and segments of the next space come with the first
   transaction and go with the last; between two transactions there is nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import aspects, bags
from .coded_bags import CodedBags, gather_bags
from .ids import Id, IdColumn
from .incoming import encoded_among, read_incoming
from .maintenance import Maintenance, choose_recipe
from .next_space import EncodedPart
from .pending import read_blocks, write_blocks
from .segment import Segment, file_names, gather, remove_files, removing_on_error, write_segment
from .snapshot import View
from .tables import (
    drop_arrays,
    find_keys,
    insert_segment,
    next_segments,
    read_deleted,
    read_meta,
    read_segments,
    set_meta,
    still_ahead,
    write_arrays,
)
from .writing import Writer

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .learning import Learned

_TABLES = ("encoded", "incoming")
# Of the table ``arrays``.
GROUPS = ("map", "back", "asking", "queries", "pairs", "judged")
Arrays = Mapping[str, Mapping[str, np.ndarray]]


def settings(
    learned: Learned,
    dim: int,
    metric: str,
    embedding: Mapping[str, Any] | None,
    identity: str,
    learnt: int,
    begun: str | None = None,
) -> dict[str, Any]:
    """The setting ``next``."""
    choice = learned.choice.to_dict()
    return {
        "dim": dim,
        "metric": metric,
        "embedding": None if embedding is None else dict(embedding),
        "identity": identity,
        "learnt": learnt,
        "begun": begun or dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "choice": choice,
        "calibration": list(learned.calibration),
        "weight": learned.weight,
        "lift": learned.lift,
    }


def arrays_of(learned: Learned, queries: Mapping[str, np.ndarray], pairs: Mapping[str, np.ndarray]) -> Arrays:
    """What is kept in the table ``arrays``, by group; ``pairs`` are those that are no items, "old" and "new"."""
    maps = {"map": learned.choice.map, "back": learned.back, "asking": learned.asking}
    return {**{name: one.to_arrays() for name, one in maps.items()}, "queries": queries, "pairs": pairs}


def begin(
    writer: Writer,
    said: Mapping[str, Any],
    arrays: Arrays,
    ids: list[Id],
    vectors: np.ndarray,
) -> None:
    """Open the next space, with the pairs' own vectors in it."""
    catalogue = writer.catalogue
    with catalogue.writing() as connection:
        if read_meta(connection, catalogue.path, "next"):
            raise ValueError("upgrade: the store is being moved already; go on with store.upgrading, or abandon() it")
        set_meta(connection, "next", {**said, "identity": secrets.token_hex(8)})
        for group in GROUPS:
            write_arrays(connection, group, arrays.get(group, {}))
        _take(connection, writer, ids, vectors, {})


def relearn(writer: Writer, said: Mapping[str, Any], arrays: Arrays) -> None:
    """Another map in place of the one so far."""
    with writer.catalogue.writing() as connection:
        before = _same(connection, writer.catalogue.path, said["identity"])
        kept = {name: before[name] for name in ("beside", "judged") if name in before}
        set_meta(connection, "next", {**said, **kept})
        for group, some in arrays.items():
            write_arrays(connection, group, some)


def weigh(writer: Writer, identity: str, judged: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """What judged questions told in place of what was known; ``arrays`` are questions in place of those that are kept.

    They were asked of a moment that may be over. Where the map was learnt again since, that shows, and is due again.
    """
    with writer.catalogue.writing() as connection:
        before = _same(connection, writer.catalogue.path, identity)
        set_meta(connection, "next", {**before, "judged": dict(judged)})
        if arrays:
            write_arrays(connection, "judged", arrays)


def put(writer: Writer, identity: str, ids: list[Id], vectors: np.ndarray, known: Mapping[Id, int]) -> int:
    """Take vectors of the next model in; returns how many of the items were not encoded before.

    ``known`` are the keys under which items were handed out: one that was replaced since has another, and is passed
    over, for its vector is of what it was.
    """
    catalogue = writer.catalogue
    with catalogue.writing() as connection:
        _same(connection, catalogue.path, identity)
        return _take(connection, writer, ids, vectors, known)


def _same(connection: sqlite3.Connection, path: Path, identity: str) -> dict[str, Any]:
    """The setting ``next``; ValueError unless it is that of this move."""
    stored: dict[str, Any] | None = read_meta(connection, path, "next").get("next")
    if stored is None or stored["identity"] != identity:
        raise ValueError("upgrade: this move of the store has ended; look at store.upgrading")
    return stored


def _take(
    connection: sqlite3.Connection, writer: Writer, ids: list[Id], vectors: np.ndarray, known: Mapping[Id, int]
) -> int:
    keys = find_keys(connection, ids)
    rows, wanted = [], []
    for row, identifier in enumerate(ids):
        key = keys.get(identifier)
        if key is not None and known.get(identifier, key) == key:
            rows.append(row)
            wanted.append(key)
    there = encoded_among(connection, wanted)
    fresh = [(row, key) for row, key in zip(rows, wanted, strict=True) if key not in there]
    if fresh:
        chosen, new = (np.array(column, np.int64) for column in zip(*fresh, strict=True))
        writer.take_encoded(connection, new, vectors[chosen], born=False)
    return len(fresh)


class _Folded(Exception):
    """What was merged is not what is there: vectors taken in meanwhile were folded."""


def compact_next(maintenance: Maintenance) -> bool:
    """All encoded rows as one segment of the next space, with an index where there are many; whether it changed any."""
    catalogue, writer = maintenance.catalogue, maintenance.writer
    with maintenance.lock:
        view = maintenance.viewer.current()
        if view.next is None:
            return False
        shape, sources = view.next.shape, view.next.sources
        newer = view.newer
        encoded = [live for live in newer.parts if isinstance(live.part, EncodedPart)]
        recipe = choose_recipe(newer, encoded, None) if encoded else None
        done = len(sources) == 1 and len(encoded) == 1 and isinstance(sources[0], Segment) and encoded[0].words is None
        if not sources or (done and (sources[0].index is None) == (recipe is None)):
            return False
        maintenance.limit.refuse_segment(shape, encoded, recipe, "compacting")
        merged, description = False, None
        if encoded:
            rows = gather(encoded, view.meta["id_type"], False)
            number = writer.next_number()
            description = write_segment(catalogue.segments, number, rows, metric=shape.metric, recipe=recipe)
            description["space"] = "next"
        old = {part.number: part.description for part in sources if isinstance(part, Segment)}
        with (
            contextlib.suppress(_Folded),
            catalogue.writing() as connection,
            removing_on_error(catalogue.segments, description or {}),
        ):
            _same(connection, catalogue.path, view.next.meta["identity"])
            first, last = view.next.batches
            ahead = still_ahead(connection, "incoming", first, last)
            if next_segments(connection, catalogue.path) != old or not ahead:
                raise _Folded
            connection.execute("DELETE FROM incoming WHERE batch <= ?", (last,))
            connection.executemany("DELETE FROM segments WHERE number = ?", [(number,) for number in old])
            if description is not None:
                insert_segment(connection, number, description)
            merged = True
        for before in old.values() if merged else ():
            remove_files(catalogue.segments, file_names(before))
    return merged


def finish(maintenance: Maintenance, identity: str) -> None:
    """Make the next space the store's own: the long part outside any transaction, then everything in one.

    Items that are deleted meanwhile stay deleted, those added with vectors of the new model come along; ValueError,
    and nothing changed, when one was added with an old vector alone.
    """
    catalogue, writer = maintenance.catalogue, maintenance.writer
    with maintenance.lock, maintenance.pinned() as (view, newest):
        following = view.next
        if following is None or following.meta["identity"] != identity:
            raise ValueError("finish: this move of the store has ended; look at store.upgrading")
        newer, shape = view.newer, following.shape
        refuse_unencoded(view)
        description, keys = None, np.empty(0, np.int64)
        if newer.parts:
            recipe = choose_recipe(newer, newer.parts, None)
            maintenance.limit.refuse_segment(shape, newer.parts, recipe, "finishing")
            rows = gather(newer.parts, view.meta["id_type"], bool(shape.schema))
            if view.bags is not None:
                rows = replace(rows, bags=gather_bags(view.bags_of(rows.keys)))
            keys, number = rows.keys, writer.next_number()
            description = write_segment(catalogue.segments, number, rows, metric=shape.metric, recipe=recipe)
        with catalogue.write_lock:  # nobody may add between the commit and the new shape
            with catalogue.writing() as connection, removing_on_error(catalogue.segments, description or {}):
                _same(connection, catalogue.path, identity)
                old = read_segments(connection, catalogue.path)
                late = _late(connection, catalogue, view, keys)
                connection.execute("DELETE FROM pending")
                connection.execute("DELETE FROM segments")
                if description is not None:
                    insert_segment(connection, number, description)
                for first_key, ids, vectors, table, own in late:
                    write_blocks(connection, first_key, ids, vectors, table, own)
                seqs, gone = read_deleted(connection, catalogue.path)
                kept = (seqs > newest) & np.isin(gone, keys)
                connection.executemany("DELETE FROM deleted WHERE seq = ?", [(seq,) for seq in seqs[~kept].tolist()])
                aspects.forget(connection)
                bags.drop_encoding(connection, catalogue.path)
                for name in ("plan", "judge", "fusion"):
                    connection.execute("DELETE FROM meta WHERE name = ?", (name,))
                connection.execute("DELETE FROM scales")
                for name, value in (("dim", shape.dim), ("metric", shape.metric), ("embedding", following.embedding)):
                    set_meta(connection, name, value)
                _end(connection)
            writer.shape = maintenance.shape = shape
    for before in old.values():
        remove_files(catalogue.segments, file_names(before))
    with contextlib.suppress(OSError):  # the move stands; what cannot be given back now is later
        catalogue.shrink()


def abandon(maintenance: Maintenance, identity: str, keep_mapped: bool) -> None:
    """Give the next space up, in one transaction; the old one is as it was."""
    catalogue = maintenance.catalogue
    with maintenance.lock:
        with catalogue.writing() as connection:
            _same(connection, catalogue.path, identity)
            born = connection.execute("SELECT COUNT(*) FROM encoded WHERE born").fetchone()[0]
            if born and not keep_mapped:
                raise ValueError(
                    f"abandon: {born} items were added with vectors of the new model alone; keep_mapped=True keeps "
                    "them under the old vectors that the map gave them, or delete them first"
                )
            dropped = next_segments(connection, catalogue.path)
            connection.executemany("DELETE FROM segments WHERE number = ?", [(number,) for number in dropped])
            _end(connection)
        for description in dropped.values():
            remove_files(catalogue.segments, file_names(description))


def _end(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM meta WHERE name = 'next'")
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table}")
    for group in GROUPS:
        drop_arrays(connection, group)


def refuse_unencoded(view: View) -> None:
    """ValueError while an item is not encoded."""
    _refuse_left(sum(live.count for live in view.newer.parts if not isinstance(live.part, EncodedPart)))


def _refuse_left(left: int) -> None:
    if left:
        raise ValueError(
            f"finish: {left:,} item{'s are' if left > 1 else ' is'} not encoded by the new model yet; next() names "
            "them, put() takes their vectors"
        )


def _late(
    connection: sqlite3.Connection, catalogue: Catalogue, view: View, keys: np.ndarray
) -> list[tuple[int, IdColumn, np.ndarray, Any, CodedBags | None]]:
    """What came after the view, in runs of ascending keys: first key, ids, new vectors, attributes and bags."""
    assert view.next is not None
    path, shape = catalogue.path, view.next.shape
    kind = str(read_meta(connection, path, "id_type").get("id_type"))
    after = int(keys[-1]) if len(keys) else 0
    fresh = [key for (key,) in connection.execute("SELECT key FROM items WHERE key > ? ORDER BY key", (after,))]
    _refuse_left(len(fresh) - len(encoded_among(connection, fresh)))
    if not fresh:
        return []
    wanted = np.array(fresh, np.int64)
    vectors, seen = np.empty((len(wanted), shape.dim), shape.dtype), np.zeros(len(wanted), bool)
    folded = [
        Segment(catalogue.segments, number, description, dim=shape.dim, dtype=shape.dtype, schema=None)
        for number, description in next_segments(connection, path).items()
        if description["last_key"] > after
    ]
    waiting = [(some, theirs) for _, some, theirs in read_incoming(connection, path, shape.dim, shape.dtype)]
    for some, theirs in [*waiting, *((part.keys, part.vectors) for part in folded)]:
        places = np.searchsorted(wanted, some)
        here = (places < len(wanted)) & (wanted[np.minimum(places, len(wanted) - 1)] == some)
        vectors[places[here]], seen[places[here]] = theirs[here], True
    found = []
    for block in read_blocks(connection, path, view.shape.dim, view.shape.dtype, kind, bags=True):
        rows = np.flatnonzero(np.isin(block.keys, wanted))
        for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            if len(run):
                first, last = np.searchsorted(wanted, block.keys[run[[0, -1]]])
                table = block.table().take(run) if block.attributes is not None else None
                own = None if block.bags is None else block.bags.take(run)
                found.append((int(wanted[first]), block.ids.select(run), vectors[first : last + 1], table, own))
    if not seen.all() or sum(len(run[2]) for run in found) < len(wanted):  # sealed already
        raise ValueError("finish: too much was added meanwhile to take along; nothing was changed, call it again")
    return found

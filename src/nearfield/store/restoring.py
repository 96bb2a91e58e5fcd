"""Going back to a tag: the store takes the tag's content over as its next state, in one transaction.

Nothing is turned back but the content. The generation goes on counting, and segments, pending blocks and deletions get
new numbers, so that every reader notices that what it has is not what is there now. Keys stay those of the tag; new
items get keys above all that were ever given. The tag's segment files get a second name before the transaction; a kill
before it leaves files that no catalogue names, which the next writer removes.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from typing import Any

from ..common import files
from . import bags, texts
from .catalogue import Catalogue
from .maintenance import Maintenance
from .next_space import NextReader
from .pending import read_blocks
from .segment import DERIVED, PRIMARY, Segment, file_names, remove_files
from .snapshot import Shape
from .tables import insert_segment, own_segments, read_meta, read_segments, read_state, set_meta
from .tags import open_tag
from .writing import Writer

# Copied in a way of their own: their numbers must not come back.
_NUMBERED = ("state", "segments", "pending", "deleted", "incoming")


def restore(catalogue: Catalogue, shape: Shape, writer: Writer, maintenance: Maintenance, name: str) -> None:
    """Make the content of tag ``name`` the store's; everything is checked before anything is changed."""
    with maintenance.lock:
        tagged = open_tag(catalogue.folder, name, "name")
        with contextlib.closing(tagged), tagged.reading() as old:
            meta = read_meta(old, tagged.path)
            theirs = Shape.of(meta)  # another than the store's where it has moved to another model since
            _check(tagged, old, shape, theirs, meta)
            renamed: dict[int, dict[str, Any]] = {}
            linked: list[str] = []
            try:
                for description in read_segments(old, tagged.path).values():
                    number = writer.next_number()
                    renamed[number] = _renamed(description, number)
                    for before, after in zip(file_names(description), file_names(renamed[number]), strict=True):
                        if (tagged.segments / before).exists():  # an index may be missing; it is built again
                            linked.append(after)
                            files.link_or_copy(tagged.segments / before, catalogue.segments / after)
                files.sync_directory(catalogue.segments)
                with catalogue.write_lock:  # nobody may add between the commit and the shape that comes with it
                    with catalogue.writing() as new:
                        dropped = read_segments(new, catalogue.path)
                        try:
                            _replace(old, new, catalogue, tagged, meta, renamed)
                        except sqlite3.IntegrityError as error:
                            raise ValueError(f"name: tag {name!r} cannot be restored: {error}") from error
                        linked = []  # from here on the commit may come: the files are its
                    writer.shape = maintenance.shape = theirs
            except BaseException:
                remove_files(catalogue.segments, linked)
                raise
            writer.kind = meta.get("id_type")
    for description in dropped.values():
        remove_files(catalogue.segments, file_names(description))


def _check(tagged: Catalogue, old: sqlite3.Connection, own: Shape, shape: Shape, meta: Mapping[str, Any]) -> None:
    """Refuse a tag of another dtype or other attributes than the store's ``own``, and a damaged one by name."""
    mine, theirs = ((str(one.dtype), dict(one.schema)) for one in (own, shape))
    if mine != theirs:
        raise ValueError(f"name: expected a tag with dtype and attributes {mine}, got one with {theirs}")
    for number, description in own_segments(old, tagged.path).items():
        segment = Segment(tagged.segments, number, description, dim=shape.dim, dtype=shape.dtype, schema=shape.schema)
        if shape.schema:
            segment.table()
        if description.get("bags"):
            segment.bags  # noqa: B018
    if meta.get("id_type") is not None:
        kept = tagged.format(old) >= bags.FORMAT
        for _ in read_blocks(old, tagged.path, shape.dim, shape.dtype, meta["id_type"], bags=kept):
            pass
    if tagged.format(old) >= 3:
        NextReader().read(old, tagged.path, tagged.segments, meta, shape)


def _renamed(description: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The description with its files under the new number."""
    fresh = dict(description)
    for part in (*PRIMARY, *DERIVED):
        if fresh.get(part):
            rest = fresh[part]["file"].partition(".")[2]
            fresh[part] = {**fresh[part], "file": f"{number:06d}.{rest}"}
    return fresh


def _replace(
    old: sqlite3.Connection,
    new: sqlite3.Connection,
    catalogue: Catalogue,
    tagged: Catalogue,
    meta: Mapping[str, Any],
    segments: Mapping[int, dict[str, Any]],
) -> None:
    """All rows of the tag in place of all rows of the store."""
    theirs = _tables(old)
    for table, columns in _tables(new).items():
        if table not in _NUMBERED:
            new.execute(f'DELETE FROM "{table}"')
            _copy(old, new, table, [column for column in columns if column in theirs.get(table, [])])
    for table, counter in (("pending", "batch"), ("deleted", "seq"), ("incoming", "batch")):
        new.execute(f"DELETE FROM {table}")
        _copy(old, new, table, [column for column in theirs.get(table, []) if column != counter], order=counter)
    new.execute("DELETE FROM segments")
    for number, description in segments.items():
        insert_segment(new, number, description)

    # The count of changes goes on as if everything had been deleted and the tag's items added. A judge counts from
    # where it was fitted, so its mark moves by as much: it is as fresh as it was in the tag.
    _, items, changes = read_state(old, tagged.path)
    _, gone, now = read_state(new, catalogue.path)
    now = now + gone + items if changes else 0  # none at all: the type of ids is open again
    new.execute("UPDATE state SET items = ?, changes = ?", (items, now))
    new.execute("DELETE FROM meta WHERE name = 'tag'")
    texts.discard(new)
    texts.ensure(new, catalogue.path)
    if meta.get("judge"):
        set_meta(new, "judge", {**meta["judge"], "changes": meta["judge"]["changes"] + now - changes})


def _tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns of every table of ours but the index of words, which is made anew."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'words' AND name NOT LIKE 'sqlite^_%' "
        "ESCAPE '^' AND name NOT LIKE 'words^_%' ESCAPE '^'"
    )
    return {
        table: [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
        for (table,) in connection.execute(query).fetchall()
    }


def _copy(
    old: sqlite3.Connection, new: sqlite3.Connection, table: str, columns: list[str], order: str | None = None
) -> None:
    if not columns:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    rows = old.execute(f'SELECT {names} FROM "{table}"' + (f" ORDER BY {order}" if order else ""))
    new.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(columns))})', rows)

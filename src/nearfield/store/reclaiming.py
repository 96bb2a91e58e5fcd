"""What a compaction will give back, before it is begun."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from typing import Any

from ..common import files
from .attributes import to_ipc
from .catalogue import FILE_NAME, Catalogue
from .coded_bags import bags_file, gather_bags
from .columns import columns_bytes
from .maintenance import choose_recipe, is_compact
from .segment import file_names
from .sizing import index_file, living, memory, settled, vectors_file
from .snapshot import Shape, View

# Of a table's leaf: what of a page is used, how much of a long row stays in it (SQLite's file format, section 1.6), and
# what a deletion takes there.
_RESERVED, _LEAST_LOCAL, _MOST_LOCAL = 12, 1003, 8157
_DELETION = 12
_FRAME = 24  # of the log, beside each page


@dataclass(frozen=True)
class Reclaimable:
    """What :meth:`Store.compact <nearfield.store.Store.compact>` will do to the disk, in bytes.

    Attributes
    ----------
    before, after : the store's files now, and when compacted.
    disk : what it needs beside ``before`` while it runs; the old files go when the new ones stand.
    memory : what it needs of memory while it runs.
    shared : of what it removes, files that a snapshot shares: they free the disk when the snapshot goes too.
    seconds : about how long it takes, by the build of the index that is there; None where there was none to go by.

    Examples
    --------
    >>> found = Reclaimable(before=9_000_000, after=4_000_000, disk=4_200_000, memory=6_000_000, shared=0, seconds=2.0)
    >>> found.gives_back
    5000000
    >>> print(found)
    gives back 5 MB of 9 MB; meanwhile needs 4.2 MB of disk, 6 MB of memory and about 2 s
    """

    before: int
    after: int
    disk: int
    memory: int
    shared: int
    seconds: float | None

    @property
    def gives_back(self) -> int:
        """By how much the store's files shrink; below 0 where an index is built that was not there."""
        return self.before - self.after

    def __str__(self) -> str:
        from ..tune.plan import format_bytes

        change = "gives back" if self.gives_back >= 0 else "takes"
        text = f"{change} {format_bytes(abs(self.gives_back))} of {format_bytes(self.before)}"
        if self.shared:
            text += f", {format_bytes(self.shared)} of it shared with snapshots"
        needs = [f"{format_bytes(self.disk)} of disk", f"{format_bytes(self.memory)} of memory"]
        if self.seconds is not None:
            needs.append(f"about {max(1, round(self.seconds))} s")
        return f"{text}; meanwhile needs {', '.join(needs[:-1])} and {needs[-1]}"


def store_bytes(catalogue: Catalogue, names: list[str]) -> int:
    """Bytes of the catalogue, its log, and the segment files of these names."""
    own = [name for name in files.list_directory(catalogue.folder) if name in (FILE_NAME, FILE_NAME + "-wal")]
    found = sum(files.size(catalogue.folder / name) for name in own)
    return found + sum(files.size(catalogue.segments / name) for name in names)


def measure(catalogue: Catalogue, shape: Shape, view: View, connection: sqlite3.Connection) -> Reclaimable:
    """What compacting this view would do."""
    names = [name for segment in view.segments for name in file_names(segment.description)]
    before = store_bytes(catalogue, names)
    recipe = choose_recipe(view, view.parts)
    busy = not is_compact(view, recipe)
    page = connection.execute("PRAGMA page_size").fetchone()[0]
    pages, freed = _pages(connection, page, busy, view.bags is not None)
    after = page * (pages - freed)
    # The freed pages at the end of the file change places with those behind them, by way of the log.
    needed = (page + _FRAME) * min(freed, pages - freed)
    if not busy:
        kept = sum(files.size(catalogue.segments / name) for name in names)
        return Reclaimable(before, after + kept, needed, 0, 0, 0.0)
    sizes, peak = _segment(shape, view, recipe)
    shared = [name for name in names if files.link_count(catalogue.segments / name) > 1]
    return Reclaimable(
        before,
        after + sum(sizes),
        needed + sum(sizes),
        peak,
        sum(files.size(catalogue.segments / name) for name in shared),
        _seconds(view, recipe),
    )


def _segment(shape: Shape, view: View, recipe: Any) -> tuple[list[int], int]:
    """The files of all living items as one segment, and the memory to write them."""
    if not view.items:
        return [], 0
    rows, text_ids, columns = living(view.parts, bool(shape.schema))
    sizes = [vectors_file(rows, shape.dim, shape.metric, shape.dtype, text_ids)]
    if shape.schema:
        import pyarrow as pa

        alive = [live for live in view.parts if live.count]
        table = pa.concat_tables([live.part.table().take(live.rows()) for live in alive]).combine_chunks()
        sizes += [len(to_ipc(table)), columns_bytes(table)]
    bags = gather_bags([(live.part.bags, live.rows()) for live in view.parts])
    if bags is not None:
        sizes.append(bags_file(bags))
    if recipe is not None:
        recipe = settled(recipe, shape.metric, view.parts)
        sizes.append(index_file(rows, shape.dim, shape.metric, recipe))
    partitions = [segment for segment in view.segments if segment.description.get("partition")]
    if partitions:  # learnt again, as large for its rows as the largest there is
        largest = max(partitions, key=len)
        sizes.append(largest.description["partition"]["bytes"] * rows // len(largest))
    return sizes, memory(rows, shape.dim, shape.metric, recipe, ids=text_ids, columns=columns)[0]


def _pages(connection: sqlite3.Connection, page: int, busy: bool, bags: bool) -> tuple[int, int]:
    """How many pages the catalogue has, and how many of them a compaction frees."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    freed = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if busy:
        lengths = "length(ids) + length(vectors) + COALESCE(length(attributes), 0)"
        lengths += " + COALESCE(length(bags), 0)" * bags
        local = 0
        for (size,) in connection.execute(f"SELECT {lengths} FROM pending"):
            here, beyond = _place(size + 30, page)
            local += here + _RESERVED
            freed += beyond
        deleted = connection.execute("SELECT COUNT(*) FROM deleted").fetchone()[0]
        for size in (local, deleted * _DELETION):
            freed += max(0, math.ceil(size / page) - 1)  # a table keeps one page
    # Every so many pages one says whose they are.
    freed += freed // (page // 5 + 1)
    return pages, min(freed, pages)


def _place(size: int, page: int) -> tuple[int, int]:
    """Of a row of ``size`` bytes: how many lie in the table's own page, and in how many pages the others."""
    if size <= _MOST_LOCAL:
        return size, 0
    room = page - 4
    local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % room
    local = local if local <= _MOST_LOCAL else _LEAST_LOCAL
    return local, math.ceil((size - local) / room)


def _seconds(view: View, recipe: Any) -> float | None:
    """By the build of the largest index that is there; a build grows little faster than its rows."""
    if recipe is None or not view.items:
        return 0.0
    built = [
        (len(segment), segment.description["index"]["seconds"])
        for segment in view.segments
        if (segment.description.get("index") or {}).get("seconds")
    ]
    if not built:
        return None
    rows, seconds = max(built)
    growth = view.items * math.log(view.items + 1) / (rows * math.log(rows + 1))
    return float(seconds * growth)

"""Seal, compact, optimize: rows move into new segments, and one transaction publishes them.

The long part, writing files and building an index, happens outside any transaction and without the write lock, from a
view that is pinned: other threads go on adding, deleting and searching. What is deleted meanwhile stays deleted,
because the publishing transaction keeps every deletion that came after the view. Ctrl-C or an error before it removes
the new files and leaves the store as it was.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..common.decoding import decoding
from . import partitioned, texts
from .catalogue import Catalogue
from .mending import Missed, mend_index
from .segment import (
    Segment,
    copied_rows,
    file_names,
    gather,
    logger,
    remove_files,
    removing_on_error,
    write_segment,
)
from .sizing import Limit
from .snapshot import Shape, View, Viewer
from .tables import insert_segment, read_segments, set_meta
from .workload import Workload
from .writing import Writer

# Fewer rows than this are scanned whatever the plan says: a scan of them takes some ten microseconds.
MIN_INDEXED = 1_000
# Without a plan, more rows than this get a graph.
SCANNED_ROWS = 20_000


class Maintenance:
    """Seals and compacts one store; one job at a time, in the thread that asks."""

    def __init__(self, catalogue: Catalogue, shape: Shape, viewer: Viewer, writer: Writer, memory: int | None = None):
        self.catalogue = catalogue
        self.shape = shape
        self.viewer = viewer
        self.writer = writer
        self.lock = threading.RLock()
        self.limit = Limit(memory)

    def seal(self) -> bool:
        """Move the pending rows into a segment of their own; returns whether there were any."""
        with self.lock, self.pinned() as (view, newest):
            pending = [live for live in view.parts if not isinstance(live.part, Segment)]
            if pending:
                # A compaction that did not finish may have left segments between its pending rows and later ones: keys
                # of segments must not overlap, so those segments go along.
                first = int(pending[0].part.keys[0])
                parts = [live for live in view.parts if int(live.part.keys[-1]) >= first]
                with decoding(self.catalogue.path, "the plan"):
                    recipe = choose_recipe(view, parts)
                self.limit.refuse_segment(self.shape, parts, recipe, "sealing")
                self._publish(view, parts, newest, recipe, None)
        return bool(pending)

    def compact(self, plan: Mapping[str, Any] | None = None) -> bool:
        """Merge everything into one segment without the deleted rows; returns whether there was anything to do.

        ``plan`` replaces the stored one in the same transaction.
        """
        with self.lock, self.pinned() as (view, newest):
            with decoding(self.catalogue.path, "the plan"):
                recipe = choose_recipe(view, view.parts, plan)
                busy = not is_compact(view, recipe)
            if busy:
                self.limit.refuse_segment(self.shape, view.parts, recipe, "compacting")
            if busy or plan is not None:
                self._publish(view, view.parts, newest, recipe, plan, rewrite=busy)
            if not busy:
                busy = self._code_columns(view.segments)
            if view.next is not None:
                from .upgrading import compact_next

                busy |= compact_next(self)
        busy |= texts.merge(self.catalogue)
        with contextlib.suppress(OSError):  # the compaction stands; what cannot be given back now is later
            self.catalogue.shrink()
        if busy and view.meta.get("workload") is not None:
            try:
                self.partition()
            except OSError as error:  # the compaction stands; without a partition batches take longer, that is all
                logger.warning("%s: no partition could be made now: %s", self.catalogue.folder, error)
        return busy

    @contextlib.contextmanager
    def pinned(self) -> Iterator[tuple[View, int]]:
        """A view and the newest deletion it shows; its pending blocks are claimed, so that no add seals them."""
        with self.catalogue.write_lock:
            self.writer.purge()
            view = self.viewer.current()
            with self.catalogue.reading() as connection:
                newest = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM deleted").fetchone()[0]
                last = connection.execute("SELECT COALESCE(MAX(batch), 0) FROM pending").fetchone()[0]
            self.writer.claim(last, max((int(live.part.keys[-1]) for live in view.parts), default=0))
        try:
            yield view, newest
        finally:
            self.writer.claim(0, 0)

    def _publish(
        self,
        view: View,
        parts: Any,
        newest: int,
        recipe: Any,
        plan: Mapping[str, Any] | None,
        rewrite: bool = True,
    ) -> None:
        """Write the living rows of ``parts`` as one segment in their place."""
        old = [live.part for live in parts if isinstance(live.part, Segment)] if rewrite else []
        description = None
        if rewrite and any(live.count for live in parts):
            rows = gather(parts, view.meta["id_type"], bool(self.shape.schema))
            number = self.writer.next_number()
            description = write_segment(self.catalogue.segments, number, rows, metric=self.shape.metric, recipe=recipe)
        with self.catalogue.writing() as connection, removing_on_error(self.catalogue.segments, description or {}):
            if plan is not None:
                set_meta(connection, "plan", dict(plan))
            if rewrite and parts:
                first = min(int(live.part.keys[0]) for live in parts)
                last = max(int(live.part.keys[-1]) for live in parts)
                if len(old) < len(parts):
                    connection.execute("DELETE FROM pending WHERE batch <= ?", (self.writer.claimed_batch,))
                connection.executemany("DELETE FROM segments WHERE number = ?", [(part.number,) for part in old])
                connection.execute("DELETE FROM deleted WHERE seq <= ? AND key BETWEEN ? AND ?", (newest, first, last))
            if description is not None:
                insert_segment(connection, number, description)
        for part in old:
            remove_files(self.catalogue.segments, file_names(part.description))

    def partition(self, workload: Workload | None = None) -> int:
        """Learn a partition of every large segment from past queries, of those without one when none are given.

        ``workload`` is kept in the catalogue, without its vectors, for segments to come; returns how many were made.
        """
        made = 0
        with self.lock:
            view = self.viewer.current()
            kept = view.meta.get("workload")
            log = workload if workload is not None or kept is None else Workload.from_dict(kept)
            if workload is not None:
                with self.catalogue.writing() as connection:
                    set_meta(connection, "workload", workload.to_dict())
            for segment in view.segments if log is not None else []:
                if len(segment) >= partitioned.MIN_ROWS and (workload is not None or segment.partition is None):
                    fresh = segment.make_partition(log, self.shape)["partition"]
                    self._replace(segment.number, segment.description, "partition", fresh)
                    made += 1
        return made

    def repair(self, segments: Iterable[Segment]) -> list[str]:
        """Rebuild those derived files that are damaged or missing; returns the names of the new ones.

        Partitions that are known to be are learnt again as well.
        """
        rebuilt, lost = [], False
        with self.lock:
            for segment in segments:
                description = dict(segment.description)
                if segment.trouble is not None:
                    logger.warning("%s: rebuilding the index (%s)", self.catalogue.folder, segment.trouble)
                    self.limit.refuse_rebuild(len(segment), self.shape, segment.recipe)
                    fresh = self._replace(segment.number, description, "index", segment.rebuild_index()["index"])
                    if fresh is None:
                        continue
                    description = fresh
                    rebuilt.append(description["index"]["file"])
                if segment.columns_trouble is not None:
                    logger.warning("%s: coding the columns again (%s)", self.catalogue.folder, segment.columns_trouble)
                    fresh = self._replace(segment.number, description, "columns", segment.rebuild_columns())
                    if fresh is not None:
                        rebuilt.append(fresh["columns"]["file"])
                lost |= segment.partition_trouble is not None
            if lost:
                self.partition()
        return rebuilt

    def rebuild_words(self) -> bool:
        """Build the index of words anew, whatever is being built otherwise; returns whether the store has one."""
        return texts.repair(self.catalogue)

    def mend(self, found: Iterable[Missed]) -> list[str]:
        """Link the rows that walks miss, each index by one transaction; returns the names of the new files."""
        linked = []
        with self.lock:
            for missed in found:
                segment = missed.segment
                fresh = self._replace(segment.number, segment.description, "index", mend_index(missed)["index"])
                if fresh is not None:
                    linked.append(fresh["index"]["file"])
        return linked

    def _code_columns(self, segments: Iterable[Segment]) -> bool:
        """Give segments of an older version the codes of their columns; returns whether there were any."""
        older = [part for part in segments if part.description["attributes"] and not part.description.get("columns")]
        for segment in older:
            self._replace(segment.number, segment.description, "columns", segment.rebuild_columns())
        return bool(older)

    def _replace(
        self, number: int, before: Mapping[str, Any], part: str, entry: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Name a new derived file of a segment in place of the old one.

        Returns the new description; None when the segment was replaced meanwhile, and the new file is removed.
        """
        with self.catalogue.writing() as connection, removing_on_error(self.catalogue.segments, {part: entry}):
            there = read_segments(connection, self.catalogue.path).get(number) == before
            if there:
                connection.execute("DELETE FROM segments WHERE number = ?", (number,))
                insert_segment(connection, number, {**before, part: entry})
        stale = before.get(part) if there else entry
        if stale:
            remove_files(self.catalogue.segments, [stale["file"]])
        return {**before, part: entry} if there else None


def is_compact(view: View, recipe: Any) -> bool:
    """Whether a compaction would find nothing to do."""
    if not view.parts:
        return True
    if len(view.parts) > 1 or view.parts[0].words is not None or not isinstance(view.parts[0].part, Segment):
        return False
    entry = view.parts[0].part.description.get("index")
    if entry is None or recipe is None:
        return entry is None and recipe is None
    return bool(type(recipe).from_dict(entry["recipe"]) == recipe)  # files of older versions lack some fields


def choose_recipe(view: View, parts: Any, plan: Mapping[str, Any] | None = None) -> Any:
    """The recipe for a segment of these rows: the plan's, or without a plan a graph above some size; None scans."""
    rows = sum(live.count for live in parts)
    plan = plan if plan is not None else view.meta.get("plan")
    if rows < MIN_INDEXED or (plan is None and rows <= SCANNED_ROWS):
        return None
    from ..tune import Recipe

    if plan is None:
        return Recipe(kind="graph", bits=8, rescore="vectors")
    recipe = Recipe.from_dict(plan["recipe"])
    return None if recipe.exact else recipe  # the stored vectors are that index already


def living_vectors(view: View, shape: Shape) -> np.ndarray:
    """The vectors of all living items in order of arrival; the mapped file itself when it holds just these."""
    if len(view.parts) == 1 and view.parts[0].words is None:
        return view.parts[0].part.vectors
    vectors = np.empty((view.items, shape.dim), shape.dtype)
    place, step = 0, copied_rows(shape.dim)
    for live in view.parts:
        rows = live.rows()
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            vectors[place : place + len(some)] = live.part.vectors[some]
            place += len(some)
    return vectors

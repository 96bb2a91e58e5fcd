"""Verification: everything the store promises of its content, looked up on disk rather than believed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..common import files
from ..common.checks import check_vectors
from ..common.errors import CorruptFileError, FormatVersionError
from ..metric import get_metric
from . import texts
from .catalogue import Catalogue
from .expiry import ExpiryBuffer
from .mending import Missed
from .next_space import NextReader
from .pending import PendingBuffer, read_blocks
from .rows import Live, Part, Queries
from .segment import Segment, file_names
from .snapshot import Shape, read_scales
from .tables import digest, read_deleted, read_id_type, read_meta, read_segments

_QUERIES = 1024
_NEIGHBORS = 10
_WIDE = 1000
_SCANNED_SAMPLE = 256
_SHOWN = 5
_COUNTS = ("items", "segments", "files", "bytes", "searched", "missed", "not_found", "walked", "unreachable")


@dataclass
class VerifyReport:
    """What :meth:`Store.verify` found.

    Attributes
    ----------
    ok : True when there is no problem.
    problems : one sentence each, naming the file or the item.
    counts : how much was looked at: items, segments, files, bytes; ``searched`` by their own vector, of which
        ``missed`` at the plan's settings and ``not_found`` by a wide search either; ``walked``, all living items of
        graphs, of which ``unreachable`` those that no walk can come to; unnamed_files.
    repairs : one sentence on each index that was repaired.

    Examples
    --------
    >>> print(VerifyReport(counts={"items": 3, "files": 1}))
    ok: 3 items, 1 files
    """

    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is as promised."""
        return not self.problems

    def _repr_html_(self) -> str:
        from ..common import html

        verdict = html.badge("ok", "good") if self.ok else html.badge(f"{len(self.problems)} problems", "poor")
        rows = [(name.replace("_", " "), f"{value:,}") for name, value in self.counts.items()]
        parts = [html.paragraph(html.Markup(f"{html.strong('Verification')} {verdict}")), html.listing(self.problems)]
        if self.repairs:
            parts += [html.paragraph(html.strong("Repaired")), html.listing(self.repairs)]
        return html.box(*parts, html.table(["", ""], rows, numbers=[1]))

    def __str__(self) -> str:
        counts = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in self.counts.items())
        if self.ok:
            return f"ok: {counts}"
        lines = [f"{len(self.problems)} problems: {counts}", *(f"  - {text}" for text in self.problems)]
        return "\n".join([*lines, *(f"  + {text}" for text in self.repairs)])


class Verifier:
    """One run of verification, inside one read transaction."""

    def __init__(self, catalogue: Catalogue, shape: Shape, connection: sqlite3.Connection):
        self.catalogue = catalogue
        self.shape = shape
        self.connection = connection
        self.report = VerifyReport()
        self.damaged: list[Segment] = []
        self.missed: list[Missed] = []
        self.following: dict[str, Any] | None = None
        self.words_damaged = False

    def run(self, sample: int | None, random_state: int) -> VerifyReport:
        """Check the catalogue, the files, the items against the rows, and that what lives is found."""
        report = self.report
        path = self.catalogue.path
        report.counts = dict.fromkeys(_COUNTS, 0)
        try:
            for (text,) in self.connection.execute("PRAGMA integrity_check(10)"):
                if text != "ok":
                    report.problems.append(f"{path}: {text}")
            report.counts["files"], report.counts["bytes"] = 1, files.size(path)
            self.following = read_meta(self.connection, path).get("next")
            read_scales(self.connection, path)
            self._expiry()
            parts = [*self._segments(), *self._pending()]
            if not report.problems:
                dead = read_deleted(self.connection, path)[1]
                living = [Live.of(part, part.rows_of(dead)) for part in parts]
                gone = len(dead) - sum(len(part.rows_of(dead)) for part in parts)
                if gone:
                    report.problems.append(f"{path}: {gone} deletions are of rows that are stored nowhere")
                self._items(living)
                self._texts()
                for live in [*living, *self._next_space()]:
                    self._findable(live, sample, random_state)
        except sqlite3.Error as error:
            report.problems.append(f"{path}: {error}")
        except CorruptFileError as error:
            report.problems.append(str(error))
        return report

    def _expiry(self) -> None:
        """What expires are items."""
        if not self.catalogue.expires(self.connection):
            return
        ExpiryBuffer().read(self.connection, self.catalogue.path)
        query = "SELECT COUNT(*) FROM expiry WHERE NOT EXISTS (SELECT 1 FROM items WHERE items.key = expiry.key)"
        strays = self.connection.execute(query).fetchone()[0]
        if strays:
            self.report.problems.append(f"{self.catalogue.path}: {strays} times of expiry belong to no item")

    def _segments(self) -> list[Part]:
        parts: list[Part] = []
        names = set()
        for number, description in read_segments(self.connection, self.catalogue.path).items():
            names.update(file_names(description))
            self.report.counts["segments"] += 1
            own = description.get("space") is None
            try:
                shape = self.shape if own else self._next_shape(number)
                segment = Segment(
                    self.catalogue.segments, number, description, dim=shape.dim, dtype=shape.dtype, schema=shape.schema
                )
                if shape.schema:
                    self.report.problems += segment.wrong_codes()
                odd = _odd(segment.vectors, get_metric(shape.metric).nonzero)
                if odd is not None:
                    self.report.problems.append(f"{_name(segment)}: {odd}")
            except (CorruptFileError, FormatVersionError) as error:
                self.report.problems.append(str(error))
                continue
            if segment.trouble is not None or segment.columns_trouble is not None:
                self.damaged.append(segment)
            if segment.trouble is not None:
                self.report.problems.append(
                    f"{segment.trouble}; searches scan the vectors instead, and a writer rebuilds it"
                )
            if segment.columns_trouble is not None:
                self.report.problems.append(
                    f"{segment.columns_trouble}; filters ask the Arrow columns instead, and a writer rebuilds it"
                )
            if description.get("partition") and segment.partition is None:
                self.damaged += [segment] * (segment not in self.damaged)
                self.report.problems.append(f"{segment.partition_trouble}; batches are answered without it")
            bad = [part for part, why in segment.troubles().items() if why is not None]
            for name in file_names(description):
                if name not in [description[part]["file"] for part in bad]:
                    self.report.counts["files"] += 1
                    self.report.counts["bytes"] += files.size(self.catalogue.segments / name)
            parts += [segment] * own
        unnamed = sum(name not in names for name in files.list_directory(self.catalogue.segments))
        if unnamed:
            self.report.counts["unnamed_files"] = unnamed
        return parts

    def _pending(self) -> list[Part]:
        shape = self.shape
        kind = read_id_type(self.connection, self.catalogue.path)
        buffer = PendingBuffer(shape.dim, shape.dtype, shape.metric, shape.schema)
        if kind is not None:
            for block in read_blocks(self.connection, self.catalogue.path, shape.dim, shape.dtype, kind):
                buffer.append(block)
        part = buffer.part()
        if len(part) and shape.schema:
            part.table()
        odd = _odd(part.vectors, get_metric(shape.metric).nonzero) if len(part) else None
        if odd is not None:
            self.report.problems.append(f"{self.catalogue.path}: pending rows: {odd}")
        return [part] if len(part) else []

    def _next_shape(self, number: int) -> Shape:
        """That of the space a store is moved to."""
        if self.following is None:
            raise CorruptFileError(self.catalogue.path, f"segment {number} is of a model the store is not moved to")
        return Shape(self.following["dim"], self.shape.dtype, self.following["metric"], {})

    def _next_space(self) -> list[Live]:
        """What the next model encoded: each item once, and no item that is not there; returns the rows that live."""
        if self.catalogue.format(self.connection) < 3:
            return []
        path, problems = self.catalogue.path, self.report.problems
        encoded = np.array(
            [key for (key,) in self.connection.execute("SELECT key FROM encoded ORDER BY key")], np.int64
        )
        query = "SELECT COUNT(*) FROM encoded WHERE NOT EXISTS (SELECT 1 FROM items WHERE items.key = encoded.key)"
        strays = self.connection.execute(query).fetchone()[0]
        if strays:
            problems.append(f"{path}: {strays} encoded items are not there")
        if self.following is None:
            rows = self.connection.execute("SELECT COUNT(*) FROM incoming").fetchone()[0]
            if len(encoded) or rows:
                problems.append(f"{path}: vectors of a model that the store is not moved to")
            return []
        reader = NextReader()
        meta = {"next": self.following}
        space = reader.read(self.connection, path, self.catalogue.segments, meta, self.shape)
        assert space is not None
        living = [Live.of(part, np.flatnonzero(~np.isin(part.keys, encoded))) for part in space.sources]
        found = np.concatenate([np.empty(0, np.int64), *(live.part.keys[live.rows()] for live in living)])
        if len(np.unique(found)) < len(found):
            problems.append(f"{len(found) - len(np.unique(found))} encoded vectors are in two places")
        lost = np.setdiff1d(encoded, found)
        if len(lost):
            problems.append(
                f"{len(lost)} encoded items have no vector, such as those with keys {lost[:_SHOWN].tolist()}"
            )
        for live in living:
            odd = _odd(live.part.vectors, get_metric(live.part.metric).nonzero)
            if odd is not None:
                problems.append(f"{_name(live.part)}: {odd}")
        return [live for live in living if live.count]

    def _items(self, living: list[Live]) -> None:
        """The catalogue's items are just the living rows of the parts, with the same ids; payloads are intact."""
        problems = self.report.problems
        keys, ids = [], []
        for live in living:
            rows = live.rows()
            if (np.diff(live.part.keys) <= 0).any():
                problems.append(f"{_name(live.part)}: keys are not ascending")
            keys.append(live.part.keys[rows])
            ids.extend(live.part.take_ids(rows))
        found = dict(zip(np.concatenate([np.empty(0, np.int64), *keys]).tolist(), ids, strict=True))
        if len(found) < len(ids):
            problems.append(f"{len(ids) - len(found)} rows are in two places")
        seen = 0
        lost: list[Any] = []
        other: list[Any] = []
        for key, identifier, text, check in self.connection.execute("SELECT key, id, payload, xxh3 FROM items"):
            seen += 1
            if key not in found:
                lost.append(identifier)
            elif found.pop(key) != identifier:
                other.append(identifier)
            if text is not None and digest(b"%d" % key, str(text).encode()) != check:
                problems.append(f"{self.catalogue.path}: checksum of the payload of item {identifier!r} differs")
        if lost:
            problems.append(f"{len(lost)} items have no stored vector, such as {lost[:_SHOWN]!r}")
        if other:
            problems.append(f"{len(other)} ids differ between catalogue and segments, such as {other[:_SHOWN]!r}")
        if found:
            problems.append(f"{len(found)} stored vectors belong to no item, such as {list(found.values())[:_SHOWN]!r}")
        counted = self.connection.execute("SELECT items FROM state").fetchone()[0]
        if counted != seen:
            problems.append(f"{self.catalogue.path}: counts {counted} items but holds {seen}")
        alive = self.connection.execute("SELECT COUNT(*) FROM deleted JOIN items USING (key)").fetchone()[0]
        if alive:
            problems.append(f"{alive} items are listed as deleted")
        self.report.counts["items"] = seen

    def _texts(self) -> None:
        """Texts belong to items, and the index of words is that of the texts."""
        if self.catalogue.format(self.connection) < texts.FORMAT:
            return
        problems, derived = texts.check(self.connection, self.catalogue.path)
        self.words_damaged = bool(derived)
        self.report.problems += problems + derived

    def _findable(self, live: Live, sample: int | None, random_state: int) -> None:
        """Search living rows by their own vectors. A scan finds everything by construction, so a few are enough there.

        An index at the plan's settings misses some, as its recall says: those are counted, and searched again as widely
        as is sensible. What is not even found then is lost to every search: a problem.
        """
        rows = live.rows()
        limit = sample if live.part.index is not None else min(sample or _SCANNED_SAMPLE, _SCANNED_SAMPLE)
        if limit is not None and limit < len(rows):
            rows = np.sort(np.random.default_rng(random_state).choice(rows, limit, replace=False))
        missed = self._missed(live, rows, _NEIGHBORS, None)
        lost = self._missed(live, missed, _WIDE, _WIDE)
        for name, count in (("searched", len(rows)), ("missed", len(missed)), ("not_found", len(lost))):
            self.report.counts[name] += count
        if len(lost):
            ids = live.part.take_ids(lost[:_SHOWN])
            self.report.problems.append(
                f"{_name(live.part)}: {len(lost):,} of {len(rows):,} items are not found by their own vector, "
                f"such as {ids!r}"
            )
        if isinstance(live.part, Segment) and getattr(live.part.index, "kind", None) == "graph":
            self._walked(live, live.part, lost)

    def _walked(self, live: Live, segment: Segment, lost: np.ndarray) -> None:
        """Follow every link of a graph from where walks begin; a search passes through the rows of deleted items too.

        That takes a pass over the links, so all rows are looked at, whatever the sample.
        """
        rows = live.rows()
        unreachable = rows[~segment.index.reachable()[rows]]
        self.report.counts["walked"] += len(rows)
        self.report.counts["unreachable"] += len(unreachable)
        if len(unreachable):
            ids = segment.take_ids(unreachable[:_SHOWN])
            self.report.problems.append(
                f"{segment.folder / segment.description['index']['file']}: no walk can come to {len(unreachable):,} of "
                f"{len(rows):,} items, such as {ids!r}; repair links them"
            )
        found = Missed(segment, unreachable, np.setdiff1d(lost, unreachable))
        if len(found):
            self.missed.append(found)

    def _missed(self, live: Live, rows: np.ndarray, k: int, beam: int | None) -> np.ndarray:
        """Those rows that a search for ``k`` by their own vector does not find.

        A row counts as found when it is among the hits, or when all of them are at least as near as it is itself:
        copies of it, or, for inner products, longer vectors.
        """
        metric = get_metric(live.part.metric)
        missed = [np.empty(0, np.int64)]
        for start in range(0, len(rows), _QUERIES):
            some = rows[start : start + _QUERIES]
            queries = np.ascontiguousarray(live.part.vectors[some], np.float32)
            wanted = min(k, live.count)
            asked = Queries(queries, metric.name)
            hits = live.part.search(asked, wanted, allow=live.words, allowed=live.count, beam=beam)
            found = (hits.rows == some[:, None]).any(axis=1)
            for place in np.flatnonzero(~found).tolist():
                itself = metric.to_many(queries[place], queries[place][None])[0]
                found[place] = hits.distances[place, -1] <= itself + 1e-6 * max(1.0, abs(float(itself)))
            missed.append(some[~found])
        return np.concatenate(missed)


def _odd(vectors: np.ndarray, nonzero: bool) -> str | None:
    """What is wrong with a vector that no add would have taken."""
    try:
        for start in range(0, len(vectors), 8192):
            check_vectors(vectors[start : start + 8192], nonzero=nonzero, first_row=start)
    except ValueError as error:
        return str(error)
    return None


def _name(part: Part) -> str:
    return str(part.folder / part.description["vectors"]["file"]) if isinstance(part, Segment) else "pending rows"

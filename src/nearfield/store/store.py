"""The durable collection: :class:`Store`, one directory, one writer, many readers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common import files
from ..common.checks import check_choice, check_int, check_random_state
from ..common.errors import CorruptFileError
from .attributes import check_schema
from .catalogue import Catalogue, read_meta, read_segments
from .hits import Batch, Hits
from .ids import check_ids, is_single
from .maintenance import Maintenance, living_vectors
from .reading import Reader
from .segment import check_files, file_names
from .snapshot import Shape, Viewer
from .writing import Batch as Incoming
from .writing import Writer, check_embedding, remove_files

if TYPE_CHECKING:
    from ..decide import Judge
    from ..tune import Plan
    from .verify import VerifyReport


class Store:
    """A durable collection of vectors in one directory: crash-safe, searchable at once, measured.

    Make one with :meth:`create`, open it with :meth:`open`; both are context managers. An add, upsert or delete is
    durable when it returns and found by the next search. One process writes, any number read and follow it; threads
    may search while one adds. Choose it over :class:`nearfield.index.Graph` whenever the vectors must outlive the
    process, change, or carry attributes; take the bare index for a fixed array in memory. What is promised, and how it
    is tested, is in ``docs/guarantees.md``. The directory must be on a local file system.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store.create(folder.name + "/papers.nf", dim=3, attributes={"year": "int"})
    >>> store.add(["a", "b"], np.eye(3, dtype=np.float32)[:2], attributes={"year": [2023, 2024]})
    2
    >>> store.search(np.float32([1, 0, 0]), k=1).ids
    ['a']
    >>> hits = store.search(np.float32([1, 0, 0]), k=2, where="year >= 2024")
    >>> hits.ids, hits.status
    (['b', None], 'only 1 item passes the filter')
    >>> store.close(); folder.cleanup()
    """

    def __init__(self, catalogue: Catalogue):
        self._catalogue = catalogue
        with catalogue.reading() as connection:
            meta = read_meta(connection, catalogue.path)
        self._shape = Shape(meta["dim"], np.dtype(meta["dtype"]), meta["metric"], dict(meta["attributes"]))
        self._viewer = Viewer(catalogue, self._shape)
        self._writer: Writer | None = None
        self._maintenance: Maintenance | None = None
        if not catalogue.read_only:
            self._writer = Writer(catalogue, self._shape)
            self._maintenance = Maintenance(catalogue, self._shape, self._viewer, self._writer)
        self._reader = Reader(catalogue, self._shape, self._viewer, self._maintenance)

    # -- opening and closing ------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        dim: int,
        *,
        metric: str = "cosine",
        dtype: str = "float32",
        attributes: Mapping[str, str] | None = None,
        embedding: Mapping[str, Any] | None = None,
    ) -> Store:
        """Make an empty store and open it for writing.

        Parameters
        ----------
        path : the directory to make; FileExistsError when it exists.
        dim : dimensions of the vectors, 1 to 16384.
        metric : "cosine" (text embeddings), "ip" (the length carries meaning) or "l2" (raw coordinates).
        dtype : "float32" keeps every bit; "float16" halves disk and page cache and rounds to 3 decimal digits, which
            moves cosine distances by some 1e-4.
        attributes : column name -> "bool", "int", "float", "string" or "timestamp", for ``where=``.
        embedding : the encoder's ``fingerprint()``; vectors of another encoder are then refused.
        """
        check_int(dim, "dim", 1, 16384)
        check_choice(metric, "metric", ("cosine", "ip", "l2"))
        check_choice(dtype, "dtype", ("float32", "float16"))
        schema = check_schema(attributes)
        fingerprint = check_embedding(embedding, dim)
        folder = Path(path).absolute()
        meta = {"dim": dim, "metric": metric, "dtype": dtype, "attributes": schema, "embedding": fingerprint}
        Catalogue.create(folder, meta)
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, read_only: bool = False) -> Store:
        """Open a store.

        Opening reads the catalogue and looks at the size of every file; vectors are read by the first search, which
        verifies their checksums. The writer removes files that a killed process left behind.

        Raises
        ------
        StoreLockedError : another handle writes to it; ``read_only=True`` follows that writer instead.
        CorruptFileError, FormatVersionError, FileNotFoundError, ValueError : damaged, newer, absent, not a store.
        """
        catalogue = Catalogue(Path(path).absolute(), read_only=read_only)
        try:
            while True:
                generation = catalogue.committed_generation()
                with catalogue.reading() as connection:
                    described = read_segments(connection, catalogue.path)
                try:
                    for description in described.values():
                        check_files(catalogue.segments, description)
                    break
                except CorruptFileError:  # a compaction may have replaced the files meanwhile
                    if catalogue.committed_generation() == generation:
                        raise
            if not read_only:
                named = {name for description in described.values() for name in file_names(description)}
                present = files.list_directory(catalogue.segments)
                remove_files(catalogue, [name for name in present if name not in named])
            return cls(catalogue)
        except BaseException:
            catalogue.close()
            raise

    def close(self) -> None:
        """Give the writer's lock and all files back. Nothing is lost without it; closing twice is fine."""
        self._catalogue.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The directory."""
        return self._catalogue.folder

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self._shape.dim

    @property
    def metric(self) -> str:
        """``"cosine"``, ``"ip"`` or ``"l2"``."""
        return self._shape.metric

    @property
    def dtype(self) -> np.dtype:
        """How vectors are kept: float32 or float16."""
        return self._shape.dtype

    @property
    def attributes(self) -> dict[str, str]:
        """The attribute schema, ``name -> type``."""
        return dict(self._shape.schema)

    @property
    def read_only(self) -> bool:
        """Whether this handle only reads."""
        return self._catalogue.read_only

    @property
    def embedding(self) -> dict[str, Any] | None:
        """The fingerprint of the encoder the vectors come from, or None."""
        return self._meta().get("embedding")

    @property
    def judge(self) -> Judge | None:
        """The fitted relevance judge, or None."""
        return self._reader.view(lambda view, _: view.judge)

    @property
    def plan(self) -> Plan | None:
        """The plan of the last :meth:`optimize`, or None."""
        stored = self._meta().get("plan")
        if stored is None:
            return None
        from ..tune import Plan

        return Plan.from_dict(stored)

    def __len__(self) -> int:
        with self._catalogue.reading() as connection:
            return int(connection.execute("SELECT items FROM state").fetchone()[0])

    def __contains__(self, identifier: object) -> bool:
        try:
            wanted, _ = check_ids(identifier if is_single(identifier) else [identifier], None)
        except (TypeError, ValueError):  # nothing that could be an id
            return False
        with self._catalogue.reading() as connection:
            return connection.execute("SELECT 1 FROM items WHERE id = ?", wanted).fetchone() is not None

    def __repr__(self) -> str:
        mode = "closed" if self._catalogue.closed else "read-only" if self.read_only else "writer"
        return f"Store({str(self.path)!r}, dim={self.dim}, metric={self.metric!r}, {mode})"

    # -- writing ------------------------------------------------------------------------------------------------------

    def add(self, ids: Any, vectors: Any, *, attributes: Any = None, payload: Any = None, embedding: Any = None) -> int:
        """Add new items, all or none of them; returns how many. Durable when it returns.

        Batches of a thousand or more are fastest: each call is one synced transaction.

        Parameters
        ----------
        ids : unique ints (64 bits) or non-empty strings; the first add fixes which. One id with one vector is fine.
        vectors : (n, d) float32, or anything that becomes float32 without loss.
        attributes : pyarrow table, dict of columns, DataFrame, or list of dicts; what is missing is null.
        payload : list of JSON values, returned on request.
        embedding : fingerprint of the encoder that made the vectors; ValueError when it is not the store's.

        Raises
        ------
        ValueError, TypeError : something does not fit, or an id exists already; nothing was changed.
        OSError : the disk is full or fails; nothing was changed.
        """
        return self._put(ids, vectors, attributes, payload, embedding, replace=False)

    def upsert(
        self, ids: Any, vectors: Any, *, attributes: Any = None, payload: Any = None, embedding: Any = None
    ) -> int:
        """Like :meth:`add`, but an item whose id exists is replaced whole: vector, attributes and payload."""
        return self._put(ids, vectors, attributes, payload, embedding, replace=True)

    def _put(self, ids: Any, vectors: Any, attributes: Any, payload: Any, embedding: Any, *, replace: bool) -> int:
        writer = self._writing()[0]
        if is_single(ids):
            payload = None if payload is None else [payload]
            attributes = [attributes] if isinstance(attributes, Mapping) else attributes
        fingerprint = check_embedding(embedding, self.dim)
        batch = Incoming(self._shape, writer.kind, ids, vectors, attributes, payload)
        return writer.put(batch, replace=replace, embedding=fingerprint)

    def delete(self, ids: Any) -> int:
        """Delete items; ids that are not there are passed over. Returns how many were. Durable when it returns."""
        writer = self._writing()[0]
        wanted, _ = check_ids(ids, writer.kind, unique=False)
        return writer.delete(list(dict.fromkeys(wanted)))

    def seal(self) -> bool:
        """Move pending rows into a segment, indexed by the plan's recipe; returns whether there were any.

        Adding does this by itself, without an index, when 65,536 rows or 256 MB are pending. Call it when many rows
        are pending and a full :meth:`compact` would take too long.
        """
        return self._writing()[1].seal()

    def compact(self) -> bool:
        """Merge all segments and pending rows into one, without what was deleted; returns whether anything changed.

        Builds the index the plan says; without a plan, a graph over 8-bit codes above 20,000 items and none below.
        Searches, adds and deletes of other threads go on meanwhile. Ctrl-C leaves the store as it was.
        """
        return self._writing()[1].compact()

    def optimize(
        self,
        recall: float = 0.95,
        memory: int | str | None = None,
        latency: float | None = None,
        k: int = 10,
        queries: Any = None,
        *,
        random_state: int = 0,
    ) -> Plan:
        """Find the fastest recipe that reaches a recall within a memory budget, by measurement, and apply it.

        The plan is kept with the store, shown by :meth:`stats`, and used by every later seal and compaction. See
        :func:`nearfield.tune.tune` for the parameters; when the target cannot be met the plan says so and the
        closest recipe is applied.
        """
        maintenance = self._writing()[1]
        from ..tune import tune

        with maintenance.lock:
            view = self._viewer.current()
            if not view.items:
                raise ValueError("optimize: the store is empty; add items first")
            plan = tune(
                living_vectors(view, self._shape),
                metric=self.metric,
                recall=recall,
                k=k,
                memory=memory,
                latency=latency,
                queries=queries,
                share_queries=False,  # later compactions would have none to build with
                random_state=random_state,
            )
            maintenance.compact(plan.to_dict())
        return plan

    def fit_judge(
        self,
        queries: Any = None,
        labels: Any = None,
        *,
        hidden: float = 0.0075,
        nearest: int = 10,
        sample: int = 3000,
        background: int = 1024,
        random_state: int = 0,
    ) -> Judge:
        """Fit the relevance judge from the store's own items and keep it; hits carry ``relevance`` from then on.

        Every item is searched once, so on a large store :meth:`optimize` first. The judge keeps its meaning while the
        store stays much the same; ``stats()["judge"]`` says when it has gone stale.

        Parameters
        ----------
        queries, labels : optional (m, d) vectors and m bools, True where the store holds an answer: refines the judge.
            Without labels the store is taken to answer all of them: thirty such examples are worth it when queries
            are unlike the stored items (questions against abstracts). With a hundred of either kind the cut also
            learns to depend on what is asked.
        hidden, nearest : see :class:`nearfield.decide.Judge`.
        sample : how many items are asked as if they were queries; more narrows the rates.
        background : how many random items each of them is compared with.

        Raises
        ------
        ValueError : fewer than 50 items.
        """
        maintenance = self._writing()[1]
        check_int(sample, "sample", 20)
        check_int(background, "background", 20)
        check_random_state(random_state)
        if queries is None and labels is not None:
            raise ValueError("queries: expected the labelled queries, got None")
        from ..decide import Judge
        from . import judging

        judge = Judge(hidden=hidden, nearest=nearest, random_state=random_state)
        with maintenance.lock:
            view = self._viewer.current()
            scales = judging.fit(
                judge, view, self._shape, sample=sample, background=background, vectors=queries is not None
            )
            if queries is not None:
                judging.refine(judge, view, self._shape, scales, queries, labels)
            judging.publish(judge, view, self._catalogue, scales)
        return judge

    # -- reading ------------------------------------------------------------------------------------------------------

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        where: Any = None,
        payload: bool = False,
        attributes: bool = False,
        max_false: float | None = None,
        beam: int | None = None,
    ) -> Hits:
        """The ``k`` nearest items of each query, of the last committed moment.

        Parameters
        ----------
        queries : (d,) or (q, d) float32.
        k : how many hits a query.
        where : a condition on the attributes: SQL text such as ``"year >= 2024 and topic in ('vision', 'nlp')"`` or a
            pyarrow expression.
        payload, attributes : whether hits carry them.
        max_false : cut every answer where the judge finds nothing relevant any more; needs :meth:`fit_judge`.
            See :meth:`nearfield.decide.Judge.keep` for what the rate means.
        beam : how far a graph is searched; None takes what the plan measured.

        Returns
        -------
        Hits : distances are exact whatever index found them; ``status`` says why there are fewer than k.
        """
        return self._reader.search(queries, k, where, payload, attributes, max_false, beam)

    def get(self, ids: Any) -> Any:
        """The items of these ids, None where there is none; a single id is answered with a single item."""
        return self._reader.get(ids)

    def iterate(self, batch_size: int = 1000) -> Iterator[Batch]:
        """All items in the order of their arrival, as they were when the iteration began."""
        check_int(batch_size, "batch_size", 1)
        return self._reader.iterate(batch_size)

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Copy the last committed moment to ``path``, a store of its own, while writing goes on.

        Segment files are hard-linked on the same file system, so a copy there costs little; it guards against
        mistakes, not against a failing disk. FileExistsError when ``path`` exists.
        """
        from .copying import copy_store

        copy_store(self._catalogue, Path(path).absolute())

    def verify(self, *, sample: int | None = None, repair: bool = False, random_state: int = 0) -> VerifyReport:
        """Check SQLite's integrity, every file's checksum, items against rows, and that what lives is found.

        Parameters
        ----------
        sample : how many items of each index are searched by their own vector; None searches all of them.
        repair : rebuild indexes found damaged or missing (the writer only); primary files cannot be rebuilt.
        """
        from .verify import Verifier

        if sample is not None:
            check_int(sample, "sample", 1)
        maintenance = self._writing()[1] if repair else None
        while True:
            generation = self._catalogue.committed_generation()
            with self._catalogue.reading() as connection:
                verifier = Verifier(self._catalogue, self._shape, connection)
                report = verifier.run(sample, random_state)
            if report.ok or self._catalogue.committed_generation() == generation:
                break
        if maintenance is not None and verifier.damaged:
            maintenance.repair(verifier.damaged)
        return report

    def stats(self) -> dict[str, Any]:
        """Counts, bytes by file, resident memory, plan, judge, embedding and format, as plain data."""
        from .stats import collect

        return self._reader.view(lambda view, _: collect(self._catalogue, self._shape, view))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _meta(self) -> dict[str, Any]:
        with self._catalogue.reading() as connection:
            return read_meta(connection, self._catalogue.path)

    def _writing(self) -> tuple[Writer, Maintenance]:
        self._catalogue.ensure_usable()
        if self._writer is None or self._maintenance is None:
            raise PermissionError(f"{self.path}: opened with read_only=True; open it without to write")
        return self._writer, self._maintenance

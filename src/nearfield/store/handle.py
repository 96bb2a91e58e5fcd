"""An open store: opening and closing it, and what it is."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..common import files
from ..common.checks import check_choice, check_int, check_real
from ..common.decoding import decoding
from ..common.errors import CorruptFileError
from . import expiry
from .attributes import check_schema
from .bags import ARRAYS, NO_BAGS, BagSpace, check_space
from .catalogue import Catalogue
from .ids import check_ids, is_single
from .maintenance import Maintenance
from .observed import Record
from .reading import Reader
from .segment import check_files, file_names, remove_files
from .sizing import check_limit
from .snapshot import Shape, Viewer
from .tables import read_meta, read_segments
from .tags import open_tag, remove_half_made
from .texts import Wording
from .watch import Watch
from .writing import Writer, check_embedding

if TYPE_CHECKING:
    from ..decide import Judge, QueryJudge
    from ..tune import Plan
    from .upgrade import Upgrade


class Handle:
    """The part of :class:`nearfield.store.Store` that every other part stands on."""

    def __init__(self, catalogue: Catalogue, watch: float, memory: int | None):
        self._catalogue = catalogue
        with catalogue.reading() as connection:
            meta = read_meta(connection, catalogue.path)
            if catalogue.expires(connection):
                expiry.present(catalogue, connection)  # time goes on from where the last writer saw it
        self._ttl: int | None = meta.get("ttl")
        shape = Shape.of(meta)
        self._viewer = viewer = Viewer(catalogue, shape)
        self._writer: Writer | None = None
        self._maintenance: Maintenance | None = None
        if not catalogue.read_only:
            self._writer = Writer(catalogue, shape)
            self._maintenance = Maintenance(catalogue, shape, viewer, self._writer, memory)
        self._watch = Watch(lambda: viewer.current().unexpired(catalogue.clock), Record(catalogue.folder), watch)
        self._reader = Reader(catalogue, viewer, self._maintenance, self._watch)

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
        ttl: float | dt.timedelta | None = None,
        text: str | None = None,
        tokenizer: str = "porter",
        bags: int | Mapping[str, Any] | None = None,
        memory: int | str | None = None,
    ) -> Self:
        """Make an empty store and open it for writing.

        Parameters
        ----------
        path : the directory to make; FileExistsError when it exists.
        dim : dimensions of the vectors, 1 to 16384.
        metric : "cosine" (text embeddings), "ip" (the length carries meaning) or "l2" (raw coordinates).
        dtype : "float32" keeps every bit; "float16" halves disk and page cache and rounds to 3 decimal digits, which
            moves cosine distances by some 1e-4.
        attributes : column name -> "bool", "int", "float", "string", "timestamp", "strings" (a list of strings, such
            as tags) or "geo" (latitude and longitude in degrees), for ``where=``.
        embedding : the encoder's ``fingerprint()``; vectors of another encoder are then refused.
        ttl : how long items live that are added without a ``ttl`` or ``expires`` of their own, in seconds or as a
            timedelta: for caches, sessions and news, where yesterday's items are noise. None: until they are deleted.
        text : the key under which an item's payload holds its text, such as "text": it is then searched by its words as
            well (``search(text=)``) and not stored twice. None: texts are those given to :meth:`Store.add`, if any.
            :meth:`Store.index_text` says it later.
        tokenizer : how texts become words. "porter", for English, takes *searching* for *search*; "unicode61" takes
            words as they are, in any language that parts them by spaces; "trigram" takes every three characters, for
            those that do not (Chinese, Japanese, Thai) and for parts of words, at seven times the size.
        bags : keep several vectors for each item beside its own, for ``search(bags=)``: their dimensions, or a dict.
            ``dim``: the dimensions. ``codec``: a :class:`~nearfield.quantize.Codec` for them, fitted, or to be fitted
            to the sample; None is 8 bits a dimension. ``means``: a codec for the mean of each bag, where codes are
            short. ``encoding``: a :class:`~nearfield.index.BagEncoding`, which computes an item's own vector from its
            bag, and a query's; ``dim`` of the store is then that of its vectors, and the metric "ip" ("cosine" will do
            for a mean). ``sample``, ``queries``: Bags of some documents and of some queries, for what is to be fitted.
            See ``docs/concepts-multivector.md``; :meth:`Store.index_bags` does it later.
        memory : a limit for this handle, see :meth:`open`.
        """
        check_limit(memory)
        dim = check_int(dim, "dim", 1, 16384)
        check_choice(metric, "metric", ("cosine", "ip", "l2"))
        check_choice(dtype, "dtype", ("float32", "float16"))
        schema = check_schema(attributes)
        fingerprint = check_embedding(embedding, dim)
        wording = Wording.check(text, tokenizer)
        folder = Path(path).absolute()
        meta = {"dim": dim, "metric": metric, "dtype": dtype, "attributes": schema, "embedding": fingerprint}
        if text is not None or tokenizer != Wording.tokenizer:
            meta["text"] = wording.to_dict()
        if ttl is not None:
            meta["ttl"] = expiry.check_ttl(ttl)
        arrays = {}
        if bags is not None:
            kept = check_space(bags, dim, metric)
            meta["bags"], arrays[ARRAYS] = dict(kept.setting), kept.arrays
        Catalogue.create(folder, meta, arrays)
        return cls.open(folder, memory=memory)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        at: str | None = None,
        watch: float = 0.01,
        memory: int | str | None = None,
    ) -> Self:
        """Open a store, or with ``at`` one of its tags, as it was when :meth:`tag` was called: to be read only.

        Opening reads the catalogue and looks at the size of every file; vectors are read by the first search, which
        verifies their checksums. The writer removes files that a killed process left behind.

        Parameters
        ----------
        path : the store's directory.
        read_only : follow a writer, or read where nobody writes; any number of handles may.
        at : the name of a tag.
        watch : the most of one core's time spent on repeating a sample of the queries exactly, once a few dozen were
            asked: ``stats()["recall"]`` then tells the recall of what is really asked. A sample of the queries is left
            in the store's directory, readers too leave one. 0 watches nothing and writes nothing.
        memory : most bytes, as a number or "2GB", that :meth:`seal`, :meth:`compact`, :meth:`optimize` and the repair
            of an index may take. What needs more is refused beforehand, with both figures, and nothing is changed.
            None means what the system has available. It does not bound searches: see :meth:`stats` for those.

        Raises
        ------
        StoreLockedError : another handle writes to it; ``read_only=True`` follows that writer instead.
        ValueError : ``at`` is not one of its tags.
        CorruptFileError, FormatVersionError, FileNotFoundError, ValueError : damaged, newer, absent, not a store.
        """
        check_real(watch, "watch", 0.0, 1.0)
        limit = check_limit(memory)
        folder = Path(path).absolute()
        read_only = read_only or at is not None
        catalogue = Catalogue(folder, read_only=read_only) if at is None else open_tag(folder, at, "at")
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
                remove_files(catalogue.segments, [name for name in present if name not in named])
                remove_half_made(catalogue.folder)
            return cls(catalogue, watch if at is None else 0.0, limit)
        except BaseException:
            catalogue.close()
            raise

    def close(self) -> None:
        """Give the writer's lock and all files back. Nothing is lost without it; closing twice is fine."""
        self._watch.close()
        if self._writer is not None:
            self._writer.keep_time()
        self._catalogue.close()

    def __enter__(self) -> Self:
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
    def closed(self) -> bool:
        """Whether this handle was closed."""
        return self._catalogue.closed

    @property
    def revision(self) -> str:
        """A text that is another one after every write: as long as it stays the same, what was read of the items holds.

        For caches of what is derived from a store, and for HTTP's ``ETag``. Seals, compactions and judges do not count,
        nor does time: an item that expires is gone without a write.
        """
        return self._reader.view(lambda view, _: f"{view.identity.hex()}-{view.changes}")

    @property
    def embedding(self) -> dict[str, Any] | None:
        """The fingerprint of the encoder the vectors come from, or None."""
        return self._meta().get("embedding")

    @property
    def ttl(self) -> dt.timedelta | None:
        """How long items live that are added without a time of their own; None: until they are deleted."""
        return None if self._ttl is None else dt.timedelta(microseconds=self._ttl)

    @property
    def judge(self) -> Judge | QueryJudge | None:
        """The fitted relevance judge, or None."""
        return self._reader.view(lambda view, _: view.judge)

    @property
    def plan(self) -> Plan | None:
        """The plan of the last :meth:`optimize`, or None."""
        stored = self._meta().get("plan")
        if stored is None:
            return None
        from ..tune import Plan

        with decoding(self._catalogue.path, "the plan"):
            return Plan.from_dict(stored)

    @property
    def upgrading(self) -> Upgrade | None:
        """The move to another model that is under way (:meth:`Store.upgrade`), or None."""
        following = self._meta("next").get("next")
        if following is None:
            return None
        from .upgrade import Upgrade

        return Upgrade(self, following)

    def __len__(self) -> int:
        with self._catalogue.reading() as connection:
            return expiry.count_living(self._catalogue, connection)

    def __contains__(self, identifier: object) -> bool:
        try:
            wanted, _ = check_ids(identifier if is_single(identifier) else [identifier], None)
        except (TypeError, ValueError):  # nothing that could be an id
            return False
        with self._catalogue.reading() as connection:
            return expiry.lives(self._catalogue, connection, wanted[0])

    def __repr__(self) -> str:
        mode = "closed" if self._catalogue.closed else "read-only" if self.read_only else "writer"
        return f"{type(self).__name__}({str(self.path)!r}, dim={self.dim}, metric={self.metric!r}, {mode})"

    @property
    def bags(self) -> dict[str, Any] | None:
        """How bags are kept (``dim``, ``codec``, ``means``, ``encoding``, as they describe themselves); None: not."""
        said = self._meta("bags").get("bags")
        return None if said is None else BagSpace(said, {}).describe()

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _shape(self) -> Shape:
        return self._viewer.shape_now()

    def _meta(self, only: str = "%") -> dict[str, Any]:
        with self._catalogue.reading() as connection:
            return read_meta(connection, self._catalogue.path, only)

    def _bag_space(self) -> BagSpace:
        """How bags are kept; ValueError where none are."""
        with self._catalogue.reading() as connection:
            meta = read_meta(connection, self._catalogue.path, "bags")
            space = self._viewer.bag_reader.read(connection, self._catalogue.path, meta)
        if space is None:
            raise ValueError(NO_BAGS)
        return space

    def _writing(self) -> tuple[Writer, Maintenance]:
        self._catalogue.ensure_usable()
        if self._writer is None or self._maintenance is None:
            raise PermissionError(f"{self.path}: opened with read_only=True; open it without to write")
        return self._writer, self._maintenance

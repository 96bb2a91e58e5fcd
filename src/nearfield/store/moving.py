"""How a store travels: tags to go back to, Parquet files, Arrow streams, object storage."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..common import files
from ..common.checks import check_choice, check_int
from .catalogue import publish_directory
from .copying import beside, refuse_target
from .handle import Handle
from .tables import set_meta

if TYPE_CHECKING:
    import pyarrow as pa

    from .hits import Batch

_BATCH_ROWS = 1024


class Moving(Handle):
    """The part of :class:`nearfield.store.Store` that keeps moments, and carries stores elsewhere and back."""

    # -- tags ---------------------------------------------------------------------------------------------------------

    def tag(self, name: str) -> None:
        """Keep the last committed moment under a name, inside the store's directory, while writing goes on.

        Open it later with ``Store.open(path, at=name)``, or go back to it with :meth:`restore`. It survives every
        compaction. At first it costs a copy of the catalogue (payloads and pending rows); segment files are hard links
        and cost their bytes once the store itself has dropped them. Take :meth:`snapshot` for a store of its own.

        Parameters
        ----------
        name : any text; letters other than a-z, and signs, count three of the 200 bytes it may take.

        Raises
        ------
        FileExistsError : there is a tag of this name.
        """
        from .tags import make_tag

        self._writing()
        make_tag(self._catalogue, name)

    def tags(self) -> dict[str, dict[str, Any]]:
        """By name: when the tag was made (UTC), its ``items``, its ``bytes``, and ``own_bytes`` that only it holds.

        Two tags that share a file the store has dropped both count it; ``stats()["tag_bytes"]`` counts it once.
        """
        from .tags import describe_tags

        self._catalogue.ensure_usable()
        return describe_tags(self._catalogue)

    def untag(self, name: str) -> None:
        """Remove a tag and give its bytes back; ValueError when there is none of this name.

        Who has the tag open keeps what was read already, and gets an error for the rest.
        """
        from .tags import remove_tag

        self._writing()
        remove_tag(self._catalogue, name)

    def restore(self, name: str) -> None:
        """Make the content of a tag the store's own again, in one step that readers follow like any write.

        Items, vectors, plan, judge and embedding are those of the tag, also where the store has moved to another model
        since; what came after it is gone, unless it has a tag too. The tag stays. Waits for a seal, compaction or
        optimisation under way.

        Raises
        ------
        ValueError : no tag of this name. CorruptFileError : the tag is damaged; nothing was changed.
        """
        from .restoring import restore

        writer, maintenance = self._writing()
        restore(self._catalogue, self._shape, writer, maintenance, name)

    # -- Parquet ------------------------------------------------------------------------------------------------------

    def dump(self, path: str | os.PathLike[str]) -> int:
        """Write all items of one moment to a Parquet file that any tool reads; returns how many. Whole or not at all.

        Ids, vectors (bit by bit), attributes and payloads come back with :meth:`load`, with dim, metric, dtype,
        embedding and plan; indexes are built again and the judge is fitted again. A row group holds at most some 32 MB.
        Take :meth:`snapshot` for a copy that is ready at once. A file that is there is replaced.
        """
        from .dumping import dump

        target = Path(path).absolute()
        if not target.parent.is_dir():
            raise FileNotFoundError(f"path: no such directory to write to: {target.parent}")
        return dump(target, *self._moment(_BATCH_ROWS), len(self))

    # -- Arrow --------------------------------------------------------------------------------------------------------

    def to_arrow(self, columns: Sequence[str] | None = None, *, batch_size: int = _BATCH_ROWS) -> pa.RecordBatchReader:
        """All items of one moment as a stream of Arrow batches, read as they are asked for, in the order of arrival.

        Columns are those of :meth:`dump`: ``id``, ``vector``, the attributes, ``payload`` as JSON text, and where there
        are such ``expires`` and ``text``. Read it once; the moment it shows is held until then, or until it is closed.
        DuckDB, polars and pyarrow take a store itself as well, as often as they like: ``pl.DataFrame(store)``.

        Parameters
        ----------
        columns : names of the columns wanted; None means all.
        batch_size : items a batch.

        Raises
        ------
        ValueError : no column of this name.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2, attributes={"year": "int"})
        >>> store.add(["a"], np.float32([[1, 0]]), attributes={"year": [2024]})
        1
        >>> store.to_arrow(["id", "year"]).read_all().to_pylist()
        [{'id': 'a', 'year': 2024}]
        >>> store.close(); folder.cleanup()
        """
        from .dumping import arrow_reader

        check_int(batch_size, "batch_size", 1)
        return arrow_reader(*self._moment(batch_size), columns)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Arrow's C interface, by which other libraries read the store."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _moment(self, batch_size: int) -> tuple[Iterator[Batch], dict[str, Any]]:
        """The items of one moment, and the settings.

        Those are read after the iteration pinned its moment: they change only in a store without items.
        """
        batches = self._reader.iterate(batch_size)
        first = next(batches, None)
        return itertools.chain([] if first is None else [first], batches), self._meta()

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str],
        path: str | os.PathLike[str],
        *,
        id_column: str | None = None,
        vector_column: str | None = None,
        attributes: Mapping[str, str | None] | Sequence[str] | None = None,
        metric: str | None = None,
        dtype: str | None = None,
        embedding: Mapping[str, Any] | None = None,
        index: bool = True,
    ) -> Self:
        """Make a store of a Parquet file, one of :meth:`dump` or anybody's, and open it for writing.

        The store appears at ``path`` complete or not at all; the file is read some megabytes at a time. A dump says of
        itself what the keywords say; they are for other files.

        Parameters
        ----------
        source : the Parquet file, with a column of vectors: lists of numbers, all of one length.
        path : the directory to make.
        id_column : whole numbers or text; None takes a column named ``id``, or else numbers the rows from 0.
        vector_column : None takes the only one, or the one named ``vector`` or ``embedding``. Double precision is
            rounded to float32.
        attributes : columns to filter by: names, or name -> type as in :meth:`create`. All others go into the payload.
        metric, dtype, embedding : as in :meth:`create`.
        index : whether to build the index at the end, as :meth:`compact` does; without it searches scan until then.

        Raises
        ------
        ValueError, TypeError : what does not fit, with file and rows. CorruptFileError : not a whole Parquet file.
        """
        from .loading import ParquetItems

        target = Path(path).absolute()
        refuse_target(target)
        if metric is not None:
            check_choice(metric, "metric", ("cosine", "ip", "l2"))
        items = ParquetItems(
            Path(source).absolute(),
            id_column=id_column,
            vector_column=vector_column,
            attributes=attributes,
            metric=metric,
            dtype=dtype,
            embedding=embedding,
        )
        temporary = beside(target)
        try:
            with cls.create(temporary, **items.settings) as store:
                store._fill(items)
                if index:
                    store._writing()[1].compact()
            publish_directory(temporary, target)
        except BaseException:
            files.remove_tree(temporary)
            raise
        return cls.open(target)

    def _fill(self, items: Any) -> None:
        from ..common.progress import Progress
        from .expiry import moments
        from .writing import Batch

        writer = self._writing()[0]
        if items.plan is not None:
            with self._catalogue.writing() as connection:
                set_meta(connection, "plan", items.plan)
        with Progress("loading", items.items, unit="items") as bar:
            for rows in items.rows():
                try:
                    batch = Batch(
                        self._shape,
                        writer.kind,
                        rows.ids,
                        rows.vectors,
                        rows.attributes,
                        rows.payload,
                        partial(moments, None, rows.expires or [], default=None, clock=self._catalogue.clock)
                        if rows.expires is not None
                        else lambda _: None,
                        rows.text,
                    )
                    writer.put(batch, replace=False)
                except (ValueError, TypeError) as error:
                    kind = TypeError if isinstance(error, TypeError) else ValueError
                    raise kind(f"{items.path}: in the rows from {rows.first} on: {error}") from error
                bar.update(len(rows.ids))

    # -- elsewhere ----------------------------------------------------------------------------------------------------

    def copy_to(self, url: str | os.PathLike[str], *, filesystem: Any = None) -> dict[str, int]:
        """Copy the last committed moment to object storage or another file system, while writing goes on.

        What is there appears complete or not at all, and an earlier copy there stays whole until then. Only files
        that the last copy does not hold are sent: segments never change, so after some adds that is the catalogue and
        little else. Tags stay behind. Take :meth:`snapshot` on a local disk: it syncs what it writes.

        Parameters
        ----------
        url : ``"s3://bucket/folder"``, ``"gs://..."``, ``"file:///..."``, or any address of fsspec
            (``nearfield[remote]``). One store to a folder, one process at a time.
        filesystem : of ``pyarrow.fs`` or fsspec, for credentials and settings of your own; ``url`` is a path there.

        Returns
        -------
        dict : ``files`` and ``bytes`` of the copy, ``sent_files`` and ``sent_bytes`` that travelled.
        """
        from .addresses import open_place
        from .remote import upload

        self._catalogue.ensure_usable()
        return upload(self._catalogue, self._shape, open_place(url, filesystem))

    @classmethod
    def copy_from(cls, url: str | os.PathLike[str], path: str | os.PathLike[str], *, filesystem: Any = None) -> Self:
        """Make a store of a copy that :meth:`copy_to` made, and open it for writing.

        Every byte is verified before the store appears at ``path``. FileNotFoundError when there is no copy at
        ``url``; CorruptFileError, naming the object, when there is one and it is damaged.
        """
        from .addresses import open_place
        from .remote import download

        target = Path(path).absolute()
        download(open_place(url, filesystem), target)
        return cls.open(target)

"""Segments: immutable files with the rows of many batches, and perhaps an index over them.

================================  =========  =====================================================================
file                              kind       holds
================================  =========  =====================================================================
``NNNNNN.vectors.nfa``            primary    raw vectors, keys, ids, and for cosine 1 / length of each vector
``NNNNNN.attributes.arrow``       primary    the attribute columns (Arrow IPC), only with a schema
``NNNNNN.index.R.nfa``            derived    the index; R counts how often it was rebuilt
``NNNNNN.partition.R.nfa``        derived    the rows by what past conditions asked for; likewise
================================  =========  =====================================================================

The catalogue names each file with its size and a digest that covers all its bytes. A primary file that does not agree
is refused by name. A derived one is rebuilt by a writer; a reader scans the raw vectors instead and says so.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from ..common import files
from ..common.container import Pieces, read_container, write_container
from ..common.errors import CorruptFileError, FormatVersionError
from ..common.progress import Progress
from . import attributes as attribute_columns
from .filters import Filter
from .ids import IdColumn, concatenate
from .rows import Live, Part, inverse_lengths

if TYPE_CHECKING:
    import pyarrow as pa

VECTORS_VERSION = 1
MASKS_KEPT = 64
COPY_ROWS = 8192
_KIND = "store.vectors"
_ROOT = slice(16, 24)  # of a container: the checksum of its header, which holds the checksum of every array

logger = logging.getLogger("nearfield.store")


@dataclass(frozen=True)
class Rows:
    """What a segment is made from: columns in ascending order of key."""

    keys: np.ndarray
    ids: IdColumn
    vectors: Pieces
    attributes: pa.Table | None


def gather(parts: Sequence[Live], kind: str, typed: bool) -> Rows:
    """The living rows of some parts, in order of key, without holding the vectors in memory.

    ``kind`` is that of the ids; ``typed`` says whether there are attributes.
    """
    living = [(live, live.rows()) for live in parts]
    first = parts[0].part.vectors
    keys = np.concatenate([live.part.keys[rows] for live, rows in living])
    ids = concatenate([live.part.select_ids(rows) for live, rows in living if len(rows)], kind)

    def vectors() -> Iterator[np.ndarray]:
        for live, rows in living:
            for start in range(0, len(rows), COPY_ROWS):
                if live.words is None:
                    yield live.part.vectors[start : start + COPY_ROWS]
                else:
                    yield live.part.vectors[rows[start : start + COPY_ROWS]]

    table = None
    if typed:
        import pyarrow as pa

        table = pa.concat_tables([live.part.table().take(rows) for live, rows in living]).combine_chunks()
    return Rows(keys, ids, Pieces(first.dtype, (len(keys), first.shape[1]), vectors), table)


def file_names(description: Mapping[str, Any]) -> list[str]:
    """The names of a segment's files."""
    return [
        description[part]["file"] for part in ("vectors", "attributes", "index", "partition") if description.get(part)
    ]


def _root(path: Path) -> str:
    return bytes(files.map_file(path)[_ROOT]).hex()


def write_segment(folder: Path, number: int, rows: Rows, *, metric: str, recipe: Any = None) -> dict[str, Any]:
    """Write a segment's files, durable on return, and return its description for the catalogue.

    ``recipe`` (a :class:`nearfield.tune.Recipe`) says which index to build; None scans. On any error, ctrl-C included,
    the files are removed.
    """
    names = [f"{number:06d}.vectors.nfa", f"{number:06d}.attributes.arrow", f"{number:06d}.index.1.nfa"]
    try:
        arrays: dict[str, np.ndarray | Pieces] = {"keys": rows.keys, "vectors": rows.vectors, **rows.ids.to_arrays()}
        if metric == "cosine":
            scale = [inverse_lengths(piece) for piece in rows.vectors.make()]
            arrays["scale"] = np.concatenate([np.zeros(0, np.float32), *scale])
        path = folder / names[0]
        size = write_container(path, _KIND, VECTORS_VERSION, {"metric": metric}, arrays)
        description: dict[str, Any] = {
            "rows": len(rows.keys),
            "first_key": int(rows.keys[0]),
            "last_key": int(rows.keys[-1]),
            "vectors": {"file": names[0], "bytes": size, "root": _root(path)},
            "attributes": None,
            "index": None,
        }
        if rows.attributes is not None:
            buffer = memoryview(attribute_columns.to_ipc(rows.attributes))
            size = files.write_atomic(folder / names[1], [buffer])
            check = xxhash.xxh3_64_hexdigest(buffer)
            description["attributes"] = {"file": names[1], "bytes": size, "xxh3": check}
        if recipe is not None:
            vectors = read_container(path, _KIND, VECTORS_VERSION, check=False).arrays["vectors"]
            description["index"] = write_index(folder / names[2], vectors, recipe, metric)
        return description
    except BaseException:
        for name in names:
            with contextlib.suppress(OSError):
                files.remove(folder / name)
        raise


def write_index(path: Path, vectors: np.ndarray, recipe: Any, metric: str) -> dict[str, Any]:
    """Build and save the index a recipe describes over raw vectors; returns its description."""
    with Progress("building the index", len(vectors)) as bar:
        index = recipe.make(metric, random_state=0).build(vectors, progress=lambda done: bar.update(done - bar.done))
    index.save(path)
    return {
        "file": path.name,
        "bytes": files.size(path),
        "root": _root(path),
        "recipe": recipe.to_dict(),
        # Said again in plain words and settings, so that searching needs nothing of what tuning needs.
        "name": str(recipe),
        "settings": recipe.search_settings(),
        "filtered": recipe.search_settings(filtered=True),
    }


class Segment(Part):
    """An open segment: files mapped, the vectors' checksums verified, its index loaded.

    Attributes
    ----------
    trouble : why the index is not used, or None.
    partition_trouble : the same of the partition, known once it was asked for.
    """

    def __init__(self, folder: Path, number: int, description: Mapping[str, Any], *, dim: int, dtype: np.dtype):
        self.folder = folder
        self.number = number
        self.description = dict(description)
        self.trouble: str | None = None
        self.partition_trouble: str | None = None
        self._partition: Any = None
        self._partition_lock = threading.Lock()
        self._index: Any = None
        self._settings: dict[str, Any] = {}
        self._filtered: dict[str, Any] = {}
        self._masks: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._table: pa.Table | None = None
        self._columns: Any = None

        entry = description["vectors"]
        path = folder / entry["file"]
        check_size(path, entry["bytes"])
        container = read_container(path, _KIND, VECTORS_VERSION)
        if _root(path) != entry["root"]:
            raise CorruptFileError(path, "not the file the catalogue names: its digest differs")
        arrays = container.arrays
        if arrays["vectors"].shape != (description["rows"], dim) or arrays["vectors"].dtype != dtype:
            raise CorruptFileError(path, f"expected {description['rows']} x {dim} vectors of {dtype}")
        if description.get("attributes"):
            entry = description["attributes"]
            check_size(folder / entry["file"], entry["bytes"])
            self._columns = files.map_file(folder / entry["file"])
        super().__init__(
            arrays["keys"],
            IdColumn.from_arrays(arrays),
            arrays["vectors"],
            arrays.get("scale"),
            container.meta["metric"],
        )
        if description.get("index"):
            try:
                self._load_index()
            except FileNotFoundError:
                self.trouble = f"{description['index']['file']}: missing"
            except (CorruptFileError, FormatVersionError, ValueError) as error:
                self.trouble = str(error)

    def _load_index(self) -> None:
        from ..index import load

        entry = self.description["index"]
        path = self.folder / entry["file"]
        if files.size(path) != entry["bytes"] or _root(path) != entry["root"]:
            raise CorruptFileError(path, "not the file the catalogue names: its size or digest differs")
        index = load(path, vectors=self.vectors)
        if len(index) != len(self.vectors):
            raise CorruptFileError(path, f"expected an index of {len(self.vectors)} rows, found {len(index)}")
        self._settings = entry["settings"]
        self._filtered = entry.get("filtered", self._settings)
        self._index = index

    @property
    def index(self) -> Any:
        """The index, or None when the rows are scanned."""
        return self._index

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe's search settings."""
        return self._settings

    @property
    def filtered(self) -> dict[str, Any]:
        """The recipe's settings of searches that not all rows may answer."""
        return self._filtered

    @property
    def partition(self) -> Any:
        """The rows by what past conditions asked for, loaded when first asked for; None without one that is whole."""
        entry = self.description.get("partition")
        if entry is None or self.partition_trouble is not None:
            return None
        with self._partition_lock:
            if self._partition is None and self.partition_trouble is None:
                from .partitioned import load_partition

                path = self.folder / entry["file"]
                try:
                    self._partition = load_partition(path, entry, self, _root(path))
                except FileNotFoundError:
                    self.partition_trouble = f"{path}: missing"
                except (CorruptFileError, FormatVersionError, ValueError) as error:
                    self.partition_trouble = str(error)
                if self.partition_trouble is not None:
                    logger.warning("%s; batches are answered without it", self.partition_trouble)
            return self._partition

    def make_partition(self, workload: Any, shape: Any) -> dict[str, Any]:
        """Learn a partition and write it under its next name; returns the new description of the segment."""
        from .partitioned import write_partition

        before = self.description.get("partition")
        revision = 1 if before is None else int(before["file"].split(".")[2]) + 1
        path = self.folder / f"{self.number:06d}.partition.{revision}.nfa"
        try:
            entry = write_partition(path, self, workload, shape)
            return {**self.description, "partition": {**entry, "root": _root(path)}}
        except BaseException:
            with contextlib.suppress(OSError):
                files.remove(path)
            raise

    def rebuild_index(self) -> dict[str, Any]:
        """Build the damaged or missing index again under its next name; returns the new description of the segment."""
        from ..tune import Recipe

        entry = self.description["index"]
        revision = int(entry["file"].split(".")[2]) + 1
        path = self.folder / f"{self.number:06d}.index.{revision}.nfa"
        fresh = write_index(path, self.vectors, Recipe.from_dict(entry["recipe"]), self.metric)
        return {**self.description, "index": fresh}

    def table(self) -> pa.Table:
        """The attribute columns, their checksum verified when they are first asked for."""
        with self._lock:
            if self._table is None:
                entry = self.description["attributes"]
                path = self.folder / entry["file"]
                if xxhash.xxh3_64_hexdigest(self._columns) != entry["xxh3"]:
                    raise CorruptFileError(path, "its checksum differs")
                try:
                    self._table = attribute_columns.from_ipc(self._columns)
                except ValueError as error:
                    raise CorruptFileError(path, str(error)) from None
            return self._table

    def mask(self, condition: Filter) -> np.ndarray:
        """Which rows pass, packed; the last masks are remembered, since predicates repeat."""
        with self._lock:
            if condition.key in self._masks:
                self._masks.move_to_end(condition.key)
                return self._masks[condition.key]
        words = super().mask(condition)
        with self._lock:
            self._masks[condition.key] = words
            while len(self._masks) > MASKS_KEPT:
                self._masks.popitem(last=False)
        return words


def check_size(path: Path, expected: int) -> None:
    """CorruptFileError unless the file has the size the catalogue says; FileNotFoundError when it is absent."""
    found = files.size(path)
    if found != expected:
        raise CorruptFileError(path, f"expected {expected} bytes, found {found}")


def check_files(folder: Path, description: Mapping[str, Any]) -> None:
    """CorruptFileError unless the primary files are there with their sizes; a look at the directory, no reading."""
    for part in ("vectors", "attributes"):
        entry = description.get(part)
        if entry:
            try:
                check_size(folder / entry["file"], entry["bytes"])
            except FileNotFoundError:
                raise CorruptFileError(folder / entry["file"], "missing, although the catalogue names it") from None

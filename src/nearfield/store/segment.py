"""Segments: immutable files with the rows of many batches, and perhaps an index over them.

================================  =========  =====================================================================
file                              kind       holds
================================  =========  =====================================================================
``NNNNNN.vectors.nfa``            primary    raw vectors, keys, ids, and for cosine 1 / length of each vector
``NNNNNN.attributes.arrow``       primary    the attribute columns (Arrow IPC), only with a schema
``NNNNNN.bags.nfa``               primary    the codes of bags (:mod:`.coded_bags`), only where items have some
``NNNNNN.index.R.nfa``            derived    the index; R counts how often it was rebuilt
``NNNNNN.columns.R.nfa``          derived    the attributes as codes, which filters are answered from
``NNNNNN.partition.R.nfa``        derived    the rows by what past conditions asked for; likewise
================================  =========  =====================================================================

The catalogue names each file with its size and a digest that covers all its bytes. A primary file that does not agree
is refused by name. A derived one is rebuilt by a writer; a reader scans the raw vectors, or asks the Arrow columns,
instead and says so.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from ..common import files
from ..common.container import Pieces, read_container, root_of, write_container
from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError, FormatVersionError
from ..common.progress import Progress
from . import attributes as attribute_columns
from .coded_bags import CodedBags, GatheredBags, gather_bags, read_bags, write_bags
from .columns import Column, differences, read_columns, write_columns
from .filters import Filter
from .ids import IdColumn, concatenate
from .programs import evaluate
from .rows import Live, Part, inverse_lengths

if TYPE_CHECKING:
    import pyarrow as pa

VECTORS_VERSION = 1
PRIMARY = ("vectors", "attributes", "bags")
DERIVED = ("index", "columns", "partition")
_COPIED = 1 << 20
KIND = "store.vectors"

logger = logging.getLogger("nearfield.store")


@dataclass(frozen=True)
class Rows:
    """What a segment is made from: columns in ascending order of key."""

    keys: np.ndarray
    ids: IdColumn
    vectors: Pieces
    attributes: pa.Table | None
    bags: GatheredBags | None = None


def gather(parts: Sequence[Live], kind: str, typed: bool) -> Rows:
    """The living rows of some parts, in order of key, without holding the vectors in memory.

    ``kind`` is that of the ids; ``typed`` says whether there are attributes. Parts may lie between each other's rows.
    """
    living = [(live, live.rows()) for live in parts]
    first = parts[0].part.vectors
    keys = np.concatenate([live.part.keys[rows] for live, rows in living])
    if (np.diff(keys) < 0).any():
        living = _in_turn(living, keys)
        keys = np.concatenate([live.part.keys[rows] for live, rows in living])
    ids = concatenate([live.part.select_ids(rows) for live, rows in living if len(rows)], kind)

    step = copied_rows(first.shape[1])

    def vectors() -> Iterator[np.ndarray]:
        for live, rows in living:
            for start in range(0, len(rows), step):
                if len(rows) == len(live.part.keys):
                    yield live.part.vectors[start : start + step]
                else:
                    yield live.part.vectors[rows[start : start + step]]

    table = None
    if typed:
        import pyarrow as pa

        table = pa.concat_tables([live.part.table().take(rows) for live, rows in living]).combine_chunks()
    bags = gather_bags([(live.part.bags, rows) for live, rows in living])
    return Rows(keys, ids, Pieces(first.dtype, (len(keys), first.shape[1]), vectors), table, bags)


def _in_turn(living: Sequence[tuple[Live, np.ndarray]], keys: np.ndarray) -> list[tuple[Live, np.ndarray]]:
    """The same rows in runs of ascending keys, each run of one part."""
    numbers = np.concatenate([np.full(len(rows), number) for number, (_, rows) in enumerate(living)])
    rows = np.concatenate([rows for _, rows in living])
    order = np.argsort(keys, kind="stable")
    numbers, rows = numbers[order], rows[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    ends = [*starts[1:], len(rows)]
    return [(living[numbers[start]][0], rows[start:end]) for start, end in zip(starts, ends, strict=True)]


def copied_rows(dim: int) -> int:
    """How many vectors are copied at a time."""
    return max(1, _COPIED // dim)


def file_names(description: Mapping[str, Any]) -> list[str]:
    """The names of a segment's files."""
    return [description[part]["file"] for part in (*PRIMARY, *DERIVED) if description.get(part)]


def derived_names(description: Mapping[str, Any]) -> list[str]:
    """Those of them that can be made again."""
    return [description[part]["file"] for part in DERIVED if description.get(part)]


@contextlib.contextmanager
def removing_on_error(folder: Path, description: Mapping[str, Any]) -> Iterator[None]:
    """Remove a segment's files when the block raises, before the commit.

    A commit that fails may still be found durable after a crash, so files are never removed because of one; the next
    writer to open the store removes what the catalogue does not name.
    """
    try:
        yield
    except BaseException:
        remove_files(folder, file_names(description))
        raise


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove segment files that the catalogue no longer names; what cannot be removed now is at the next open."""
    for name in names:
        with contextlib.suppress(OSError):
            files.remove(folder / name)


def container_root(path: Path) -> str:
    """The digest of a container that the catalogue keeps: it covers all its bytes."""
    return root_of(files.map_file(path))


def write_segment(folder: Path, number: int, rows: Rows, *, metric: str, recipe: Any = None) -> dict[str, Any]:
    """Write a segment's files, durable on return, and return its description for the catalogue.

    ``recipe`` (a :class:`nearfield.tune.Recipe`) says which index to build; None scans. On any error, ctrl-C included,
    the files are removed.
    """
    endings = ("vectors.nfa", "attributes.arrow", "index.1.nfa", "columns.1.nfa", "bags.nfa")
    names = [f"{number:06d}.{ending}" for ending in endings]
    try:
        arrays: dict[str, np.ndarray | Pieces] = {"keys": rows.keys, "vectors": rows.vectors, **rows.ids.to_arrays()}
        if metric == "cosine":
            scale = [inverse_lengths(piece) for piece in rows.vectors.make()]
            arrays["scale"] = np.concatenate([np.zeros(0, np.float32), *scale])
        path = folder / names[0]
        size = write_container(path, KIND, VECTORS_VERSION, {"metric": metric}, arrays)
        description: dict[str, Any] = {
            "rows": len(rows.keys),
            "first_key": int(rows.keys[0]),
            "last_key": int(rows.keys[-1]),
            "vectors": {"file": names[0], "bytes": size, "root": container_root(path)},
            "attributes": None,
            "index": None,
        }
        if rows.attributes is not None:
            buffer = memoryview(attribute_columns.to_ipc(rows.attributes))
            size = files.write_atomic(folder / names[1], [buffer])
            check = xxhash.xxh3_64_hexdigest(buffer)
            description["attributes"] = {"file": names[1], "bytes": size, "xxh3": check}
            description["columns"] = _write_columns(folder / names[3], rows.attributes)
        if rows.bags is not None:
            write_bags(folder / names[4], rows.bags)
            counts = {"bags": rows.bags.centers.shape[0], "vectors": rows.bags.codes.shape[0]}
            description["bags"] = describe_file(folder / names[4]) | counts
        if recipe is not None:
            vectors = read_container(path, KIND, VECTORS_VERSION, check=False).arrays["vectors"]
            description["index"] = write_index(folder / names[2], vectors, recipe, metric)
        return description
    except BaseException:
        for name in names:
            with contextlib.suppress(OSError):
                files.remove(folder / name)
        raise


def write_index(path: Path, vectors: np.ndarray, recipe: Any, metric: str) -> dict[str, Any]:
    """Build and save the index a recipe describes over raw vectors; returns its description."""
    began = time.perf_counter()
    with Progress("building the index", len(vectors)) as bar:
        index = recipe.make(metric, random_state=0).build(vectors, progress=lambda done: bar.update(done - bar.done))
    seconds = time.perf_counter() - began
    index.save(path)
    return {
        **describe_file(path),
        "seconds": round(seconds, 3),
        "recipe": recipe.to_dict(),
        # Said again in plain words and settings, so that searching needs nothing of what tuning needs.
        "name": str(recipe),
        "settings": recipe.search_settings(),
        "filtered": recipe.search_settings(filtered=True),
    }


def _write_columns(path: Path, table: pa.Table) -> dict[str, Any]:
    write_columns(path, table)
    return describe_file(path)


def describe_file(path: Path) -> dict[str, Any]:
    """What tells a container from any other."""
    return {"file": path.name, "bytes": files.size(path), "root": container_root(path)}


class Segment(Part):
    """An open segment: files mapped, the vectors' checksums verified, its index loaded.

    Attributes
    ----------
    trouble : why the index is not used, or None.
    columns_trouble : why filters are not answered from codes, or None; also None when there are none to use.
    partition_trouble : the same of the partition, known once it was asked for.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        description: Mapping[str, Any],
        *,
        dim: int,
        dtype: np.dtype,
        schema: Mapping[str, str] | None = None,
    ):
        self.folder = folder
        self.number = number
        self.description = dict(description)
        self.trouble: str | None = None
        self.columns_trouble: str | None = None
        self.partition_trouble: str | None = None
        self._partition: Any = None
        self._partition_lock = threading.Lock()
        self._schema = schema
        self._index: Any = None
        self._settings: dict[str, Any] = {}
        self._filtered: dict[str, Any] = {}
        self._coded: dict[str, Column] | None = None
        self._lock = threading.Lock()
        self._table: pa.Table | None = None
        self._columns: Any = None
        self._mapped_bags: Any = None
        self._bags: CodedBags | None = None

        entry = description["vectors"]
        path = folder / entry["file"]
        check_size(path, entry["bytes"])
        container = read_container(path, KIND, VECTORS_VERSION)
        if container_root(path) != entry["root"]:
            raise CorruptFileError(path, "not the file the catalogue names: its digest differs")
        arrays = container.arrays
        if arrays["vectors"].shape != (description["rows"], dim) or arrays["vectors"].dtype != dtype:
            raise CorruptFileError(path, f"expected {description['rows']} x {dim} vectors of {dtype}")
        with decoding(path, "a segment's vectors"):
            _check_arrays(arrays, container.meta, description)
        if description.get("attributes"):
            entry = description["attributes"]
            check_size(folder / entry["file"], entry["bytes"])
            self._columns = files.map_file(folder / entry["file"])
        if description.get("bags"):  # mapped now, since a compaction may remove the name
            entry = description["bags"]
            check_size(folder / entry["file"], entry["bytes"])
            self._mapped_bags = files.map_file(folder / entry["file"])
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
        if description.get("columns"):
            try:
                self._load_columns()
            except FileNotFoundError:
                self.columns_trouble = f"{description['columns']['file']}: missing"
            except (CorruptFileError, FormatVersionError) as error:
                self.columns_trouble = str(error)

    @property
    def bags(self) -> CodedBags | None:
        """The bags of these rows, their checksums verified when they are first asked for."""
        if self._mapped_bags is None:
            return None
        with self._lock:
            if self._bags is None:
                entry = self.description["bags"]
                self._bags = read_bags(self.folder / entry["file"], self._mapped_bags, entry["root"], len(self))
            return self._bags

    def _load_columns(self) -> None:
        entry = self.description["columns"]
        path = self.folder / entry["file"]
        if files.size(path) != entry["bytes"] or container_root(path) != entry["root"]:
            raise CorruptFileError(path, "not the file the catalogue names: its size or digest differs")
        self._coded = read_columns(path, len(self.vectors))

    def _load_index(self) -> None:
        from ..index import load

        entry = self.description["index"]
        path = self.folder / entry["file"]
        if files.size(path) != entry["bytes"] or container_root(path) != entry["root"]:
            raise CorruptFileError(path, "not the file the catalogue names: its size or digest differs")
        index: Any = load(path, vectors=self.vectors)
        if len(index) != len(self.vectors):
            raise CorruptFileError(path, f"expected an index of {len(self.vectors)} rows, found {len(index)}")
        self._settings = entry["settings"]
        self._filtered = entry.get("filtered", self._settings)
        with decoding(path, "the settings of its search"):
            for settings in (self._settings, self._filtered):
                index.search(np.asarray(self.vectors[0], np.float32), 1, **settings)
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

    def troubles(self) -> dict[str, str | None]:
        """By part of the description: why that derived file is not used, or None."""
        return {"index": self.trouble, "columns": self.columns_trouble, "partition": self.partition_trouble}

    def wrong_codes(self) -> list[str]:
        """Compare the codes with the attributes; a sentence for every column that they do not agree on."""
        wrong = differences(self._coded or {}, self.table())
        return [f"{self.folder / self.description['columns']['file']}: {text}" for text in wrong]

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
                    self._partition = load_partition(path, entry, self, container_root(path))
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
            return {**self.description, "partition": {**entry, "root": container_root(path)}}
        except BaseException:
            with contextlib.suppress(OSError):
                files.remove(path)
            raise

    @property
    def recipe(self) -> Any:
        """How the index was built, to build it again."""
        from ..tune import Recipe

        with decoding(self.next_index(), "the recipe of an index"):
            return Recipe.from_dict(self.description["index"]["recipe"])

    def next_index(self) -> Path:
        """The path of the index's next revision: files never change."""
        revision = int(self.description["index"]["file"].split(".")[2]) + 1
        return self.folder / f"{self.number:06d}.index.{revision}.nfa"

    def rebuild_index(self) -> dict[str, Any]:
        """Build the damaged or missing index again under its next name; returns the new description of the segment."""
        fresh = write_index(self.next_index(), self.vectors, self.recipe, self.metric)
        return {**self.description, "index": fresh}

    def rebuild_columns(self) -> dict[str, Any]:
        """Code the attributes again under the next name; returns the file's description."""
        entry = self.description.get("columns")
        revision = int(entry["file"].split(".")[2]) + 1 if entry else 1
        path = self.folder / f"{self.number:06d}.columns.{revision}.nfa"
        return _write_columns(path, self.table())

    def table(self) -> pa.Table:
        """The attribute columns, their checksum verified when they are first asked for."""
        with self._lock:
            if self._table is None:
                entry = self.description["attributes"]
                if entry is None:
                    path = self.folder / self.description["vectors"]["file"]
                    raise CorruptFileError(path, "comes without attributes, although the store has some")
                path = self.folder / entry["file"]
                if xxhash.xxh3_64_hexdigest(self._columns) != entry["xxh3"]:
                    raise CorruptFileError(path, "its checksum differs")
                self._table = attribute_columns.from_ipc(self._columns, path, self._schema)
                if self._table.num_rows != len(self):
                    raise CorruptFileError(path, f"expected {len(self)} rows, found {self._table.num_rows}")
            return self._table

    def passing(self, condition: Filter) -> np.ndarray:
        """Which rows pass, packed: from the codes where there are some, else from the Arrow columns."""
        if self._coded is None or condition.tree is None:
            return super().passing(condition)
        with decoding(self.folder / self.description["columns"]["file"], "the codes of a column"):
            return evaluate(condition.tree, self._coded, self.table, len(self))


def _check_arrays(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """ValueError or KeyError where the arrays of a segment contradict each other or what the catalogue says."""
    keys, rows = arrays["keys"], description["rows"]
    expect(keys.dtype == np.int64 and keys.shape == (rows,), f"keys of {keys.dtype} {keys.shape}")
    expect(bool((keys[1:] > keys[:-1]).all()), "keys that do not ascend")
    ends = (description["first_key"], description["last_key"])
    expect((int(keys[0]), int(keys[-1])) == ends, f"keys that are not from {ends[0]} to {ends[1]}")
    IdColumn.from_arrays(arrays).checked(rows)
    expect(meta["metric"] in ("cosine", "ip", "l2"), f"metric {meta['metric']!r}")
    expect(("scale" in arrays) == (meta["metric"] == "cosine"), "a scale where there is none to be")
    if "scale" in arrays:
        scale = arrays["scale"]
        expect(scale.dtype == np.float32 and scale.shape == (rows,), f"a scale of {scale.dtype} {scale.shape}")
        expect(bool((np.isfinite(scale) & (scale > 0)).all()), "a scale that is no length")


def check_size(path: Path, expected: int) -> None:
    """CorruptFileError unless the file has the size the catalogue says; FileNotFoundError when it is absent."""
    found = files.size(path)
    if found != expected:
        raise CorruptFileError(path, f"expected {expected} bytes, found {found}")


def check_files(folder: Path, description: Mapping[str, Any]) -> None:
    """CorruptFileError unless the primary files are there with their sizes; a look at the directory, no reading."""
    for part in PRIMARY:
        entry = description.get(part)
        if entry:
            try:
                check_size(folder / entry["file"], entry["bytes"])
            except FileNotFoundError:
                raise CorruptFileError(folder / entry["file"], "missing, although the catalogue names it") from None

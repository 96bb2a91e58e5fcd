"""The libraries and databases whose filtered search is compared, behind one small interface.

A library gets a filter as a bitset or a function of a row, made before it is timed; a database gets a column and SQL.
Graphs have 32 links a row and are built with a width of 200 wherever that can be said. Vectors have unit length.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import __version__, native

if TYPE_CHECKING:
    from .filtered import Case

_WIDTHS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)
_BATCH = 10_000


class FilterPeer(ABC):
    """One way to search under a filter. ``widths`` is the ladder to climb: of a beam, or with nothing to choose."""

    name: ClassVar[str]
    about: ClassVar[str]
    package: ClassVar[str] = "nearfield"
    module: ClassVar[str] = "nearfield"
    widths: ClassVar[tuple[int, ...]] = _WIDTHS
    most_queries: ClassVar[int] = 200

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot be measured here, or None."""
        if importlib.util.find_spec(cls.module) is None:
            return f"pip install {cls.package}"
        return None

    @classmethod
    def library(cls) -> Any:
        """The module."""
        return importlib.import_module(cls.module)

    @classmethod
    def version(cls) -> str:
        """Of the package."""
        return __version__ if cls.package == "nearfield" else importlib.metadata.version(cls.package)

    @abstractmethod
    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Index ``base`` (unit rows) with the attributes ``columns``."""

    @abstractmethod
    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        """Rows (q, k) that the filter allows, -1 where there are fewer."""

    def close(self) -> None:  # noqa: B027
        """Give back what was opened."""


class ScanFloats(FilterPeer):
    """The baseline: the allowed rows are compared, as floats."""

    name = "scan of floats"
    about = "exact scan of the allowed rows in float32, a batch shares each pass (native.exact_search)"
    widths = (1,)

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        self._base = np.array(base)

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        allow = native.pack_bits(case.mask)
        return native.exact_search(self._base, queries, k, metric="ip", allow=allow, threads=1).rows


class ScanCodes(FilterPeer):
    """The stronger baseline: the allowed rows are compared by 8-bit codes, the best again as floats."""

    name = "scan of codes"
    about = "the same over 8-bit codes, the best 32 again by the floats (Flat with rescore)"
    widths = (1,)

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        from ..index import Flat
        from ..quantize import ScalarQuantizer

        self._index = Flat("cosine", codec=ScalarQuantizer(8), rescore="vectors").build(np.array(base))

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        return self._index.search(queries, k, allow=native.pack_bits(case.mask), threads=1).rows


class OurGraph(FilterPeer):
    """:class:`nearfield.index.Graph`, which plans each search."""

    name = "Graph"
    about = "nearfield.index.Graph over 8-bit codes, rescored by the floats; it plans for itself"
    layout: ClassVar[str] = "lean"

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        from ..index import Graph

        self._index = Graph("cosine", rescore="vectors", layout=self.layout).build(np.array(base))

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        allow = native.pack_bits(case.mask)
        return self._index.search(queries, k, beam=width, candidates=max(32, width), allow=allow, threads=1).rows


class OurStore(FilterPeer):
    """:class:`nearfield.Store`, filters as SQL, batches."""

    name = "Store"
    about = "nearfield.Store, compacted without a plan, where=... as SQL"

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        from ..store import Store

        schema = dict.fromkeys(columns, "int")
        path = self.folder / f"{type(self).__name__}.nf"
        self._store = Store.create(path, int(base.shape[1]), metric="cosine", attributes=schema)
        for start in range(0, len(base), _BATCH):
            some = slice(start, start + _BATCH)
            rows = {name: column[some].tolist() for name, column in columns.items()}
            self._store.add(np.arange(len(base))[some], base[some], attributes=rows)
        self._store.compact()

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        return _rows(self._store.search(queries, k, where=case.where, beam=width).ids)

    def close(self) -> None:
        self._store.close()


class OurStoreSingly(OurStore):
    """The same, one query a call, as a service asks."""

    name = "Store, one"
    about = "the same, one query a call"

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        return _rows([self._store.search(query, k, where=case.where, beam=width).ids for query in queries])


class FaissGraph(FilterPeer):
    """faiss' HNSW with an id selector."""

    name = "faiss HNSW"
    about = "faiss IndexHNSWFlat, M 32, efConstruction 200, IDSelectorBitmap"
    package, module = "faiss-cpu", "faiss"

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        faiss = self.library()
        self._index = faiss.IndexHNSWFlat(base.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = 200
        self._index.add(np.array(base))

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        faiss = self.library()
        faiss.omp_set_num_threads(1)
        bits = np.packbits(case.mask, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)
        parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=width)
        found: np.ndarray = self._index.search(queries, k, params=parameters)[1]
        return found


class FaissScan(FilterPeer):
    """faiss' exact scan with an id selector."""

    name = "faiss scan"
    about = "faiss IndexFlatIP with IDSelectorBitmap (exact)"
    package, module = "faiss-cpu", "faiss"
    widths = (1,)

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        faiss = self.library()
        self._index = faiss.IndexFlatIP(base.shape[1])
        self._index.add(np.array(base))

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        faiss = self.library()
        faiss.omp_set_num_threads(1)
        selector = faiss.IDSelectorBitmap(np.packbits(case.mask, bitorder="little"))
        parameters = faiss.SearchParameters(sel=selector)
        found: np.ndarray = self._index.search(queries, k, params=parameters)[1]
        return found


class Hnswlib(FilterPeer):
    """hnswlib with a filter function, which is Python and called for every row met."""

    name = "hnswlib"
    about = "hnswlib, M 16, efConstruction 200, filter= a Python function"
    package = module = "hnswlib"
    most_queries = 50

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        hnswlib = self.library()
        self._index = hnswlib.Index(space="ip", dim=base.shape[1])
        self._index.init_index(len(base), ef_construction=200, M=16, random_seed=1)
        self._index.add_items(base)

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        allowed = case.mask.tolist()
        self._index.set_ef(width)
        rows = np.full((len(queries), k), -1)
        for i, query in enumerate(queries):  # a batch fails as a whole where one query finds too few
            try:
                rows[i] = self._index.knn_query(query, k=k, num_threads=1, filter=allowed.__getitem__)[0][0]
            except RuntimeError:
                continue
        return rows


class Lance(FilterPeer):
    """LanceDB with an index over the vectors and one over each column; the filter comes first."""

    name = "LanceDB"
    about = "LanceDB, IVF_HNSW_SQ of one partition (m 32, ef_construction 200), btree on the columns, refine factor 4"
    package, module = "lancedb", "lancedb"
    widths = (40, 80, 160, 320, 640, 1280, 2560)  # at least k times the refine factor
    most_queries = 50

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        import pyarrow as pa

        lancedb = self.library()
        flat = pa.array(base.reshape(-1))
        table = {"id": np.arange(len(base)), "vector": pa.FixedSizeListArray.from_arrays(flat, base.shape[1])} | columns
        self._table = lancedb.connect(str(self.folder / "lance")).create_table("rows", pa.table(table))
        self._table.create_index(metric="dot", index_type="IVF_HNSW_SQ", num_partitions=1, m=32, ef_construction=200)
        for name in columns:
            self._table.create_scalar_index(name)

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        found = []
        for query in queries:
            asked = self._table.search(query, vector_column_name="vector").distance_type("dot")
            asked = asked.where(case.where, prefilter=True).nprobes(1).ef(width).refine_factor(4).limit(k)
            asked = asked.select(["id", "_distance"])
            found.append(asked.to_arrow().column("id").to_pylist())
        return _rows(found, k)


class SqliteVec(FilterPeer):
    """sqlite-vec: exact, the filter inside the scan."""

    name = "sqlite-vec"
    about = "sqlite-vec in apsw (many builds of Python's sqlite3 load no extension), vec0 with metadata columns (exact)"
    package, module = "sqlite-vec", "sqlite_vec"
    widths = (1,)
    most_queries = 20

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or (None if importlib.util.find_spec("apsw") else "pip install apsw")

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        apsw: Any = importlib.import_module("apsw")
        sqlite_vec = self.library()
        self._connection = apsw.Connection(str(self.folder / "vec.sqlite"))
        self._connection.enable_load_extension(True)
        self._connection.load_extension(sqlite_vec.loadable_path())
        named = ", ".join(f"{name} integer" for name in columns)
        table = f"CREATE VIRTUAL TABLE items USING vec0(vector float[{base.shape[1]}], {named})"
        self._connection.execute(table)
        places = ", ".join("?" * (2 + len(columns)))
        rows = zip(range(len(base)), base, *(column.tolist() for column in columns.values()), strict=True)
        with self._connection:
            self._connection.executemany(
                f"INSERT INTO items(rowid, vector, {', '.join(columns)}) VALUES ({places})",
                ((number, vector.tobytes(), *values) for number, vector, *values in rows),
            )

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        asked = f"SELECT rowid FROM items WHERE vector MATCH ? AND k = {k} AND {case.where}"
        return _rows([[row[0] for row in self._connection.execute(asked, (query.tobytes(),))] for query in queries], k)

    def close(self) -> None:
        self._connection.close()


class DuckDb(FilterPeer):
    """DuckDB without its vector extension, which filters after its index has answered: an exact scan in SQL."""

    name = "DuckDB"
    about = "DuckDB, array_inner_product over the rows that WHERE leaves (exact, no index)"
    package = module = "duckdb"
    widths = (1,)
    most_queries = 20

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        import pyarrow as pa

        duckdb = self.library()
        self._connection = duckdb.connect()
        self._connection.execute("SET threads = 1")
        self._dim = int(base.shape[1])
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(base.reshape(-1)), self._dim)
        source = pa.table({"id": np.arange(len(base)), "vector": vectors} | columns)
        self._connection.register("source", source)
        self._connection.execute("CREATE TABLE items AS SELECT * FROM source")
        self._connection.unregister("source")

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        asked = f"SELECT id FROM items WHERE {case.where} ORDER BY "
        asked += f"array_inner_product(vector, ?::FLOAT[{self._dim}]) DESC LIMIT {k}"
        found = [self._connection.execute(asked, [query.tolist()]).fetchall() for query in queries]
        return _rows([[row[0] for row in rows] for rows in found], k)

    def close(self) -> None:
        self._connection.close()


class Zvec(FilterPeer):
    """zvec: a graph that filters while it walks, and an inverted index on the columns."""

    name = "zvec"
    about = "zvec, HNSW (m 32, ef_construction 200), inverted index on the columns"
    package = module = "zvec"
    widths = (16, 32, 64, 128, 256, 512, 1024, 2048)
    most_queries = 50

    def build(self, base: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        zvec = self.library()
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1)
        fields = [
            zvec.FieldSchema(name, zvec.DataType.INT64, nullable=False, index_param=zvec.InvertIndexParam())
            for name in columns
        ]
        graph = zvec.HnswIndexParam(metric_type=zvec.MetricType.IP, m=32, ef_construction=200)
        vector = zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, int(base.shape[1]), index_param=graph)
        schema = zvec.CollectionSchema("items", fields=fields, vectors=vector)
        self._items = zvec.create_and_open(path=str(self.folder / "zvec"), schema=schema)
        for start in range(0, len(base), 1000):
            rows = range(start, min(start + 1000, len(base)))
            self._items.insert(
                [
                    zvec.Doc(
                        id=str(row),
                        vectors={"vector": base[row].tolist()},
                        fields={name: int(column[row]) for name, column in columns.items()},
                    )
                    for row in rows
                ]
            )
        self._items.optimize()

    def search(self, case: Case, queries: np.ndarray, k: int, width: int) -> np.ndarray:
        zvec = self.library()
        found = []
        for query in queries:
            asked = zvec.VectorQuery("vector", vector=query.tolist(), param=zvec.HnswQueryParam(ef=width))
            found.append([int(doc.id) for doc in self._items.query(asked, topk=k, filter=case.where)])
        return _rows(found, k)


def _rows(found: list[list[Any]], k: int | None = None) -> np.ndarray:
    """Lists of ids, None or nothing where there are fewer, as an array."""
    width = len(found[0]) if k is None else k
    rows = np.full((len(found), width), -1)
    for i, ids in enumerate(found):
        known = [identifier for identifier in ids if identifier is not None]
        rows[i, : len(known)] = known
    return rows


PEERS: tuple[type[FilterPeer], ...] = (
    ScanFloats,
    ScanCodes,
    OurGraph,
    OurStore,
    OurStoreSingly,
    FaissGraph,
    FaissScan,
    Hnswlib,
    Zvec,
    Lance,
    SqliteVec,
    DuckDb,
)

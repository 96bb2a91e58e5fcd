"""Texts with schemaless metadata over a store: what the adapters to other frameworks have in common.

An item's payload is ``{"text": ..., "metadata": {...}}`` and what a framework adds; its words are searchable. Metadata
fields that were declared are columns as well. The store is made when the first vector shows how many dimensions there
are. An item of a store that was filled otherwise is read as well: whatever its payload holds is its metadata.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..common.checks import check_choice, check_int, check_real
from ..store import Condition, Hit, Hits, Item, Store
from ..store.attributes import check_schema
from .filters import Node, condition, lookup, plain
from .sharing import Lease, lease, lock_of

TEXT, METADATA = "text", "metadata"


class Holder:
    """What every adapter does with the :class:`Documents` it holds."""

    _documents: Documents

    def close(self) -> None:
        """Give the store back; it is closed unless others in this process use it."""
        self._documents.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Documents:
    """An open store of documents, or one yet to be made.

    Parameters
    ----------
    path : the store's directory: opened where it exists, else made by the first write. None: a temporary one, removed
        when this object is closed or forgotten.
    store : an open store instead; it stays open when this object is closed.
    metric, dtype, tokenizer : of a store that is made (:meth:`Store.create`).
    attributes : metadata fields that become columns, name -> type. Of a store that exists they must be what it has.
    own : columns of the adapter's own; a store that was made otherwise may lack them.
    dim : dimensions; None: those of the first vector.
    read_only : follow a writer.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        store: Store | None,
        *,
        metric: str,
        dtype: str,
        tokenizer: str,
        attributes: Mapping[str, str] | None,
        own: Mapping[str, str] | None = None,
        dim: int | None = None,
        read_only: bool = False,
    ):
        if store is not None and (path is not None or not isinstance(store, Store)):
            raise TypeError(f"store: expected a nearfield.Store and no path beside it, got {store!r} and {path!r}")
        check_choice(metric, "metric", ("cosine", "ip", "l2"))
        check_choice(dtype, "dtype", ("float32", "float16"))
        check_choice(tokenizer, "tokenizer", ("porter", "unicode61", "trigram"))
        self.declared = check_schema(attributes)
        self._own = dict(own or {})
        self._settings: dict[str, Any] = {"metric": metric, "dtype": dtype, "tokenizer": tokenizer}
        self._dim = None if dim is None else check_int(dim, "dim", 1, 16384)
        self._store = store
        self._closed = False
        self.lock = threading.RLock()
        folder = None
        if path is None and store is None:
            if read_only:
                raise ValueError("read_only: expected False for a temporary store, which has nothing to be read")
            folder = tempfile.TemporaryDirectory(prefix="nearfield-", ignore_cleanup_errors=True)
            path = Path(folder.name) / "documents.nf"
        self.path = Path(path).absolute() if path is not None else store.path  # type: ignore[union-attr]
        self._held: list[Lease] = []
        self._end = weakref.finalize(self, _end, self._held, folder)
        if read_only:
            self._held.append(Lease(Store.open(self.path, read_only=True)))
            self._store = self._held[0].store
        try:
            if self._store is None:
                self._opened(None)
            else:
                self._fits(self._store)
        except ValueError:
            self.close()
            raise

    def _fits(self, store: Store) -> None:
        for name, kind in {**self.declared, **self._own}.items():
            found = store.attributes.get(name)
            if found != kind and (name in self.declared or found is not None):
                has = ", ".join(f"{name}: {kind}" for name, kind in store.attributes.items()) or "none"
                raise ValueError(f"attributes: expected those of the store, which are {has}; got {name!r}: {kind!r}")
        if self._dim is not None and store.dim != self._dim:
            raise ValueError(f"dim: expected {store.dim}, as the store has, got {self._dim}")

    @property
    def store(self) -> Store | None:
        """The open store; None as long as nothing was ever written."""
        return self._opened(None)

    def made(self, dim: int) -> Store:
        """The store, made with so many dimensions where there is none yet."""
        columns = {**self.declared, **self._own} or None
        store = self._opened(
            lambda: Store.create(self.path, dim=self._dim or dim, attributes=columns, text=TEXT, **self._settings)
        )
        assert store is not None
        return store

    def _opened(self, create: Callable[[], Store] | None) -> Store | None:
        if self._closed:
            raise ValueError(f"{self.path}: closed")
        if self._store is None:
            with self.lock:
                if self._store is None and (found := lease(self.path, create)) is not None:
                    try:
                        self._fits(found.store)
                    except ValueError:
                        found.release()
                        raise
                    self._held.append(found)
                    self._store = found.store
        return self._store

    @property
    def schema(self) -> dict[str, str]:
        """The columns there are, or will be."""
        return {**self.declared, **self._own} if self._store is None else self._store.attributes

    def close(self) -> None:
        """Give the store back, which closes it unless others here use it. Nothing is lost without it."""
        with self.lock:
            self._closed = True
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(
        self,
        ids: Sequence[str],
        vectors: Any,
        payloads: Sequence[Mapping[str, Any]],
        *,
        own: Mapping[str, Sequence[Any]] | None = None,
        replace: bool = True,
    ) -> None:
        """Add or replace items; where an id is given twice the last one counts. One transaction."""
        if not ids:
            return
        array = as_vectors(vectors)
        if len({len(ids), len(array), len(payloads)}) > 1:
            raise ValueError(f"ids: expected one a vector and text, got {len(ids)}, {len(array)} and {len(payloads)}")
        places = list({identifier: place for place, identifier in enumerate(ids)}.values())
        kept = [{name: plain(value) for name, value in payloads[place].items()} for place in places]
        columns: dict[str, list[Any]] = {}
        store = self.made(array.shape[1])
        for name in store.attributes:
            if own is not None and name in own:
                columns[name] = [own[name][place] for place in places]
            else:
                columns[name] = [lookup(payload.get(METADATA), name) for payload in kept]
        write = store.upsert if replace else store.add
        write([ids[place] for place in places], array[places], attributes=columns or None, payload=kept)

    # -- reading ------------------------------------------------------------------------------------------------------

    def where(
        self,
        read: Callable[[Mapping[str, str]], Node | None] | None = None,
        *,
        ids: Sequence[str] | None = None,
        where: str | None = None,
    ) -> Any:
        """A condition for the store, of a filter that ``read`` makes of the columns' types, of ids, of SQL."""
        schema = self.schema
        try:
            return condition(None if read is None else read(schema), schema, ids=ids, where=where)
        except RecursionError:
            raise ValueError("filters: nested too deeply") from None

    def search(self, queries: Any, k: int, where: Any = None, **options: Any) -> list[Hit]:
        """The hits of one query, nearest first, with payload; none where there is no store yet."""
        check_int(k, "k", 1)
        store = self.store
        if store is None:
            return []
        vector = None if queries is None else as_query(queries)
        found: Hits = store.search(vector, k=min(k, max(1, len(store))), where=where, payload=True, **options)
        return list(found)

    def diverse(self, query: Any, k: int, fetch_k: int, balance: float, where: Any = None) -> list[Hit]:
        """``k`` of the ``fetch_k`` nearest by maximal marginal relevance."""
        vector = as_query(query)
        check_int(k, "k", 1)
        check_int(fetch_k, "fetch_k", 1)
        check_real(balance, "lambda_mult", 0.0, 1.0)
        hits = self.search(vector, max(k, fetch_k), where)
        found = {item.id: item.vector for item in self.get([hit.id for hit in hits])}
        hits = [hit for hit in hits if hit.id in found]  # what was deleted meanwhile is no answer
        if not hits:
            return []
        vectors = np.stack([found[hit.id] for hit in hits]).astype(np.float32)
        return [hits[place] for place in marginal_relevance(vector, vectors, k, balance)]

    def get(self, ids: Sequence[Any]) -> list[Item]:
        """The items of those ids that are there, in the order given."""
        store = self.store
        if store is None or not ids:
            return []
        return [item for item in store.get(list(dict.fromkeys(ids))) if item is not None]

    def items(self, where: Any = None, batch_size: int = 1000) -> Iterator[tuple[Any, np.ndarray, Any, dict[str, Any]]]:
        """Id, vector, payload and attributes of all items that pass, in the order of their arrival."""
        store = self.store
        if store is None:
            return
        for batch in store.iterate(batch_size, where=where):
            table = [{}] * len(batch) if batch.attributes is None else batch.attributes.to_pylist()
            yield from zip(batch.ids, batch.vectors, batch.payload, table, strict=True)

    def count(self, where: Any = None) -> int:
        """How many items pass."""
        return 0 if self.store is None else self.store.count(where)

    def changing(self) -> AbstractContextManager[Any]:
        """For what reads items and writes them again: one at a time, of all in this process that use the store."""
        return self.lock if self.store is None else lock_of(self.store)

    def delete(self, ids: Any = None, *, where: Any = None) -> int:
        """Delete by id or by condition; returns how many were there."""
        if self.store is None or (ids is not None and not len(ids)):
            return 0
        return self.store.delete(ids, where=where)

    def clear(self) -> int:
        """Delete everything; the store stays."""
        return self.delete(where=Condition())


def _end(held: list[Lease], folder: Any) -> None:
    """Give back what an adapter held, and remove its temporary directory."""
    for one in held:
        one.release()
    if folder is not None:
        folder.cleanup()


def as_vectors(vectors: Any) -> np.ndarray:
    """(n, d) float32 of lists of Python floats, which are rounded; the store refuses what is not finite."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"vectors: expected lists of as many numbers each: {error}") from None
    if array.ndim != 2:
        raise ValueError(f"vectors: expected shape (n, d), got {array.shape}")
    return array


def as_query(vector: Any) -> np.ndarray:
    """(d,) float32."""
    return as_vectors(np.asarray(vector)[None] if np.ndim(vector) == 1 else vector)[0]


def text_of(payload: Any, item_text: str | None = None) -> str:
    """The text of an item."""
    text = payload.get(TEXT) if isinstance(payload, Mapping) else None
    return text if isinstance(text, str) else item_text or ""


def metadata_of(payload: Any) -> dict[str, Any]:
    """The metadata of an item; of one that was not written by an adapter, everything but its text."""
    if not isinstance(payload, Mapping):
        return {} if payload is None else {"payload": payload}
    found = payload.get(METADATA)
    if isinstance(found, Mapping):
        return dict(found)
    return {name: value for name, value in payload.items() if name != TEXT}


def similarity(metric: str, distance: float) -> float:
    """Larger is nearer: the cosine, the inner product, or one over one plus the Euclidean distance."""
    return 1.0 - distance if metric == "cosine" else -distance if metric == "ip" else 1.0 / (1.0 + distance)


def marginal_relevance(query: np.ndarray, vectors: np.ndarray, k: int, balance: float) -> list[int]:
    """The places of ``k`` vectors, each near the query and unlike those before it, by cosine.

    ``balance`` 1 looks at the query alone, 0 at the difference alone but for the first. Carbonell and Goldstein, SIGIR
    1998.
    """
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    near = units @ (query / max(float(np.linalg.norm(query)), 1e-30))
    chosen: list[int] = []
    likest = np.full(len(units), -np.inf, np.float32)
    score = near.copy()
    for _ in range(min(k, len(units))):
        best = int(np.argmax(score))
        chosen.append(best)
        likest = np.maximum(likest, units @ units[best])
        score = balance * near - (1 - balance) * likest
        score[chosen] = -np.inf
    return chosen

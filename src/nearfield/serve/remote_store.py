"""One collection of a server, by the methods of :class:`~nearfield.store.Store`."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from ..common.checks import check_int, check_vectors
from ..store import Batch, Explanation, Hits, Item
from .conditions import sent
from .wire import RemoteError, Wire, without

if TYPE_CHECKING:
    from ..tune import Plan

_WAIT = 30.0
_DETAILS = ("relevance", "attributes", "payload", "group", "text")


class RemoteStore:
    """A collection behind a server, used as a :class:`~nearfield.store.Store` is: same methods, parameters and answers.

    Made by :meth:`Client.open`. Vectors travel as float32, bit by bit. What a search does not ask for is not sent:
    ``hits.cursor`` is there with ``cursor=True`` and on every page after the first.

    Examples
    --------
    >>> from nearfield.store import Store
    >>> shared = {"add", "upsert", "delete", "get", "iterate", "search", "search_many", "search_range", "explain"}
    >>> all(hasattr(RemoteStore, name) and hasattr(Store, name) for name in shared)
    True
    """

    def __init__(self, wire: Wire, path: str):
        self._wire = wire
        self._path = path
        self._about: dict[str, Any] = {}

    # -- what it is ---------------------------------------------------------------------------------------------------

    def refresh(self) -> dict[str, Any]:
        """Ask what the collection is now: its name, items, dim, metric, dtype, attributes, embedding and more."""
        self._about = self._wire.json("GET", self._path)
        return dict(self._about)

    @property
    def name(self) -> str:
        """The collection's name."""
        return str(self._about["name"])

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return int(self._about["dim"])

    @property
    def metric(self) -> str:
        """``"cosine"``, ``"ip"`` or ``"l2"``."""
        return str(self._about["metric"])

    @property
    def dtype(self) -> np.dtype:
        """How the server keeps the vectors."""
        return np.dtype(self._about["dtype"])

    @property
    def attributes(self) -> dict[str, str]:
        """The attribute schema, ``name -> type``."""
        return dict(self._about["attributes"])

    @property
    def embedding(self) -> dict[str, Any] | None:
        """The fingerprint of the encoder the vectors come from, or None."""
        return self._about.get("embedding")

    @property
    def plan(self) -> Plan | None:
        """The plan of the last :meth:`optimize`, or None."""
        from ..tune import Plan

        found = self._wire.json("GET", f"{self._path}/plan")["plan"]
        return None if found is None else Plan.from_dict(found)

    def __len__(self) -> int:
        return int(self.refresh()["items"])

    def __contains__(self, identifier: object) -> bool:
        try:
            return self._post("get", {"ids": identifier})["item"] is not None
        except (TypeError, ValueError):
            return False

    def __repr__(self) -> str:
        return f"RemoteStore({self.name!r}, dim={self.dim}, metric={self.metric!r})"

    # -- items --------------------------------------------------------------------------------------------------------

    def add(self, ids: Any, vectors: Any = None, **fields: Any) -> int:
        """Add new items, see :meth:`nearfield.store.Store.add`; without vectors the server encodes ``text``."""
        return self._put("add", ids, vectors, **fields)

    def upsert(self, ids: Any, vectors: Any = None, **fields: Any) -> int:
        """Add items or replace those whose id exists, see :meth:`nearfield.store.Store.upsert`."""
        return self._put("upsert", ids, vectors, **fields)

    def _put(
        self,
        method: str,
        ids: Any,
        vectors: Any,
        *,
        attributes: Any = None,
        payload: Any = None,
        text: Any = None,
        bags: Any = None,
        embedding: Mapping[str, Any] | None = None,
        ttl: float | dt.timedelta | None = None,
        expires: Any = None,
    ) -> int:
        if isinstance(ids, str | int):
            bags = [bags] if isinstance(bags, np.ndarray) else bags
            ids = [ids]
            payload = None if payload is None else [payload]
            attributes = [attributes] if isinstance(attributes, Mapping) else attributes
            text = [text] if isinstance(text, str) else text
        if ttl == float("inf"):  # which JSON cannot say
            ttl, expires = None, [None] * len(ids)
        fields = {
            "ids": _plain(ids),
            "vectors": None if vectors is None else _packed(vectors),
            "attributes": _columns(attributes),
            "payload": payload,
            "text": _plain(text),
            "bags": _packed_bags(bags),
            "embedding": embedding,
            "ttl": ttl.total_seconds() if isinstance(ttl, dt.timedelta) else ttl,
            "expires": _times(expires),
        }
        return int(self._post(method, without(fields))["items"])

    def delete(self, ids: Any) -> int:
        """Delete items; returns how many there were."""
        return int(self._post("delete", {"ids": _plain(ids)})["items"])

    def get(self, ids: Any, *, bags: bool = False) -> Any:
        """The items of these ids, None where there is none; a single id is answered with a single item."""
        found = self._post("get", {"ids": _plain(ids), "f32": True, "bags": bags})
        items = [self._item(one) for one in found["items"]] if "items" in found else None
        return self._item(found["item"]) if items is None else items

    def _item(self, found: dict[str, Any] | None) -> Item | None:
        if found is None:
            return None
        expires, bag = found.get("expires"), found.get("bag")
        return Item(
            found["id"],
            _vector(found["vector"]),
            found.get("attributes"),
            found.get("payload"),
            None if expires is None else dt.datetime.fromisoformat(expires),
            found.get("text"),
            None if bag is None else _vector(bag).reshape(-1, self._about["bags"]["dim"]),
        )

    def ids_after(self, after: int = 0, limit: int = 1000) -> tuple[list[Any], int | None]:
        """The next ids in the order of arrival, see :meth:`nearfield.store.Store.ids_after`."""
        found = self._post("iterate", {"after": after, "batch_size": limit, "vectors": False})
        return [item["id"] for item in found["items"]], found["cursor"]

    def iterate(self, batch_size: int = 1000) -> Iterator[Batch]:
        """All items in the order of their arrival. Each batch is of its own moment; :meth:`export` is of one."""
        check_int(batch_size, "batch_size", 1)
        after: int | None = 0
        while after is not None:
            found = self._post("iterate", {"after": after, "batch_size": batch_size, "f32": True})
            after = found["cursor"]
            if found["items"]:
                yield self._batch([self._item(one) for one in found["items"]])

    def _batch(self, items: list[Any]) -> Batch:
        table = None
        if self._about["attributes"]:
            import pyarrow as pa

            names = list(self._about["attributes"])
            table = pa.table({name: [(item.attributes or {}).get(name) for item in items] for name in names})
        expires = [item.expires for item in items]
        texts = [item.text for item in items]
        return Batch(
            [item.id for item in items],
            np.stack([item.vector for item in items]),
            table,
            [item.payload for item in items],
            expires if any(expires) else None,
            texts if any(text is not None for text in texts) else None,
        )

    def import_items(self, items: Any, *, method: str = "upsert") -> dict[str, int]:
        """Add or replace any number of items in one request, read as they are sent; each batch is durable by itself.

        Parameters
        ----------
        items : dicts with ``id``, ``vector``, and perhaps ``attributes``, ``payload``, ``text``, ``expires``; or record
            batches or a table of pyarrow with columns ``id``, ``vector``, ``payload`` (JSON text), ``text``,
            ``expires`` and one for each attribute.
        method : "upsert" replaces what exists, "add" refuses it.

        Returns
        -------
        dict : ``items`` and ``batches``. An error says how many items are stored before it.
        """
        path = f"{self._path}/import?method={quote(method)}"
        if hasattr(items, "to_batches"):
            items = items.to_batches()
        rows = iter(items)
        first = next(rows, None)
        if first is None:
            return {"items": 0, "batches": 0}
        if isinstance(first, Mapping):
            found = self._wire.send("POST", path, _lines(_chain(first, rows)), "application/x-ndjson")
        else:
            media = "application/vnd.apache.arrow.stream"
            found = self._wire.send("POST", path, _arrow(_chain(first, rows), first.schema), media)
        return {name: found[name] for name in ("items", "batches")}

    def export(self, format: str = "jsonl") -> Iterator[bytes]:
        """All items of one moment, as pieces of a stream of JSON lines, or with "arrow" of Arrow's."""
        return self._wire.receive(f"{self._path}/export?format={quote(format)}")

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(self, queries: Any = None, k: int = 10, *, cursor: bool = False, **options: Any) -> Hits:
        """The ``k`` nearest items of each query, see :meth:`nearfield.store.Store.search` for the options.

        ``text_query`` is a question, or a list of them, that the server's encoder makes the queries of.
        ``cursor=True`` asks for ``hits.cursor``.
        """
        fields = {**options, "k": k, "cursor": cursor or None, "where": sent(options.get("where"))}
        for name in ("like", "unlike", "text", "text_query", "after"):
            fields[name] = _plain(fields.get(name))
        if fields.get("old_queries") is not None:
            fields["old_queries"] = _packed(fields["old_queries"])
        if fields.get("bags") is not None:
            bags = fields["bags"]
            fields["bags"] = _packed_bags([bags] if isinstance(bags, np.ndarray) else bags)
        asked = _asked(queries) | fields  # the query stands first: a server reads what follows it but once
        return _hits(self._post("search", without(asked)), k * int(options.get("group_size") or 1))

    def search_many(
        self, queries: Any = None, k: int = 10, *, where: Any = None, bags: Any = None, **options: Any
    ) -> Hits:
        """Many queries, each with a condition of its own, see :meth:`nearfield.store.Store.search_many`."""
        asked = None if queries is None else _packed(queries)
        fields = {**options, "queries": asked, "bags": _packed_bags(bags), "k": k, "where": sent(where)}
        return _hits(self._post("search_many", without(fields)), k)

    def search_range(self, queries: Any, radius: float, **options: Any) -> Hits | list[Hits]:
        """All items within a distance, see :meth:`nearfield.store.Store.search_range`; at most as many as the server
        gives at once, then ``status`` says so."""
        asked = {**options, **_asked(queries), "radius": radius, "where": sent(options.get("where"))}
        found = self._post("search_range", without(asked))
        if isinstance(found["status"], str):
            return _hits(found, None)
        return [
            _hits({"hits": hits, "status": status}, None)
            for hits, status in zip(found["hits"], found["status"], strict=True)
        ]

    def explain(self, query: Any, id: Any, k: int = 10, **options: Any) -> Explanation:
        """Why an item is, or is not, in the answer to a query, see :meth:`nearfield.store.Store.explain`."""
        asked = {**options, **_asked(query), "id": _plain(id), "k": k, "where": sent(options.get("where"))}
        return Explanation(**self._post("explain", without(asked)))

    # -- keeping ------------------------------------------------------------------------------------------------------

    def seal(self) -> bool:
        """Move pending rows into a segment."""
        return bool(self._post("seal")["changed"])

    def compact(self) -> bool:
        """Merge all segments into one, without what was deleted."""
        return bool(self._post("compact")["changed"])

    def index_text(self, text: str | None = None, *, tokenizer: str = "porter") -> None:
        """Say where the items' texts are, and index their words."""
        self._post("index_text", without({"text": text, "tokenizer": tokenizer}))

    def fit_judge(self, queries: Any = None, labels: Any = None, **options: Any) -> dict[str, Any]:
        """Fit the relevance judge; returns what ``stats()["judge"]`` says of it."""
        asked = None if queries is None else _packed(queries)
        found = self._post("fit_judge", without({"queries": asked, "labels": _plain(labels), **options}))
        return dict(found["judge"])

    def stats(self) -> dict[str, Any]:
        """Counts, bytes, memory, plan, judge and live recall."""
        found: dict[str, Any] = self._wire.json("GET", f"{self._path}/stats")
        return found

    def optimize(self, recall: float = 0.95, memory: int | str | None = None, **options: Any) -> Plan:
        """Find the fastest recipe within a budget and apply it, see :meth:`nearfield.store.Store.optimize`; waits."""
        from ..tune import Plan

        queries = options.get("queries")
        if queries is not None and not isinstance(queries, str):
            options["queries"] = _packed(queries)
        return Plan.from_dict(self._job("optimize", {"recall": recall, "memory": memory, **options}))

    def survey(self, **options: Any) -> dict[str, Any]:
        """Measure the space: what ``nearfield.survey(...).to_dict()`` gives; waits for it."""
        return dict(self._job("survey", options))

    def verify(self, *, repair: bool = False, **options: Any) -> dict[str, Any]:
        """Check every file and item: ``ok``, ``problems``, ``counts`` and ``repairs``; waits for it."""
        return dict(self._job("repair" if repair else "verify", options))

    def _job(self, kind: str, fields: Mapping[str, Any]) -> Any:
        job = self._post(f"{kind}?wait={_WAIT:g}", without(fields))
        while job["state"] in ("waiting", "running"):
            time.sleep(0.05)
            job = self._wire.json("GET", f"/v1/jobs/{job['id']}?wait={_WAIT:g}")
        if job["state"] == "done":
            return job["result"]
        error = job["error"] or {"status": 409, "type": "Conflict", "message": f"the job was {job['state']}"}
        if error["status"] == 422:
            raise (TypeError if error["type"] == "TypeError" else ValueError)(error["message"])
        raise RemoteError(**error)

    # -- snapshots ----------------------------------------------------------------------------------------------------

    def tag(self, name: str) -> None:
        """Keep the present moment under a name."""
        self._wire.json("PUT", f"{self._path}/snapshots/{quote(name, safe='')}")

    def tags(self) -> dict[str, dict[str, Any]]:
        """The snapshots by name."""
        return dict(self._wire.json("GET", f"{self._path}/snapshots")["snapshots"])

    def untag(self, name: str) -> None:
        """Remove a snapshot."""
        self._wire.json("DELETE", f"{self._path}/snapshots/{quote(name, safe='')}")

    def restore(self, name: str) -> None:
        """Make the content of a snapshot the collection's own again."""
        self._wire.json("POST", f"{self._path}/snapshots/{quote(name, safe='')}/restore")

    def _post(self, operation: str, fields: Mapping[str, Any] | None = None) -> Any:
        return self._wire.json("POST", f"{self._path}/{operation}", {} if fields is None else fields)


# -- to the wire and back -------------------------------------------------------------------------------------------


def _packed(vectors: Any) -> dict[str, str]:
    array = check_vectors(vectors, "vectors")[0]
    return {"f32": base64.b64encode(array.astype("<f4", copy=False).tobytes()).decode()}


def _asked(queries: Any) -> dict[str, Any]:
    if queries is None:
        return {}
    array, single = check_vectors(queries, "queries")
    if single or not len(array):
        return {"query": _packed(array)}
    return {"queries": _packed(array)}


def _plain(value: Any) -> Any:
    """Arrays, ranges and the like as lists."""
    if value is None or isinstance(value, str | int | float):
        return value
    return value.tolist() if hasattr(value, "tolist") else list(value)


def _columns(attributes: Any) -> Any:
    if attributes is None:
        return None
    if hasattr(attributes, "to_pylist"):  # a pyarrow table
        attributes = attributes.to_pylist()
    elif hasattr(attributes, "to_dict") and not isinstance(attributes, Mapping):  # a DataFrame
        attributes = attributes.to_dict("records")
    if isinstance(attributes, Mapping):
        return {name: [_value(one) for one in _plain(values)] for name, values in attributes.items()}
    return [{name: _value(one) for name, one in row.items()} for row in attributes]


def _value(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, np.generic):
        return _value(value.item())
    return list(value) if isinstance(value, tuple) else value


def _times(expires: Any) -> Any:
    if expires is None or isinstance(expires, str | dt.date | int | float | np.generic):
        return None if expires is None else _value(expires)
    return [None if one is None else _value(one) for one in _plain(expires)]


def _vector(value: Any) -> np.ndarray:
    return np.frombuffer(base64.b64decode(value["f32"]), "<f4").astype(np.float32)


def _packed_bags(bags: Any) -> list[Any] | None:
    """Bags as JSON; null for one that is empty."""
    return None if bags is None else [None if bag is None or not len(bag) else _packed(bag) for bag in bags]


def _hits(answer: dict[str, Any], k: int | None) -> Hits:
    """Hits as the store gives them; with ``k`` filled up with what is missing."""
    single = isinstance(answer["status"], str)
    answers, status = ([answer["hits"]], [answer["status"]]) if single else (answer["hits"], answer["status"])
    width = max((len(hits) for hits in answers), default=0) if k is None else k
    every = [hit for hits in answers for hit in hits]

    def column(name: str, missing: Any) -> Any:
        return [[hit.get(name) for hit in hits] + [missing] * (width - len(hits)) for hits in answers]

    fields: dict[str, Any] = {}
    for name in _DETAILS:
        if any(name in hit for hit in every):
            fields["groups" if name == "group" else name] = column(name, 0.0 if name == "relevance" else None)
    if "relevance" in fields:
        fields["relevance"] = np.array(fields["relevance"], np.float32)
    if any("legs" in hit for hit in every):
        names = dict.fromkeys(name for hit in every for name in hit.get("legs", {}))
        fields["legs"] = {
            name: np.array([[_real(leg, name) for leg in row] for row in column("legs", None)], np.float32)
            for name in names
        }
    distances = np.array(
        [[np.inf if one is None else one for one in row] for row in column("distance", np.inf)], np.float32
    ).reshape(len(answers), width)
    cursors = answer.get("cursor")
    if cursors is not None:
        fields["pages"] = _Pages([cursors] if single else cursors)
    return Hits(column("id", None), distances, status, single=single, **fields)


def _real(legs: Mapping[str, Any] | None, name: str) -> float:
    value = None if legs is None else legs.get(name)
    return np.nan if value is None else float(value)


class _Pages:
    """The cursors that came with the hits."""

    def __init__(self, cursors: Sequence[str | None]):
        self._cursors = list(cursors)

    def cursors(self) -> list[str | None]:
        return self._cursors


def _chain(first: Any, rest: Iterable[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _lines(items: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    held: list[str] = []
    for item in items:
        row = dict(item)
        if row.get("vector") is not None:
            row["vector"] = _packed(row["vector"])
        for name in ("attributes",):
            if row.get(name) is not None:
                row[name] = {key: _value(one) for key, one in row[name].items()}
        if row.get("expires") is not None:
            row["expires"] = _value(row["expires"])
        held.append(json.dumps(row, ensure_ascii=False))
        if len(held) >= 256:
            yield ("\n".join(held) + "\n").encode(errors="surrogatepass")
            held = []
    if held:
        yield ("\n".join(held) + "\n").encode(errors="surrogatepass")


def _arrow(batches: Iterable[Any], schema: Any) -> Iterator[bytes]:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()

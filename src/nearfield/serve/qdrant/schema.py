"""What a collection is: its vectors, what is told of it, and the file beside the store that says so."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...common import files
from ...common.errors import CorruptFileError
from .refusal import absent, bad, fields, unsupported, whole
from .vectors import DISTANCES, Bags, Dense, Space, Sparse

FILE_NAME = "qdrant.json"

_METRIC = {"Cosine": "cosine", "Dot": "ip", "Euclid": "l2"}
_DISTANCE = {metric: distance for distance, metric in _METRIC.items()}
_LARGEST = 16384  # dimensions of a store

# Settings of how Qdrant keeps and indexes, which change no answer: they are taken and shown again.
_TUNING = ("hnsw_config", "quantization_config", "on_disk", "memory", "datatype", "index")
_OF_COLLECTION = (
    "shard_number",
    "replication_factor",
    "write_consistency_factor",
    "on_disk_payload",
    "payload",
    "hnsw_config",
    "wal_config",
    "optimizers_config",
    "quantization_config",
)
_HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0, "on_disk": False}
_OPTIMIZERS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "indexing_threshold": 20000,
    "flush_interval_sec": 5,
    "max_optimization_threads": 1,
}
_WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0}


class Schema:
    """The vectors of a collection and its settings, as JSON keeps them.

    Parameters
    ----------
    content : ``vectors`` (the parameters of the only vector, or of each by name), ``sparse_vectors``, ``settings``,
        ``metadata``, ``payload_schema``, and ``engine``: the vector that the store searches.
    """

    def __init__(self, content: dict[str, Any]):
        self.content = content
        self.spaces = _spaces(content)
        self.engine: str | None = content["engine"]

    @classmethod
    def create(cls, body: Any) -> Schema:
        """From a request to create a collection; 400 or 501 where it cannot be."""
        body = fields(
            body,
            "create collection",
            ("vectors", "sparse_vectors", "metadata", *_OF_COLLECTION),
            ignored=("timeout", "sharding_method", "strict_mode_config"),
        )
        content = {
            "vectors": copy.deepcopy(body.get("vectors")) or {},
            "sparse_vectors": copy.deepcopy(body.get("sparse_vectors")) or {},
            "settings": {name: body[name] for name in _OF_COLLECTION if body.get(name) is not None},
            "metadata": body.get("metadata"),
            "payload_schema": {},
            "engine": None,
        }
        content["engine"] = next(
            (name for name, space in _spaces(content).items() if _searchable(space)),
            None,
        )
        return cls(content)

    @classmethod
    def of_store(cls, dim: int, metric: str) -> Schema:
        """Of a store that was not made by this dialect: one vector without a name."""
        vectors = {"size": dim, "distance": _DISTANCE[metric]}
        return cls(
            {"vectors": vectors, "sparse_vectors": {}, "settings": {}, "metadata": None, "payload_schema": {}}
            | {"engine": ""}
        )

    @classmethod
    def load(cls, folder: Path, dim: int, metric: str) -> Schema:
        """As the file in a store's folder says, or the store itself where there is none."""
        path = folder / FILE_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls.of_store(dim, metric)
        try:
            schema = cls(json.loads(text))
            if schema.store() != (dim, metric):
                raise ValueError(f"it describes a store of {schema.store()}, and this is one of {(dim, metric)}")
        except Exception as error:
            raise CorruptFileError(path, f"not the description of this collection: {error}") from error
        return schema

    def save(self, folder: Path) -> None:
        """Write the file, all of it or nothing."""
        files.write_atomic(folder / FILE_NAME, [json.dumps(self.content, indent=1).encode()])

    def store(self) -> tuple[int, str]:
        """Dimensions and metric of the store below: those of the vector it searches, or none to speak of."""
        if self.engine is None:
            return 1, "l2"
        space = self.spaces[self.engine]
        assert isinstance(space, Dense)
        return space.size, _METRIC[space.distance]

    def space(self, name: str | None) -> Space:
        """The vector of this name; 400 where the collection has none."""
        found = self.spaces.get(name or "")
        if found is None:
            if not name and len(self.spaces):
                raise bad(
                    f"Wrong input: Collection requires specified vector name in the request, available names: "
                    f"{', '.join(self.spaces)}"
                )
            raise bad(f"Wrong input: Not existing vector name error: {name or ''}")
        return found

    @property
    def unnamed(self) -> bool:
        """Whether there is one vector without a name."""
        return "" in self.spaces

    # -- changing ------------------------------------------------------------------------------------------------------

    def with_vector(self, name: str, body: Any) -> Schema | None:
        """With one vector more; None where it is there already, just so."""
        kinds = fields(body, "create vector", ("dense", "sparse"))
        given = [kind for kind in ("dense", "sparse") if kinds.get(kind) is not None]
        if len(given) != 1:
            raise bad("create vector: expected 'dense' or 'sparse'")
        kind = given[0]
        content = copy.deepcopy(self.content)
        if kind == "dense":
            new = fields(kinds[kind], "dense", ("size", "distance", "multivector_config", *_TUNING))
            content["vectors"] = _by_name(content["vectors"])
        else:
            new = fields(kinds[kind], "sparse", ("modifier", *_TUNING))
        place = content["vectors" if kind == "dense" else "sparse_vectors"]
        if name in self.spaces:
            known = place.get(name)
            compared = ("size", "distance", "multivector_config", "modifier")
            if known is None or any(known.get(key) != new.get(key) for key in compared):
                raise bad(f"Wrong input: Vector {name} already exists with a different configuration")
            return None
        place[name] = _set(new)
        return Schema(content)

    def without_vector(self, name: str) -> Schema:
        """With one vector less; 501 for the one the store searches."""
        if name == self.engine:
            raise unsupported("deleting the vector that the store indexes")
        content = copy.deepcopy(self.content)
        for place in (content["vectors"], content["sparse_vectors"]):
            place.pop(name, None)
        return Schema(content)

    def updated(self, body: Any) -> Schema:
        """With other settings, none of which changes an answer but a sparse vector's modifier."""
        body = fields(
            body,
            "update collection",
            (
                "vectors",
                "optimizers_config",
                "params",
                "hnsw_config",
                "quantization_config",
                "sparse_vectors",
                "metadata",
            ),
            ignored=("strict_mode_config", "timeout"),
        )
        content = copy.deepcopy(self.content)
        for name in ("optimizers_config", "hnsw_config"):
            if body.get(name) is not None:
                content["settings"][name] = {**content["settings"].get(name, {}), **body[name]}
        if body.get("quantization_config") is not None:
            content["settings"]["quantization_config"] = body["quantization_config"]
        for name, value in (body.get("params") or {}).items():
            if name in _OF_COLLECTION:
                content["settings"][name] = value
        if body.get("metadata") is not None:
            content["metadata"] = {**(content["metadata"] or {}), **body["metadata"]}
        for place in ("vectors", "sparse_vectors"):
            for name, changes in (body.get(place) or {}).items():
                of = _by_name(content[place]).get(name)
                if of is None:
                    raise bad(f"Wrong input: Not existing vector name error: {name}")
                of.update(_set(changes))
        return Schema(content)

    def indexing(self, field: str, schema: Any) -> Schema:
        """With a payload index: it is kept and shown, and answers are the same without."""
        kind = schema if isinstance(schema, str) else schema.get("type") if isinstance(schema, Mapping) else None
        if kind not in ("keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"):
            raise bad(f"field_schema: expected the type of a payload index, got {schema!r}")
        if isinstance(schema, Mapping) and schema.get("scoring"):
            raise unsupported("a text index with 'scoring'")
        content = copy.deepcopy(self.content)
        content["payload_schema"][field] = {"data_type": kind} | (
            {"params": dict(schema)} if isinstance(schema, Mapping) else {}
        )
        return Schema(content)

    def not_indexing(self, field: str) -> Schema:
        """Without a payload index."""
        content = copy.deepcopy(self.content)
        content["payload_schema"].pop(field, None)
        return Schema(content)

    # -- telling -------------------------------------------------------------------------------------------------------

    def info(self, points: int, indexed: int, segments: int) -> dict[str, Any]:
        """What ``GET /collections/{name}`` tells."""
        settings = self.content["settings"]
        params = {
            "vectors": self.content["vectors"],
            "shard_number": settings.get("shard_number", 1),
            "replication_factor": settings.get("replication_factor", 1),
            "write_consistency_factor": settings.get("write_consistency_factor", 1),
            "on_disk_payload": settings.get("on_disk_payload", True),
        }
        if self.content["sparse_vectors"]:
            params["sparse_vectors"] = self.content["sparse_vectors"]
        return {
            "optimizer_status": "ok",
            "indexed_vectors_count": indexed,
            "points_count": points,
            "segments_count": segments,
            "config": {
                "params": params,
                "hnsw_config": {**_HNSW, **_set(settings.get("hnsw_config"))},
                "optimizer_config": {**_OPTIMIZERS, **_set(settings.get("optimizers_config"))},
                "wal_config": {**_WAL, **_set(settings.get("wal_config"))},
                "quantization_config": settings.get("quantization_config"),
                "metadata": self.content["metadata"],
            },
            "payload_schema": {
                field: {**index, "points": points} for field, index in self.content["payload_schema"].items()
            },
        }


def _set(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if value is not None}


def _by_name(vectors: dict[str, Any]) -> dict[str, Any]:
    """The parameters of each vector, where they may be those of the only one, which has no name."""
    return {"": vectors} if "size" in vectors and not isinstance(vectors["size"], dict) else vectors


def _searchable(space: Space) -> bool:
    """Whether a store can search such vectors."""
    return type(space) is Dense and space.distance in _METRIC and space.size <= _LARGEST


def _spaces(content: Mapping[str, Any]) -> dict[str, Space]:
    vectors, sparse = content["vectors"], content["sparse_vectors"]
    if not isinstance(vectors, dict) or not isinstance(sparse, dict):
        raise bad("vectors: expected an object")
    found: dict[str, Space] = {name: _dense(name, params) for name, params in _by_name(vectors).items()}
    for name, params in sparse.items():
        if name in found:
            raise bad(f"sparse_vectors: expected names that differ from those of vectors, got {name!r}")
        params = fields(params or {}, f"sparse vector '{name}'", ("modifier", *_TUNING))
        if params.get("modifier") not in (None, "none", "idf"):
            raise bad(f"sparse vector '{name}': expected the modifier 'none' or 'idf', got {params['modifier']!r}")
        found[name] = Sparse(name, params.get("modifier") == "idf")
    return found


def _dense(name: str, params: Any) -> Space:
    what = f"vector '{name}'" if name else "vectors"
    known = ("size", "distance", "multivector_config", *_TUNING)
    params = fields(params, what, known, needed=("size", "distance"))
    size = whole(params["size"], f"{what}: size", None, 1, 65535)
    if params["distance"] not in DISTANCES:
        raise bad(f"{what}: expected the distance {', '.join(DISTANCES)}, got {params['distance']!r}")
    if params.get("datatype") not in (None, "float32", "float16"):
        raise unsupported(f"{what}: the datatype {params['datatype']!r}")
    bags = params.get("multivector_config")
    if bags is None:
        return Dense(name, size, params["distance"])
    if fields(bags, "multivector_config", ("comparator",)).get("comparator") != "max_sim":
        raise bad(f"{what}: expected the comparator 'max_sim', got {bags!r}")
    return Bags(name, size, params["distance"])


def check_name(name: Any, what: str) -> str:
    """A name of a collection or an alias, as Qdrant takes it; it becomes no path as it is."""
    if not isinstance(name, str) or not name or len(name) > 255 or any(sign in '<>:"/\\|?*\0' for sign in name):
        raise bad(f'{what}: expected a name of 1 to 255 characters without <>:"/\\|?*, got {name!r}')
    return name


def missing(name: str) -> Exception:
    """404 for a collection."""
    return absent(f"Collection `{name}` doesn't exist!")

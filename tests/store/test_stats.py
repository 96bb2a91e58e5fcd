from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from nearfield.store import Store


def test_an_empty_store(make: Callable[..., Store]) -> None:
    stats = make(embedding={"encoder": "A"}, attributes={"year": "int"}).stats()
    assert (stats["items"], stats["segments"], stats["pending"], stats["deleted"]) == (0, [], 0, 0)
    assert stats["embedding"] == {"encoder": "A"} and stats["attributes"] == {"year": "int"}
    assert stats["plan"] is None and stats["judge"] is None and stats["id_type"] is None


def test_counts_and_bytes_are_those_on_disk(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make(attributes={"year": "int"})
    store.add(list(range(200)), vectors[:200])
    store.compact()
    store.add(list(range(200, 230)), vectors[200:230])
    store.delete([1, 2, 201])
    stats = store.stats()
    assert (stats["items"], stats["pending"], stats["deleted"]) == (227, 29, 3)
    assert [(s["rows"], s["items"]) for s in stats["segments"]] == [(200, 198)]
    sizes = {path.name: path.stat().st_size for path in store.path.rglob("*") if path.is_file()}
    for name in ("writer.lock", "catalogue.sqlite-shm"):
        sizes.pop(name)
    assert stats["bytes"] == sizes and stats["bytes_total"] == sum(sizes.values())
    assert stats["memory"]["codes"] > 0 and stats["memory"]["graph"] > 0 and stats["memory"]["pending"] == 30 * 8 * 4
    assert stats["memory"]["mapped"] == 200 * 8 * 4
    assert (stats["dim"], stats["metric"], stats["dtype"], stats["id_type"]) == (8, "cosine", "float32", "int")
    json.dumps(stats)


def test_scanned_vectors_are_mapped(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(10)), vectors[:10])
    store.seal()
    assert store.stats()["memory"]["mapped"] == 10 * 8 * 4
    assert store.stats()["memory"].get("total", 0) == 0

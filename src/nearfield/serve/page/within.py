"""Searching among items that were chosen by hand: those inside a lasso."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ...store import Item, Store


def nearest_of(store: Store, items: list[Item], query: np.ndarray, k: int) -> list[dict[str, Any]]:
    """The ``k`` of ``items`` nearest to ``query`` (d,), exactly, as hits."""
    from ...index import Flat

    if not items:
        return []
    rows = np.stack([item.vector for item in items]).astype(np.float32)
    found = Flat(store.metric).build(rows).search(query, min(k, len(items)))
    return [
        {"id": items[row].id, "distance": float(distance), "payload": items[row].payload, "text": items[row].text}
        for row, distance in zip(found.rows.tolist(), found.distances.tolist(), strict=True)
        if row >= 0
    ]


def named_in(store: Store, wanted: set[Any], text: str, k: int, depth: int) -> list[dict[str, Any]]:
    """The ``k`` best by words that are among ``wanted``, of the ``depth`` best of the collection."""
    hits = store.search(text=text, k=depth, payload=True)
    found = [hit for hit in hits if hit.id in wanted][:k]
    return [{"id": hit.id, "distance": hit.distance, "payload": hit.payload, "text": hit.text} for hit in found]

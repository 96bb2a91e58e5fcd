"""Which space vectors belong to, by the fingerprint of their encoder or by their dimensions; never by a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from .snapshot import View

OLD: Literal["old"] = "old"
NEW: Literal["new"] = "new"


def space_of(
    vectors: Any,
    embedding: Any,
    own: tuple[int, Mapping[str, Any] | None],
    following: tuple[int, Mapping[str, Any] | None] | None,
    parameter: str,
) -> Literal["old", "new"]:
    """``"old"``: the store's own space, ``"new"``: that of the model it is moved to.

    ``own`` and ``following`` are dimensions and fingerprint of the two; ``following`` is None where the store is not
    being moved. ValueError when ``embedding`` is neither's, or when it is missing and the dimensions do not tell.
    """
    if isinstance(embedding, str):
        if embedding not in (OLD, NEW) or following is None:
            meant = "'old', 'new' or a fingerprint" if following else "a fingerprint, as the store is not being moved"
            raise ValueError(f"embedding: expected {meant}, got {embedding!r}")
        return embedding
    if embedding is not None:
        if not isinstance(embedding, Mapping):
            raise TypeError(f"embedding: expected a dict, an encoder's fingerprint(), got {type(embedding).__name__}")
        for name, space in ((OLD, own), (NEW, following)):
            if space is not None and space[1] is not None and dict(space[1]) == _plain(embedding):
                return name
        held = _named(own[1]) + (f" and, while it is moved, of {_named(following[1])}" if following else "")
        raise ValueError(f"embedding: this store holds vectors of {held}, got {json.dumps(_plain(embedding))}")
    if following is None:
        return OLD
    if own[0] == following[0]:
        raise ValueError(
            f"embedding: both models of this store have {own[0]} dimensions; say whose {parameter} these are by its "
            "fingerprint, or by 'old' or 'new'"
        )
    dim = _dim(vectors)
    if dim is not None and dim not in (own[0], following[0]):
        raise ValueError(f"{parameter}: expected {own[0]} dimensions (old) or {following[0]} (new), got {dim}")
    return NEW if dim == following[0] else OLD


def space(view: View, queries: Any, embedding: Any) -> View:
    """The view of the space that the queries belong to."""
    following = None if view.next is None else (view.next.shape.dim, view.next.embedding)
    own = view.shape.dim, view.meta.get("embedding")
    return view if space_of(queries, embedding, own, following, "queries") == OLD else view.newer


def _dim(vectors: Any) -> int | None:
    shape = np.shape(vectors) if len(vectors) else ()
    return int(shape[-1]) if shape else None


def _plain(embedding: Mapping[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(dict(embedding), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"embedding: expected JSON values: {error}") from None


def _named(embedding: Mapping[str, Any] | None) -> str:
    return "an unnamed encoder" if embedding is None else json.dumps(dict(embedding))

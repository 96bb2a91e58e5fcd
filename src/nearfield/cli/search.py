"""Ask a store.

The text is encoded by the encoder the store was made with. Hits come with their relevance, from 0 to 1, where the store
has a judge, and with their distance otherwise. With --max-false 0.05 an answer is cut where nothing is relevant any
more; a query to which the store holds no answer then gets one in at most 5 of 100 cases. Exit code 1: nothing found.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .encoders import add_encoder_argument, encoder_of
from .output import DONE, NO, hit_lines, print_json, say

if TYPE_CHECKING:
    import numpy as np


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield search``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    parser.add_argument("text", metavar="TEXT", nargs="*", help="the question; quotes around it are not needed")
    parser.add_argument("-k", type=int, default=10, help="how many hits at most (default: 10)")
    parser.add_argument("--where", metavar="CONDITION", help="on attributes: \"year >= 2024 and topic in ('a', 'b')\"")
    parser.add_argument(
        "--max-false", type=float, metavar="RATE", help="cut what is not relevant: 0.05 is a good start; 1 keeps all"
    )
    parser.add_argument("--vector", type=Path, metavar="FILE", help="ask with the vector in this .npy file, not a text")
    parser.add_argument("--at", metavar="TAG", help="ask the store as it was when this tag was made")
    parser.add_argument("--json", action="store_true", help="print JSON, with payload and attributes")
    add_encoder_argument(parser, "where the store's encoder is now, if its model has moved")


def run(arguments: argparse.Namespace) -> int:
    """Encode, search, print."""
    from ..store import Store

    text = " ".join(arguments.text).strip()
    if bool(text) == (arguments.vector is not None):
        raise ValueError("search: expected a question, or --vector FILE.npy, and not both")
    with Store.open(arguments.store, read_only=True, at=arguments.at) as store:
        hits = store.search(
            _read_vector(arguments.vector)
            if arguments.vector
            else encoder_of(store.embedding, arguments.encoder, arguments.store).encode(text),
            arguments.k,
            where=arguments.where,
            payload=True,
            attributes=arguments.json and bool(store.attributes),
            max_false=arguments.max_false,
        )
    found = list(hits)
    if arguments.json:
        print_json({"query": text or None, "status": hits.status, "hits": [_described(hit) for hit in found]})
    elif found:
        say("\n".join(hit_lines(found)))
        if hits.status != "ok":
            say(f"  ({hits.status})")
    else:
        say(hits.status)
    return DONE if found else NO


def _read_vector(path: Path) -> np.ndarray:
    import numpy as np

    vector = np.load(path, allow_pickle=False)
    if vector.ndim == 2 and len(vector) == 1:
        return vector[0]
    if vector.ndim != 1:
        raise ValueError(f"--vector: {path}: expected one vector of shape (d,), got {vector.shape}")
    return vector


def _described(hit: Any) -> dict[str, Any]:
    entry = {"id": hit.id, "distance": hit.distance}
    for name in ("relevance", "payload", "attributes"):
        if getattr(hit, name) is not None:
            entry[name] = getattr(hit, name)
    return entry

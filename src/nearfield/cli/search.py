"""Ask a store.

The text is encoded by the encoder the store was made with. Hits come with their relevance, from 0 to 1, where the store
has a judge, and with their distance otherwise. With --max-false 0.05 an answer is cut where nothing is relevant any
more; a query to which the store holds no answer then gets one in at most 5 of 100 cases. Exit code 1: nothing found.

--text asks by the words of the question alone, --hybrid by words and by meaning at once: better for names, numbers and
rare terms. Both need a store made of texts.

--like ID asks for items like a stored one, --unlike ID moves away from one; --aspect topic --aspect language=-1 counts
likeness in those respects alone, in a store with aspects (Store.fit_aspects).

--group-by document shows the best hit of each document. --within 0.2 asks for everything within a distance instead of
the nearest; -k then limits how much of it is shown. --json names a cursor, with which --after gets the next page.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .encoders import add_encoder_argument, encoder_of
from .output import DONE, NO, described, hit_lines, print_json, say

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
    legs = parser.add_mutually_exclusive_group()
    # The question may stand before or behind them.
    legs.add_argument("--text", dest="words", nargs="*", metavar="TEXT", help="search by words alone, without encoder")
    legs.add_argument("--hybrid", nargs="*", metavar="TEXT", help="search by words and by meaning at once")
    parser.add_argument("--group-by", metavar="COLUMN", help="one hit for each value of this attribute")
    parser.add_argument("--within", type=float, metavar="DISTANCE", help="everything within this distance, up to -k")
    parser.add_argument("--after", metavar="CURSOR", help="the page behind this cursor")
    parser.add_argument("--like", metavar="ID", action="append", help="items like this one; may be given several times")
    parser.add_argument("--unlike", metavar="ID", action="append", help="and not like this one")
    parser.add_argument(
        "--aspect",
        metavar="NAME[=WEIGHT]",
        action="append",
        help="near in this respect, or with a weight of -1 far",
    )
    parser.add_argument("--vector", type=Path, metavar="FILE", help="ask with the vector in this .npy file, not a text")
    parser.add_argument("--at", metavar="TAG", help="ask the store as it was when this tag was made")
    parser.add_argument("--json", action="store_true", help="print JSON, with payload and attributes")
    add_encoder_argument(parser, "where the store's encoder is now, if its model has moved")


def run(arguments: argparse.Namespace) -> int:
    """Encode, search, print."""
    from ..store import Store

    words, hybrid = arguments.words is not None, arguments.hybrid is not None
    text = " ".join([*arguments.text, *(arguments.words or []), *(arguments.hybrid or [])]).strip()
    if bool(text) == (arguments.vector is not None) and not (text and hybrid) and (text or not arguments.like):
        raise ValueError("search: expected a question, or --vector FILE.npy, and not both, or --like ID")
    for name, given in (("--text", words), ("--hybrid", hybrid)):
        if given and (not text or arguments.within is not None or arguments.after is not None):
            raise ValueError(f"{name}: expected a question, and neither --within nor --after")
    with Store.open(arguments.store, read_only=True, at=arguments.at) as store:
        query = None
        if arguments.vector:
            query = _read_vector(arguments.vector)
        elif text and not words:
            query = encoder_of(store.embedding, arguments.encoder, arguments.store).encode(text)
        shown = {"payload": True, "attributes": arguments.json and bool(store.attributes), "where": arguments.where}
        if arguments.within is not None:
            for name in ("max_false", "group_by", "after", "like", "unlike", "aspect"):
                if getattr(arguments, name) is not None:
                    raise ValueError(f"--within: expected without --{name.replace('_', '-')}")
            hits: Any = store.search_range(query, arguments.within, limit=arguments.k, **shown)
        else:
            names = ("max_false", "group_by", "after")
            shown |= {name: getattr(arguments, name) for name in names} | _likeness(arguments, store.stats()["id_type"])
            hits = store.search(query, arguments.k, text=text if words or hybrid else None, **shown)
    found = list(hits)
    if arguments.json:
        answer = {"query": text or None, "status": hits.status, "hits": [described(hit) for hit in found]}
        print_json(answer | ({"cursor": hits.cursor} if hits.cursor else {}))
    elif found:
        say("\n".join(hit_lines(found)))
        if hits.status != "ok":
            say(f"  ({hits.status})")
    elif arguments.within is not None:
        say(f"nothing lies within {arguments.within:g}")
    else:
        say(hits.status)
    return DONE if found else NO


def _likeness(arguments: argparse.Namespace, kind: str | None) -> dict[str, Any]:
    """``like``, ``unlike`` and ``aspect`` as :meth:`Store.search` takes them."""
    found: dict[str, Any] = {}
    for name in ("like", "unlike"):
        given = getattr(arguments, name)
        if given is not None:
            try:
                found[name] = [int(one) for one in given] if kind == "int" else given
            except ValueError:
                raise ValueError(
                    f"--{name}: expected whole numbers, as the ids of this store are, got {given}"
                ) from None
    if arguments.aspect is not None:
        found["aspect"] = {}
        for one in arguments.aspect:
            aspect, _, weight = one.partition("=")
            try:
                found["aspect"][aspect] = float(weight or 1)
            except ValueError:
                raise ValueError(f"--aspect: expected a name, or name=weight, got {one!r}") from None
    return found


def _read_vector(path: Path) -> np.ndarray:
    from .source_npy import load_array

    vector = load_array(path)
    if vector.ndim == 2 and len(vector) == 1:
        return vector[0]
    if vector.ndim != 1:
        raise ValueError(f"--vector: {path}: expected one vector of shape (d,), got {vector.shape}")
    return vector

"""Move a store to another embedding model while it serves.

The first call encodes a sample of the items by the new model, learns a map from the old space to the new one, says what
it loses, and opens the store to queries of the new model. Later calls encode more items, those first that answers
depend on most, up to --share; each batch is durable. --finish encodes what is left and drops the old model. Without
--encoder the state is shown. Readers go on throughout.

With --judged FILE, questions whose answers are known say how far each model is believed where both are asked, and warn
where the new one is worse: a JSON object a line, {"text": "a question", "relevant": ["id", "id"]}.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .encoders import add_encoder_argument, encoder_of, make_encoder
from .output import DONE, NO, print_json, say, telling

if TYPE_CHECKING:
    from ..encode import Encoder
    from ..store import Store, Upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield upgrade``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    add_encoder_argument(parser, "the new model")
    parser.add_argument("--pairs", type=int, default=1000, help="items to learn the map from (default: 1000)")
    parser.add_argument("--text", metavar="KEY", default="text", help="where in its payload an item's text is")
    parser.add_argument("--metric", choices=("cosine", "ip", "l2"), help="of the new model (default: as before)")
    parser.add_argument(
        "--queries", type=Path, metavar="FILE", help="sample queries, a line each: what they need is encoded first"
    )
    parser.add_argument(
        "--old-encoder", metavar="NAME", help="the old model, to encode --queries too: pairs of the kind that is asked"
    )
    parser.add_argument(
        "--judged", type=Path, metavar="FILE", help="questions and the ids that answer them: which model is believed"
    )
    parser.add_argument("--share", type=float, metavar="S", help="encode until so much of the store is, in (0, 1]")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--finish", action="store_true", help="encode what is left and drop the old model")
    ends.add_argument("--abandon", action="store_true", help="give up: the store is as if nothing had begun")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Begin, go on, end, or show the move."""
    from ..store import Store

    writes = arguments.encoder is not None or arguments.abandon or arguments.finish
    for name in ("share", "queries", "judged", "metric"):
        if getattr(arguments, name) is not None and arguments.encoder is None:
            raise ValueError(f"--{name}: expected with --encoder, the new model")
    if arguments.old_encoder is not None and arguments.queries is None and arguments.judged is None:
        raise ValueError("--old-encoder: expected with --queries or --judged, which it encodes")
    if arguments.judged is not None and arguments.old_encoder is None:
        raise ValueError("--judged: expected with --old-encoder, as both models are asked")
    tell = telling(arguments)
    with Store.open(arguments.store, read_only=not writes) as store:
        upgrade = store.upgrading
        if arguments.abandon:
            _needed(upgrade, arguments.store).abandon()
            tell(f"given up; {arguments.store} holds {len(store):,} items of the old model, {store.dim} dimensions")
            return _ended(store, "abandoned", arguments.json)
        if arguments.encoder is not None:
            upgrade = _advance(store, upgrade, arguments)
        if arguments.finish:
            upgrade = _needed(upgrade, arguments.store)
            upgrade.finish()
            tell(f"moved  {arguments.store}: {len(store):,} items of {store.dim} dimensions, the new model alone")
            tell("next   tune it again: the plan was of the old distances")
            return _ended(store, "finished", arguments.json)
        if upgrade is None:
            tell("not being moved; begin with --encoder")
            if arguments.json:
                print_json({"moving": False})
            return NO
        if arguments.json:
            print_json({"moving": True, **store.stats()["upgrade"]})
        else:
            say(str(upgrade))
    return DONE


def _ended(store: Store, how: str, as_json: bool) -> int:
    if as_json:
        print_json({"moving": False, how: True, "items": len(store), "dim": store.dim})
    return DONE


def _advance(store: Store, upgrade: Upgrade | None, arguments: argparse.Namespace) -> Upgrade:
    """Begin where nothing was begun, and encode as much as is asked for."""
    encoder = make_encoder(arguments.encoder)
    questions, relevant = _judged(arguments.judged) if arguments.judged else ([], [])
    if upgrade is None:
        samples = _lines(arguments.queries) if arguments.queries else []
        given: dict[str, Any] = {"queries": samples + questions} if samples or questions else {}
        if arguments.old_encoder is not None:
            given["old_queries"] = _old(store, arguments).encode(given["queries"])
        if questions:
            given["relevant"] = [[] for _ in samples] + relevant
        upgrade = store.upgrade(encoder, pairs=arguments.pairs, text=arguments.text, metric=arguments.metric, **given)
    elif arguments.queries is not None or arguments.metric is not None:
        name = "queries" if arguments.queries is not None else "metric"
        raise ValueError(f"--{name}: expected at the beginning only; this move has begun")
    elif questions:
        upgrade.weigh(encoder.encode(questions), _old(store, arguments).encode(questions), relevant)
    share = 1.0 if arguments.finish else arguments.share
    if share is not None:
        upgrade.run(encoder, arguments.text, share=share)
    return upgrade


def _old(store: Store, arguments: argparse.Namespace) -> Encoder:
    """The old model: the one that the store names, where it names one."""
    if store.embedding is None:
        return make_encoder(arguments.old_encoder)
    return encoder_of(store.embedding, arguments.old_encoder, arguments.store)


def _needed(upgrade: Upgrade | None, place: Path) -> Upgrade:
    if upgrade is None:
        raise ValueError(f"{place}: not being moved to another model; begin with --encoder")
    return upgrade


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    found = [line for line in lines if line]
    if not found:
        raise ValueError(f"--queries: {path}: expected a query a line, found none")
    return found


def _judged(path: Path) -> tuple[list[str], list[list[Any]]]:
    """Questions and the ids of what answers each."""
    texts, relevant = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            text, ids = found["text"], found["relevant"]
        except (json.JSONDecodeError, KeyError, TypeError):
            text = ids = None
        if not isinstance(text, str) or not isinstance(ids, list):
            raise ValueError(
                f'--judged: {path}: expected {{"text": "a question", "relevant": [ids]}} in line {number}, got {line!r}'
            )
        texts.append(text)
        relevant.append(ids)
    if not texts:
        raise ValueError(f"--judged: {path}: expected a question a line, found none")
    return texts, relevant

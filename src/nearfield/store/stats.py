"""The figures behind :meth:`Store.stats`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..common import files
from .catalogue import FILE_NAME, Catalogue
from .expiry import NEVER
from .mixture import Mixture
from .next_space import NextSpace
from .segment import DERIVED, PRIMARY, Segment, file_names
from .snapshot import Shape, View
from .tags import tag_bytes, tag_names
from .watch import Watch


def collect(
    catalogue: Catalogue, shape: Shape, view: View, watch: Watch, codes: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Plain data about one view: what it holds, what that costs, how it is searched; ``codes`` are bytes in memory."""
    segments = []
    memory: dict[str, int] = {}
    sizes = {name: files.size(catalogue.folder / name) for name in _catalogue_files(catalogue)}
    pending = 0
    bags = dict.fromkeys(("bags", "vectors", "bytes"), 0)
    for live in view.parts:
        part = live.part
        if not isinstance(part, Segment):
            pending = live.count
            memory["pending"] = part.vectors.nbytes
            if part.bags is not None:
                memory["pending"] += part.bags.nbytes
                found = (len(part.bags.filled), len(part.bags.codes), part.bags.nbytes)
                bags = {name: bags[name] + count for name, count in zip(bags, found, strict=True)}
            continue
        description = part.description
        if description.get("bags"):
            bags = {name: count + description["bags"][name] for name, count in bags.items()}
        for entry in (*PRIMARY, *DERIVED):
            if description.get(entry):
                sizes[description[entry]["file"]] = description[entry]["bytes"]
        costs = {"mapped": part.vectors.nbytes} if part.index is None else part.index.memory()
        for name, size in costs.items():
            memory[name] = memory.get(name, 0) + int(size)
        segments.append(
            {
                "files": file_names(description),
                "rows": len(part),
                "items": live.count,
                "index": _index_name(part),
                "partition": _partition(part),
                "trouble": part.trouble or part.columns_trouble,
            }
        )
    memory |= {name: size for name, size in (codes or {}).items() if size}
    judge = fusion = None
    if view.meta.get("judge") or view.meta.get("fusion"):
        from .judging import freshness

        fresh = {name: view.meta.get(name) for name in ("judge", "fusion")}
        judge, fusion = (freshness(said, view) if said and "items" in said else None for said in fresh.values())
    tags = tag_names(catalogue.folder)
    return {
        "path": str(catalogue.folder),
        "format": view.format,
        "dim": shape.dim,
        "metric": shape.metric,
        "dtype": str(shape.dtype),
        "id_type": view.meta.get("id_type"),
        "attributes": dict(shape.schema),
        "embedding": view.meta.get("embedding"),
        "text": view.meta.get("text"),
        "bags": None if view.bags is None else view.bags.describe() | bags,
        "items": view.items,
        "upgrade": None if view.next is None else _upgrade(view, view.next, sizes, memory),
        "expiring": _expiring(view),
        "pending": pending,
        "deleted": sum(len(live.part) - live.count for live in view.parts),
        "segments": segments,
        "bytes": sizes,
        "bytes_total": sum(sizes.values()),
        "memory": memory,
        "plan": _plan(view),
        "judge": judge,
        "fusion": fusion,
        "aspects": None if view.aspects is None else view.aspects.describe(),
        "recall": watch.record.report(view, watch.asked, watch.share),
        "tags": tags,
        "tag_bytes": tag_bytes(catalogue.folder) if tags else 0,
    }


def _upgrade(view: View, following: NextSpace, sizes: dict[str, int], memory: dict[str, int]) -> dict[str, Any]:
    """How far the move to another model has come; what it takes is added to ``sizes`` and ``memory``."""
    for part in following.sources:
        if isinstance(part, Segment):
            entries = [part.description[name] for name in (*PRIMARY, *DERIVED) if part.description.get(name)]
            sizes.update({entry["file"]: entry["bytes"] for entry in entries})
        memory["encoded"] = memory.get("encoded", 0) + part.vectors.nbytes
    memory["mapped"] = memory.get("mapped", 0) + following.mapped.memory()
    segments = [part for part in following.sources if isinstance(part, Segment)]
    names = [name for part in segments for name in file_names(part.description)]
    done = len(following.encoded(view))
    choice = following.meta["choice"]
    return {
        **{name: following.meta[name] for name in ("dim", "metric", "embedding", "begun", "choice")},
        "loss": choice["loss"],
        "weight": Mixture.of(following.meta).encoded,
        "judged": following.meta.get("judged"),
        "done": done,
        "left": view.items - done,
        "files": names,
    }


def _expiring(view: View) -> int:
    """How many of the living items will expire."""
    if view.expiry is None:
        return 0
    return sum(int((view.expires(live.part.keys[live.rows()]) < NEVER).sum()) for live in view.parts)


def _catalogue_files(catalogue: Catalogue) -> list[str]:
    return [name for name in files.list_directory(catalogue.folder) if name in (FILE_NAME, FILE_NAME + "-wal")]


def _index_name(part: Segment) -> str:
    if part.index is None:
        return "scan of the vectors"
    return str(part.description["index"]["name"])


def _partition(part: Segment) -> dict[str, Any] | None:
    entry = part.description.get("partition")
    return {name: entry[name] for name in ("leaves", "lists", "share")} if entry else None


def _plan(view: View) -> dict[str, Any] | None:
    stored = view.meta.get("plan")
    return dict(stored) if stored else None

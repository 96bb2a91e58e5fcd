"""Filtered search: ours beside the peers, however few rows a filter leaves and wherever they lie.

Thirteen filters on WordNet glosses: all, half, a tenth, a hundredth and a thousandth of the rows, drawn by lot, or
nearest to one query and its like, or farthest from them. Every filter is a range of a whole number: SQL has it as
``lot < 1156``, libraries as a bitset or a list of rows, made beforehand. Each peer climbs its ladder of widths until it
finds 95 of 100 neighbours; that setting is timed, all peers in turn, and the best round counts. Libraries answer in
batches on one thread; databases one query a call, because that is their interface, and ours both ways.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import native
from ..common.progress import remark
from . import machine
from .curves import tie_aware_hits
from .data import exact_distances, wordnet
from .filter_peers import PEERS, FilterPeer

K = 10
TARGET = 0.95
SHARES = (1.0, 0.5, 0.1, 0.01, 0.001)
PLACES = ("random", "near", "far")
QUERIES = 200
ROUNDS = 3
# A pass that takes longer than so many seconds is not repeated, and no wider setting is tried.
PATIENCE = 20.0


class Case(NamedTuple):
    """One filter and the queries asked under it: rows whose ``column`` lies in ``[low, high)``.

    Examples
    --------
    >>> Case("random", 0.5, "lot", 0, 2, np.array([True, True]), np.zeros((1, 2)), np.zeros(1)).where
    'lot < 2'
    """

    place: str
    share: float
    column: str
    low: int
    high: int
    mask: np.ndarray
    queries: np.ndarray
    kth: np.ndarray

    @property
    def where(self) -> str:
        """The filter as SQL."""
        return f"{self.column} < {self.high}" if self.low == 0 else f"{self.column} >= {self.low}"

    @property
    def name(self) -> str:
        """``"1% near"``."""
        return "all" if self.share == 1 else f"{100 * self.share:g}% {self.place}"


def columns(base: np.ndarray, anchor: np.ndarray) -> dict[str, np.ndarray]:
    """The attributes: ``lot``, a random order of the rows, and ``rank``, their order by distance from the anchor."""
    lot = np.random.default_rng(0).permutation(len(base))
    rank = np.empty(len(base), np.int64)
    rank[np.argsort(-(base @ anchor), kind="stable")] = np.arange(len(base))
    return {"lot": lot.astype(np.int64), "rank": rank}


def cases(base: np.ndarray, queries: np.ndarray, shares: Sequence[float] | None = None) -> list[Case]:
    """All filters; those by place ask the queries nearest to the anchor, which is the first query."""
    n, anchor = len(base), queries[0]
    attributes = columns(base, anchor)
    near = queries[np.argsort(-(queries @ anchor), kind="stable")[:QUERIES]]
    made = []
    for share in SHARES if shares is None else shares:
        count = max(1, round(share * n))
        for place in PLACES if share < 1 else PLACES[:1]:
            column = "lot" if place == "random" else "rank"
            low, high = (n - count, n) if place == "far" else (0, count)
            mask = (attributes[column] >= low) & (attributes[column] < high)
            asked = np.ascontiguousarray(queries[:QUERIES] if place == "random" else near)
            kth = _kth(base, mask, asked)
            made.append(Case(place, share, column, low, high, mask, asked, kth))
    return made


def _kth(base: np.ndarray, mask: np.ndarray, queries: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(mask)
    found = native.exact_search(base[rows], queries, min(K, len(rows)), metric="ip").rows
    return exact_distances("cosine", queries, base, rows[found])[:, -1]


def measure(peer: FilterPeer, case: Case, base: np.ndarray) -> dict[str, Any]:
    """The narrowest width of the peer's ladder that reaches the target, or the best it can do."""
    queries = case.queries[: peer.most_queries]
    best: dict[str, Any] = {"width": None, "recall": -1.0}
    for width in peer.widths:
        start = time.perf_counter()
        rows = peer.search(case, queries, K, width)
        seconds = time.perf_counter() - start
        distances = exact_distances("cosine", queries, base, rows)
        wanted = min(K, int(case.mask.sum()))
        allowed = (rows < 0) | case.mask[np.maximum(rows, 0)]
        if not allowed.all():
            raise RuntimeError(f"{peer.name} returned rows that {case.where!r} excludes")
        recall = float(tie_aware_hits(distances, case.kth[: len(queries)], rows).mean() / wanted)
        if recall > best["recall"]:
            best = {"width": width, "recall": recall, "seconds": seconds}
        if recall >= TARGET or seconds > PATIENCE:
            break
    return best | {"reached": best["recall"] >= TARGET, "queries": len(queries)}


def compare(peers: Sequence[FilterPeer], made: Sequence[Case], base: np.ndarray) -> list[dict[str, Any]]:
    """Every case by every peer: the width that reaches the target, then rates with all peers in turn."""
    lines = []
    for case in made:
        found = {peer.name: measure(peer, case, base) for peer in peers}
        for _ in range(ROUNDS):
            for peer in peers:
                result = found[peer.name]
                if result["seconds"] > PATIENCE / ROUNDS:
                    continue
                start = time.perf_counter()
                peer.search(case, case.queries[: peer.most_queries], K, result["width"])
                result["seconds"] = min(result["seconds"], time.perf_counter() - start)
        for result in found.values():
            result["rate"] = result["queries"] / result["seconds"]
        lines.append({"place": case.place, "share": case.share, "where": case.where, "rows": int(case.mask.sum())})
        lines[-1]["peers"] = found
        remark(f"{case.where}: done")
    return lines


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    lines = [
        "# Filtered search",
        "",
        f"{result['rows']:,} x {result['dim']} MiniLM vectors of WordNet glosses, cosine, k = {K}: queries per second "
        f"at the narrowest setting that reaches recall {TARGET}, best of {ROUNDS} rounds in turn. *(0.87)* beside a "
        f"rate: the target is not reached, this is the recall of the best setting. {where['cpu']['model']}, "
        f"{where['cores']} cores, {where['date']}, load {where['load'][0]} at the start. One thread, as far as a "
        "library lets one choose.",
        "",
        "*near*: the allowed rows are those nearest to a query, which is asked together with its likes; *far*: those "
        "farthest from it. *one*: one query a call; the others answer in batches.",
        "",
    ]
    names = list(result["peers"])
    lines.append("| filter | rows | " + " | ".join(names) + " |")
    lines.append("| --- | ---: |" + " ---: |" * len(names))
    for line in result["cases"]:
        name = "no row excluded" if line["share"] == 1 else f"{100 * line['share']:g}% {line['place']}"
        cells = []
        for peer in names:
            found = line["peers"].get(peer)
            if found is None:
                cells.append("-")
                continue
            cell = f"{found['rate']:,.0f}"
            cells.append(cell if found["reached"] else f"{cell} *({found['recall']:.2f})*")
        lines.append(f"| {name} | {line['rows']:,} | " + " | ".join(cells) + " |")
    lines += ["", "| peer | what it is | build s |", "| --- | --- | ---: |"]
    for name, about in result["peers"].items():
        lines.append(f"| {name} | {about['about']} | {about['build_s']:.1f} |")
    absent = ", ".join(f"{name} ({why})" for name, why in result["absent"].items())
    if absent:
        lines += ["", f"Not measured: {absent}."]
    return "\n".join([*lines, ""])


def run_filtered(out: Path, *, rows: int | None = None, names: Sequence[str] | None = None) -> Path:
    """Measure, write ``filtered.json`` and ``filtered.md`` under ``out``, return the Markdown file."""
    workload = wordnet(rows, 2_000)
    base = workload.base if rows is None else workload.base[:rows]
    made = cases(base, workload.queries["wordnet"])
    attributes = columns(base, workload.queries["wordnet"][0])
    result: dict[str, Any] = {"machine": machine.describe(), "rows": len(base), "dim": int(base.shape[1])}
    result |= {"peers": {}, "absent": {}}
    before = native.threads()
    peers = []
    with tempfile.TemporaryDirectory(prefix="nearfield-filtered-") as folder:
        try:
            for make in PEERS:
                if names is not None and make.name not in names:
                    continue
                missing = make.missing()
                if missing is not None:
                    result["absent"][make.name] = missing
                    continue
                peer = make(Path(folder))
                start = time.perf_counter()
                peer.build(base, attributes)
                about = {"about": peer.about, "build_s": time.perf_counter() - start, "version": peer.version()}
                result["peers"][peer.name] = about
                peers.append(peer)
                remark(f"{peer.name}: built in {about['build_s']:.1f} s")
            native.set_threads(1)
            result["cases"] = compare(peers, made, base)
        finally:
            native.set_threads(before)
            for peer in peers:
                peer.close()
    out.mkdir(parents=True, exist_ok=True)
    (out / "filtered.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "filtered.md").write_text(markdown(result))
    return out / "filtered.md"

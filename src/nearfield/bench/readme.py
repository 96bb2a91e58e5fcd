"""The short table of the README, made from the kept results: no figure there is typed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .report import rate_text, table
from .runner import TARGETS
from .summary import Curve, best, curves, groups

BEGIN, END = "<!-- figures: nearfield bench report --readme -->", "<!-- end of figures -->"
_TITLES = {
    "wordnet": "WordNet glosses, 115,659 x 384, cosine",
    "wordnet-ood": "the same, asked with package descriptions",
    "fashion_mnist": "Fashion-MNIST, 60,000 x 784, Euclidean",
}
# Those that a reader should know; the report has all.
_OURS = {
    "nearfield-fast": "fast layout",
    "nearfield-fast+slack": "fast layout, slack",
    "nearfield-fast-128": "fast layout, 128 directions",
    "nearfield-8bit+slack": "8-bit, slack",
    "nearfield-8bit+queries": "8-bit, slack, 5,000 sample queries at build",
    "nearfield-leanest": "5 bits, 14 links",
}
# The best peers at recall 0.95, and always the one most people have.
_PEERS = 4
_BASELINE = "hnswlib"


def section(results: Sequence[dict[str, Any]]) -> str:
    """The table of one-thread rates, and sentences on where a peer is ahead of the best of ours."""
    found = groups(curves(results))
    head = ["data", "index", *(f"at {target:.2f}" for target in TARGETS), "MB", "build"]
    rows: list[list[str]] = []
    for workload, title in _TITLES.items():
        members = _shown(found.get((workload, 1), []), sampled=workload == "wordnet-ood")
        for number, curve in enumerate(members):
            name = f"**nearfield, {_OURS[curve.peer]}**" if curve.ours else curve.peer
            rates = [rate_text(curve.rates[target]) for target in TARGETS]
            size, seconds = f"{curve.resident_bytes / 1e6:.0f}", f"{curve.build_seconds:.1f} s"
            rows.append([title if not number else "", name, *rates, size, seconds])
    return "\n".join([*table(head, rows, texts=2), "", *_ahead(found)])


def _shown(members: Sequence[Curve], *, sampled: bool) -> list[Curve]:
    chosen = [c for c in members if c.peer in _OURS and (sampled or not c.peer.endswith("+queries"))]
    peers = sorted((c for c in members if not c.ours), key=_speed, reverse=True)
    chosen += peers[:_PEERS] + [c for c in peers[_PEERS:] if c.peer == _BASELINE]
    return sorted(chosen, key=_speed, reverse=True)


def _speed(curve: Curve) -> float:
    return curve.rates[0.95] or 0.0


def _ahead(found: dict[tuple[str, int], list[Curve]]) -> list[str]:
    """A line for every workload: the ratio of our best to the best peer, at every target."""
    lines = ["Our best configuration over the best peer at recall 0.90, 0.95 and 0.99 (below 1, the peer wins):", ""]
    for (workload, threads), members in found.items():
        ours, peers = [c for c in members if c.ours], [c for c in members if not c.ours]
        cells = []
        for target in TARGETS:
            mine, theirs = best(ours, target), best(peers, target)
            if mine is None or theirs is None:
                cells.append("-")
                continue
            ratio = (mine.rates[target] or 0.0) / (theirs.rates[target] or 1.0)
            cells.append(f"{ratio:.2f} ({theirs.peer})")
        lines.append(f"- {workload}, {threads} thread{'s' * (threads > 1)}: {', '.join(cells)}")
    return lines


def rewrite(readme: Path, results: Sequence[dict[str, Any]]) -> None:
    """Replace what stands between the two marks of ``readme`` by the :func:`section` of ``results``."""
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"readme: expected {BEGIN!r} and {END!r} once each in {readme}")
    before, rest = text.split(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{section(results)}\n{END}{rest.split(END)[1]}")

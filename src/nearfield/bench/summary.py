"""From raw results to figures: one curve per peer, rates at the targets, ratios to the best peer and to hnswlib."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .curves import Point, frontier, rate_at
from .peers import OUR_NAMES
from .runner import TARGETS

BASELINE = "hnswlib"


@dataclass(frozen=True)
class Curve:
    """One peer on one workload with one number of threads. ``spread``: median of (max - min) / median over
    the rounds, None for one round."""

    peer: str
    workload: str
    threads: int
    points: tuple[Point, ...]
    rates: dict[float, float | None]
    resident_bytes: int
    reported_bytes: int | None
    build_seconds: float
    spread: float | None

    @property
    def ours(self) -> bool:
        """Whether it is one of our configurations."""
        return self.peer in OUR_NAMES


@dataclass(frozen=True)
class Ratio:
    """Our rate over a peer's at one recall, and how the memories compare (ours over theirs, resident)."""

    peer: str
    workload: str
    threads: int
    recall: float
    against: str
    rate: float
    memory: float


def load_results(out: Path) -> list[dict[str, Any]]:
    """Every result under ``out``, by data set and peer."""
    return [json.loads(path.read_text()) for path in sorted((out / "peers").glob("*/*.json"))]


def curves(results: Sequence[dict[str, Any]]) -> list[Curve]:
    """The median over rounds at every beam, as curves."""
    made = []
    for result in results:
        if result["status"] != "done":
            continue
        grouped: dict[tuple[str, int], dict[int, list[Point]]] = defaultdict(lambda: defaultdict(list))
        for run in result["runs"]:
            for point in run["points"]:
                grouped[run["queries"], run["threads"]][point["beam"]].append(Point(**point))
        for (workload, threads), by_beam in grouped.items():
            points, spreads = [], []
            for beam, repeated in sorted(by_beam.items()):
                rates = [point.rate for point in repeated]
                middle = statistics.median(rates)
                points.append(Point(beam, repeated[0].recall, middle))
                spreads.append((max(rates) - min(rates)) / middle)
            made.append(
                Curve(
                    peer=result["peer"],
                    workload=workload,
                    threads=threads,
                    points=tuple(frontier(points)),
                    rates={target: rate_at(points, target) for target in TARGETS},
                    resident_bytes=result["build"]["resident_bytes"],
                    reported_bytes=result["build"]["reported_bytes"],
                    build_seconds=result["build"]["seconds"],
                    spread=statistics.median(spreads) if result["rounds"] > 1 else None,
                )
            )
    return made


def groups(found: Sequence[Curve]) -> dict[tuple[str, int], list[Curve]]:
    """Curves by (workload, threads)."""
    grouped: dict[tuple[str, int], list[Curve]] = defaultdict(list)
    for curve in found:
        grouped[curve.workload, curve.threads].append(curve)
    return dict(sorted(grouped.items()))


def best(candidates: Sequence[Curve], recall: float) -> Curve | None:
    """The fastest at a recall, of those that reach it."""
    reaching = [curve for curve in candidates if curve.rates[recall] is not None]
    return max(reaching, key=lambda curve: curve.rates[recall] or 0.0, default=None)


def ratios(found: Sequence[Curve]) -> list[Ratio]:
    """Ours against the best peer, the best peer with no more memory than ours, and hnswlib, at every target."""
    made = []
    for members in groups(found).values():
        peers = [curve for curve in members if not curve.ours]
        for mine in (curve for curve in members if curve.ours):
            small = [peer for peer in peers if peer.resident_bytes <= mine.resident_bytes]
            for recall in TARGETS:
                rate = mine.rates[recall]
                rivals = {
                    "best": best(peers, recall),
                    "best of no more memory": best(small, recall),
                    BASELINE: best([peer for peer in peers if peer.peer == BASELINE], recall),
                }
                for label, rival in rivals.items():
                    if rate is None or rival is None:
                        continue
                    against = rival.peer if label == BASELINE else f"{label}: {rival.peer}"
                    memory = mine.resident_bytes / max(rival.resident_bytes, 1)
                    made.append(
                        Ratio(
                            mine.peer,
                            mine.workload,
                            mine.threads,
                            recall,
                            against,
                            rate / (rival.rates[recall] or 1.0),
                            memory,
                        )
                    )
    return made


def to_json(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures as one JSON object; the raw results stay in their own files."""
    found = curves(results)
    return {
        "curves": [asdict(curve) for curve in found],
        "ratios": [asdict(ratio) for ratio in ratios(found)],
        "absent": [
            {key: r[key] for key in ("data", "peer", "status", "error")} for r in results if r["status"] != "done"
        ],
        "machines": sorted({json.dumps(result["machine"]["cpu"], sort_keys=True) for result in results}),
        "runs": sorted({result["run"] for result in results}),
    }

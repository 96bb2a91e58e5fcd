"""Counts and times in Prometheus' text format."""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections import defaultdict
from pathlib import Path

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Histogram:
    """How often a value fell below each bound, their sum and their count."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]):
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str = "") -> list[str]:
        """As Prometheus reads it."""
        total, found = 0, []
        before = f"{labels}," if labels else ""
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            found.append(f'{name}_bucket{{{before}le="{bound}"}} {total}')
        inside = f"{{{labels}}}" if labels else ""
        return [*found, f"{name}_sum{inside} {self.sum:.9g}", f"{name}_count{inside} {total}"]


class Metrics:
    """What one server counts of itself: requests by operation and status, their times, batches, memory."""

    def __init__(self) -> None:
        self.started = time.time()
        self.requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self.seconds: dict[str, Histogram] = defaultdict(lambda: Histogram(BUCKETS))
        self.batches = Histogram(_SIZES)
        self._lock = threading.Lock()

    def request(self, operation: str, method: str, status: int, *seconds: float) -> None:
        """Count answered requests, one for each of ``seconds``."""
        with self._lock:
            self.requests[operation, method if method in _METHODS else "other", status] += len(seconds)
            observe = self.seconds[operation].observe
            for took in seconds:
                observe(took)

    def batch(self, requests: int) -> None:
        """Count a search that was made for so many requests."""
        with self._lock:
            self.batches.observe(requests)

    def text(self, gauges: dict[str, float]) -> str:
        """All of it, with ``gauges`` (name -> value) beside it."""
        with self._lock:
            return self._text(gauges)

    def _text(self, gauges: dict[str, float]) -> str:
        lines = [
            "# HELP nearfield_requests_total Requests answered, by operation, method and status.",
            "# TYPE nearfield_requests_total counter",
        ]
        for (operation, method, status), count in sorted(self.requests.items()):
            lines.append(
                f'nearfield_requests_total{{operation="{operation}",method="{method}",status="{status}"}} {count}'
            )
        lines += [
            "# HELP nearfield_request_seconds Time from a request's head to the end of its answer.",
            "# TYPE nearfield_request_seconds histogram",
        ]
        for operation, histogram in sorted(self.seconds.items()):
            lines += histogram.lines("nearfield_request_seconds", f'operation="{operation}"')
        lines += [
            "# HELP nearfield_search_batch_requests Requests that were searched together.",
            "# TYPE nearfield_search_batch_requests histogram",
            *self.batches.lines("nearfield_search_batch_requests"),
        ]
        for name, value in {"process_start_time_seconds": self.started, **memory(), **gauges}.items():
            lines += [f"# TYPE {name} gauge", f"{name} {value:.15g}"]
        return "\n".join(lines) + "\n"


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def memory() -> dict[str, float]:
    """Resident bytes of this process, where the system says so."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return {}
    return {"process_resident_memory_bytes": float(pages * _PAGE)}

"""How much one server takes on: sizes, rates, times."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any

from ..common.checks import check_int, check_real
from .errors import Problem

# Buckets of so many callers are remembered; who was not heard of for longest is forgotten, and begins anew.
_CALLERS = 10_000


@dataclass(frozen=True)
class Limits:
    """What a server refuses to do more of; every refusal says which limit it was.

    Parameters
    ----------
    body : most bytes of a request's body (413). An import may be longer; there it holds for one batch or line.
    batch : most items or queries in one request (413).
    k : most hits a query may ask for (422).
    hits : most hits in one answer, over all its queries (413).
    rate : requests a second of one key, or without keys one address, in the long run (429); None: any number.
    burst : so many may come at once before ``rate`` counts; None: twice the rate.
    active : requests that are worked on at a time; more are sent away with 503, to come back in a second.
    connections : open connections; more are answered with 503 and closed.
    request_seconds : how long an answer may take (503). Work already begun in the store is finished all the same.
    body_seconds : how long a client may take to send its request (408).
    threads : threads that work in the store.
    jobs : long runs (optimize, survey, verify) at a time; as many again may wait.

    Examples
    --------
    >>> Limits(rate=100.0).burst
    200.0
    >>> Limits(body=0)
    Traceback (most recent call last):
    ValueError: body: expected an integer from 1 to 4294967296, got 0
    """

    body: int = 64 << 20
    batch: int = 10_000
    k: int = 10_000
    hits: int = 1_000_000
    rate: float | None = None
    burst: float | None = None
    active: int = 1024
    connections: int = 20_000
    request_seconds: float = 60.0
    body_seconds: float = 30.0
    threads: int = 8
    jobs: int = 1

    def __post_init__(self) -> None:
        check_int(self.body, "body", 1, 1 << 32)
        for name in ("batch", "k", "hits", "active", "connections", "threads", "jobs"):
            check_int(getattr(self, name), name, 1, 1 << 20)
        for name in ("request_seconds", "body_seconds"):
            check_real(getattr(self, name), name, 0.0, 1e6, open_low=True)
        for name in ("rate", "burst"):
            if getattr(self, name) is not None:
                check_real(getattr(self, name), name, 0.0, 1e9, open_low=True)
        if self.burst is None and self.rate is not None:
            object.__setattr__(self, "burst", max(1.0, 2.0 * self.rate))

    def check_queries(self, count: int, k: int) -> None:
        """Refuse more queries or hits than one request may ask for."""
        if k > self.k:
            raise Problem(422, f"k: expected at most {self.k:,} on this server, got {k:,}")
        if count > self.batch:
            raise Problem(413, f"queries: expected at most {self.batch:,} at once, got {count:,}; send them in parts")
        if count * k > self.hits:
            raise Problem(413, f"k: expected at most {self.hits:,} hits over all queries, got {count:,} x {k:,}")

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


class Buckets:
    """A token bucket for every caller: it fills by ``rate`` a second up to ``burst``, and a request takes one."""

    def __init__(self, rate: float, burst: float):
        self.rate = rate
        self.burst = burst
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count a request of ``caller``; 429 where the bucket is empty."""
        now = time.monotonic()
        tokens, before = self._filled.pop(caller, (self.burst, now))
        tokens = min(self.burst, tokens + (now - before) * self.rate)
        enough = tokens >= 1.0
        self._filled[caller] = (tokens - 1.0 if enough else tokens, now)
        if len(self._filled) > _CALLERS:
            self._filled.popitem(last=False)
        if not enough:
            wait = (1.0 - tokens) / self.rate
            raise Problem(
                429,
                f"more than {self.rate:g} requests a second; come back in {wait:.2g} s",
                {"Retry-After": str(max(1, round(wait)))},
            )

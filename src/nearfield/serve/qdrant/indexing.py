"""Indexing in the background, as clients of Qdrant expect: what was written is compacted once it is enough."""

from __future__ import annotations

import logging
import threading

from ...store import Store
from ..hosted import Hosted

logger = logging.getLogger("nearfield.serve.qdrant")

# From so many rows on a compaction builds a graph; fewer are scanned in no time.
LEAST = 20_000
# And only when so large a share of what is indexed has come to it: so all of them together cost a few times the last.
_SHARE = 0.5


class Indexer:
    """Compacts one collection at a time, in a thread of its own; searches and writes go on meanwhile.

    Parameters
    ----------
    hosted : the collections of the server.
    """

    def __init__(self, hosted: Hosted):
        self._hosted = hosted
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._waiting: list[str] = []
        self._busy: str | None = None
        self._written: dict[str, int] = {}
        self._settled: dict[str, int] = {}

    def busy(self, name: str) -> bool:
        """Whether a collection is being indexed, or about to be."""
        with self._lock:
            return name == self._busy or name in self._waiting

    def wait(self, seconds: float) -> bool:
        """Until nothing is being indexed; whether that came to pass in time."""
        with self._ended:
            return self._ended.wait_for(lambda: self._busy is None and not self._waiting, seconds)

    def wrote(self, name: str, store: Store, rows: int) -> None:
        """Note that rows were written; begin where they have become enough."""
        with self._lock:
            self._written[name] = self._written.get(name, LEAST) + rows  # what stood there before is not known yet
            if self._written[name] < LEAST or name == self._busy or name in self._waiting:
                return
            self._written[name] = 0
        indexed, loose = rows_of(store)
        settled = max(indexed, self._settled.get(name, 0))  # a plan may say that no index is best
        missing = max(LEAST, int(_SHARE * settled)) - (indexed + loose - settled)
        if missing > 0:
            with self._lock:
                self._written[name] = LEAST - missing
            return
        with self._lock:
            self._waiting.append(name)
            if self._busy is None:
                self._busy = ""
                threading.Thread(target=self._work, name="nearfield-indexing", daemon=True).start()

    def forget(self, name: str) -> None:
        """A collection is gone."""
        with self._lock:
            self._written.pop(name, None)
            self._settled.pop(name, None)
            if name in self._waiting:
                self._waiting.remove(name)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._busy = self._waiting.pop(0) if self._waiting else None
                name = self._busy
                self._ended.notify_all()
            if name is None:
                return
            try:
                with self._hosted.open(name) as store:
                    store.compact()
                    self._settled[name] = sum(rows_of(store))
            except Exception as error:  # dropped meanwhile, the server closes, no room: answers are right without it
                logger.warning("%s: not indexed now: %s", name, error)


def rows_of(store: Store) -> tuple[int, int]:
    """How many rows of a store are in an index, and how many are not."""
    stats = store.stats()
    indexed = sum(segment["rows"] for segment in stats["segments"] if segment.get("index"))
    loose = sum(segment["rows"] for segment in stats["segments"] if not segment.get("index"))
    return indexed, loose + stats["pending"]

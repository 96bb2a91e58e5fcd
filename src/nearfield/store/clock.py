"""The time of day as a store sees it: it never goes backwards, so what has expired stays expired."""

from __future__ import annotations

import threading
import time

# What ends every transaction that writes. The time counts only where something expires: other catalogues do not depend
# on the time of day.
NEXT = """
UPDATE state SET generation = generation + 1,
       clock = CASE WHEN EXISTS (SELECT 1 FROM expiry) THEN MAX(clock, ?) ELSE clock END
"""


def wall() -> int:
    """The system's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


class Clock:
    """The newest time that this handle saw, whether on the system's clock or written down by an earlier writer."""

    def __init__(self) -> None:
        self._newest = 0
        self._lock = threading.Lock()

    def now(self) -> int:
        """Microseconds since 1970; never less than any time seen before."""
        with self._lock:
            self._newest = max(self._newest, wall())
            return self._newest

    def seen(self, moment: int) -> None:
        """Another clock showed ``moment``: time is at least that."""
        with self._lock:
            self._newest = max(self._newest, moment)

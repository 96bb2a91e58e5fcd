"""How many connections to a catalogue the threads of one process have at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

# A connection takes two file descriptors and some hundred kilobytes; a search holds one for some ten microseconds.
MOST = 32


class Slots:
    """At most ``most`` threads inside :meth:`taken` at a time; the others wait in line.

    Whoever is inside and asks again goes on at once, or it could wait for itself. So does one whose stay is lasting (an
    iteration that its caller leaves open): its number is the caller's affair.

    Examples
    --------
    >>> slots = Slots(1)
    >>> with slots.taken(), slots.taken():
    ...     pass
    """

    def __init__(self, most: int = MOST):
        self.most = most
        self._free = threading.BoundedSemaphore(most)
        self._mine = threading.local()

    @contextlib.contextmanager
    def taken(self, *, lasting: bool = False) -> Iterator[None]:
        """Wait for a slot and hold it."""
        if lasting or getattr(self._mine, "held", False):
            yield
            return
        with self._free:
            self._mine.held = True
            try:
                yield
            finally:
                self._mine.held = False

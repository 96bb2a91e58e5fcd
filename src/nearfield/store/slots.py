"""How many connections to a catalogue the threads of one process have at a time."""

from __future__ import annotations

import threading

# A connection takes two file descriptors and some hundred kilobytes; a search holds one for some ten microseconds.
MOST = 32


class Slots:
    """At most ``most`` threads between :meth:`enter` and :meth:`leave` at a time; the others wait in line.

    Whoever is inside and asks again goes on at once, or it could wait for itself. So does one whose stay is lasting (an
    iteration that its caller leaves open): its number is the caller's affair.

    Examples
    --------
    >>> slots = Slots(1)
    >>> slots.enter(), slots.enter()
    (True, False)
    >>> slots.leave()
    """

    def __init__(self, most: int = MOST):
        self.most = most
        self._free = threading.BoundedSemaphore(most)
        self._mine = threading.local()

    def enter(self, *, lasting: bool = False) -> bool:
        """Wait for a slot and take it; returns whether one was taken, and is to be given back with :meth:`leave`."""
        if lasting or getattr(self._mine, "held", False):
            return False
        self._free.acquire()
        self._mine.held = True
        return True

    def leave(self) -> None:
        """Give the slot back."""
        self._mine.held = False
        self._free.release()

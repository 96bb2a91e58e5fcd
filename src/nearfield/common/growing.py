"""Arrays that grow at their end, in time proportional to what is added."""

from __future__ import annotations

import numpy as np


class GrowingArray:
    """Rows appended to an array whose room grows by half when it is full: a row costs the same however many there are.

    What :attr:`rows` gave before stays as it was: a reader of it needs no lock while another thread appends.
    """

    def __init__(self, rows: np.ndarray):
        self._rows, self._n = rows, len(rows)

    def append(self, rows: np.ndarray) -> None:
        """Put ``rows`` at the end."""
        needed = self._n + len(rows)
        if needed > len(self._rows) or not self._rows.flags.writeable:
            room = np.empty((max(needed, self._n + self._n // 2), *self._rows.shape[1:]), self._rows.dtype)
            room[: self._n] = self.rows
            self._rows = room
        self._rows[self._n : needed] = rows
        self._n = needed

    def own(self) -> None:
        """Make the rows writable: those of a mapped file are copied."""
        if not self._rows.flags.writeable:
            self._rows = self.rows.copy()

    @property
    def rows(self) -> np.ndarray:
        """All rows so far, a view."""
        return self._rows[: self._n]

    def __len__(self) -> int:
        return self._n

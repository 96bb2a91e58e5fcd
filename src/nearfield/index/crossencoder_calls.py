"""Calling a scorer that may raise, answer nonsense or take for ever.

What a search asks of a scorer is counted against the budget of its query, checked, and ended at the deadline: where
there is one, the scorer runs in a thread of its own, which is left behind when it does not come back in time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..common.checks import MAX_LENGTH

Scorer = Callable[[Any, Any], Any]

# Items a call where there is a deadline and the caller says nothing: few enough that some calls come back in time.
TIMED_BATCH = 64


class Stopped(Exception):
    """A query is answered from what was scored so far; the reason is its message, the failure its cause."""

    def __init__(self, reason: str, *, timeout: bool = False):
        super().__init__(reason)
        self.timeout = timeout


class Calls:
    """The calls of one query: what was asked, what came.

    Parameters
    ----------
    scorer : ``score(query, items)``, larger is better.
    items : a sequence the scorer gets items of; None gives it the row numbers themselves.
    query : handed through.
    batch : items a call; None asks for all at once.
    deadline : on the clock of :func:`time.monotonic`; None waits as long as it takes.
    """

    def __init__(self, scorer: Scorer, items: Any, query: Any, batch: int | None, deadline: float | None):
        self._scorer, self._items, self._query = scorer, items, query
        self._batch = TIMED_BATCH if batch is None and deadline is not None else batch
        self._deadline = deadline
        self.rows = np.empty(0, np.int64)
        self.scores = np.empty(0, np.float64)

    def ask(self, rows: np.ndarray) -> None:
        """Score these rows; what came before something goes wrong is kept. Raises :class:`Stopped`."""
        step = max(1, len(rows) if self._batch is None else self._batch)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            scores = checked(self._answer(some), some)
            self.rows = np.concatenate([self.rows, some])
            self.scores = np.concatenate([self.scores, scores])

    def _answer(self, rows: np.ndarray) -> Any:
        chosen = rows.copy() if self._items is None else take(self._items, rows)
        if self._deadline is None:
            return _call(self._scorer, self._query, chosen)
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Stopped("timeout: the time was over", timeout=True)
        found: dict[str, Any] = {}

        def run() -> None:
            try:
                found["scores"] = _call(self._scorer, self._query, chosen)
            except BaseException as error:  # handed to the thread that waits
                found["error"] = error

        worker = threading.Thread(target=run, daemon=True, name="nearfield-scorer")
        worker.start()
        worker.join(left)
        if worker.is_alive():
            raise Stopped(f"timeout: the scorer did not answer for {len(rows)} items in time", timeout=True)
        if "error" in found:
            raise found["error"]
        return found["scores"]


def _call(scorer: Scorer, query: Any, items: Any) -> Any:
    try:
        return scorer(query, items)
    except Exception as error:
        raise Stopped(f"scorer: raised {type(error).__name__}: {error}") from error


def take(items: Any, rows: np.ndarray) -> Any:
    """The items of these rows: an array of an array, a list of anything else."""
    if isinstance(items, np.ndarray):
        return items[rows]
    return [items[row] for row in rows.tolist()]


def checked(scores: Any, rows: np.ndarray) -> np.ndarray:
    """Finite float64 ``(n,)``; :class:`Stopped` for anything else."""
    try:
        array = np.asarray(scores)
        if array.dtype == object or array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype}")
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise Stopped(f"scorer: expected numbers of shape ({len(rows)},), got {_shown(error)}") from error
    if array.shape != (len(rows),):
        raise Stopped(f"scorer: expected scores of shape ({len(rows)},), got {array.shape}")
    bad = ~(np.abs(array) <= MAX_LENGTH)
    if bad.any():
        raise Stopped(
            f"scorer: expected finite scores of size up to {MAX_LENGTH:g}, got {array[bad][0]} for row "
            f"{int(rows[np.argmax(bad)])} ({int(bad.sum())} of {len(rows)})"
        )
    return array


def _shown(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 100 else text[:97] + "..."


def score_all(
    scorer: Scorer,
    items: Any,
    n: int,
    queries: Sequence[Any],
    batch: int | None,
    done: Callable[[int], Any] | None,
) -> np.ndarray:
    """Every anchor query against every item: float32 ``(a, n)``. ValueError for a scorer that fails."""
    scores = np.empty((len(queries), n), np.float32)
    step = n if batch is None else batch
    for place, query in enumerate(queries):
        for start in range(0, n, step):
            rows = np.arange(start, min(start + step, n))
            calls = Calls(scorer, items, query, None, None)
            try:
                calls.ask(rows)
            except Stopped as stopped:
                raise ValueError(f"{stopped} (anchor query {place})") from stopped.__cause__
            scores[place, rows] = calls.scores
        if done is not None:
            done(place + 1)
    return scores


def checked_scores(scores: Any, shape: tuple[int, int]) -> np.ndarray:
    """Scores that were known before, float32 of this shape; ValueError for anything else."""
    array = np.asarray(scores)
    if array.dtype == object or array.dtype.kind not in "fiu" or array.shape != shape:
        raise ValueError(f"scores: expected numbers of shape {shape}, got {array.dtype} {array.shape}")
    for place, row in enumerate(array):
        if not (np.abs(row) <= MAX_LENGTH).all():
            raise ValueError(f"scores: expected finite scores of size up to {MAX_LENGTH:g}, got others in row {place}")
    return array.astype(np.float32)

"""Watching: a sample of the queries a store is really asked is answered again exactly, in the background.

A store can only promise the recall that its plan measured, on queries it had then. What users ask may be harder, and
rows come and go. While a store is searched, one query is drawn at random from those asked since the last draw, and a
thread of low priority asks it twice of the newest view: as the user did, and by a scan of everything. It then sleeps
for so long that it takes no more than its share of the time. Nothing of a search is kept but the query itself, so no
old view is held; what is measured is what such a query would find now.

The thread begins after the first few dozen queries, so a short-lived process has none, and ends with the store.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import native
from .filters import Filter
from .observed import Advice, Observation, Record
from .rows import Queries
from .search import nearest
from .segment import Segment, logger
from .snapshot import View

# So many queries are asked before the thread begins.
WARM = 64
# The shortest sleep: at most twenty queries a second are repeated, however small the store.
_PAUSE = 0.05
# One in so many repetitions asks for a stored item instead, as the plan did: it tells drift of the data from drift of
# the queries.
_STORED_EVERY = 4
_SAVE_SECONDS = 60.0
_LEAST_SAVED = 20
_ADVICE_EVERY = 50
_ADVICE_QUERIES = 100
_FACTORS = (0.5, 1, 2, 4, 8)
_MOST_BEAM = 1 << 14

_watching: weakref.WeakSet[Watch] = weakref.WeakSet()


class _Asked(NamedTuple):
    vector: np.ndarray
    k: int
    condition: Filter | None


class Watch:
    """Repeats sampled queries of one open store.

    Parameters
    ----------
    current : gives the newest view.
    record : where the outcomes go.
    share : the most of the time the thread may take, of one core; 0 watches nothing.
    random_state : draws the queries.
    clock, sleep : of the thread; a test gives its own.
    """

    def __init__(
        self,
        current: Callable[[], View],
        record: Record,
        share: float,
        *,
        random_state: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.record = record
        self.share = share
        self.asked = 0
        self._current = current
        self._clock = clock
        self._random = random.Random(random_state)
        self._since = 0
        self._next: _Asked | None = None
        self._steps = 0
        self._saved = clock()
        self._unsaved = 0
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def offer(self, queries: np.ndarray, k: int, condition: Filter | None) -> None:
        """Queries that were just answered with the plan's own settings; costs a microsecond."""
        if not self.share:
            return
        count = len(queries)
        self.asked += count
        self._since += count
        # One of all since the last draw, each as likely: threads that meet here may lose a draw, which harms nothing.
        if self._random.random() * self._since < count:
            row = self._random.randrange(count) if count > 1 else 0
            self._next = _Asked(queries[row].copy(), k, condition)
            if not self._ready.is_set():
                self._ready.set()
        if self._thread is None and self.asked >= WARM:
            self._begin()

    def step(self) -> float:
        """Repeat what was drawn; returns for how many seconds to sleep then."""
        start = self._clock()
        self._ready.clear()
        asked, self._next, self._since = self._next, None, 0
        if asked is not None:
            view = self._current()
            self.record.follow(view)
            self._steps += 1
            living = sum(live.count for live in view.parts)
            if len(asked.vector) != view.shape.dim:  # the store has moved to another model since
                living = 0
            if self._steps % _STORED_EVERY == 0 and self.record.target is not None and living > 1:
                self.record.add(self._repeat_stored(view, self._random.randrange(living), asked.k))
            if living:
                observation = self._repeat(view, asked)
                if observation is not None:
                    self.record.add(observation)
                    self._unsaved += 1
                    if self.record.due(_ADVICE_EVERY):
                        self.record.advice = self._advise(view)
            for sentence in self.record.new_alarms():
                logger.warning("%s", sentence)
            if self._unsaved >= _LEAST_SAVED and self._clock() - self._saved >= _SAVE_SECONDS:
                self.save()
        took = self._clock() - start
        return max(_PAUSE, took * (1 / self.share - 1))

    def save(self) -> None:
        """Leave the record where other processes find it; a disk that cannot be written to is none of our business."""
        with contextlib.suppress(OSError):
            self.record.save()
        self._saved, self._unsaved = self._clock(), 0

    def close(self) -> None:
        """End the thread and leave the record; twice is fine."""
        if os.getpid() != self._pid:
            return
        self._stop()
        if self._unsaved >= _LEAST_SAVED:
            self.save()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        with self._lock:
            if self._thread is not None or self._stopped.is_set():
                return
            thread = threading.Thread(
                target=_run,
                args=(weakref.ref(self), self._ready, self._stopped),
                name="nearfield-watch",
                daemon=True,
            )
            # A store dropped without close ends its thread; at the interpreter's exit none may be inside the core.
            weakref.finalize(self, _release, self._ready, self._stopped).atexit = False
            _watching.add(self)
            self._thread = thread
            thread.start()

    def _stop(self) -> None:
        with self._lock:
            thread = self._thread
            _release(self._ready, self._stopped)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # -- what is measured ---------------------------------------------------------------------------------------------

    def _repeat(self, view: View, asked: _Asked) -> Observation | None:
        queries = asked.vector[None]
        found = nearest(view, view.shape.metric, queries, asked.k, condition=asked.condition)
        if not found.allowed:
            return None
        truth = exact_distances(view, view.shape.metric, queries, asked.k, asked.condition)
        share = 1.0 if asked.condition is None else found.allowed / view.items
        return Observation.of(asked.vector, found.distances[0], truth, share, view.changes)

    def _repeat_stored(self, view: View, number: int, k: int) -> Observation:
        """One of the living items, asked for as the plan did: its own row does not count."""
        for live in view.parts:
            if number < live.count:
                row = live.rows()[number] if live.words is not None else number
                break
            number -= live.count
        own = live.part.keys[row]
        vector = np.asarray(live.part.vectors[row], np.float32)
        found = nearest(view, view.shape.metric, vector[None], k + 1)
        truth = exact_distances(view, view.shape.metric, vector[None], k + 1, None)
        others = found.distances[0][found.keys[0] != own][:k]
        # Its own distance is the least there is, whichever of several equal rows comes first.
        return Observation.of(vector, others, truth[1:], 1.0, view.changes, stored=True)

    def _advise(self, view: View) -> Advice | None:
        """What other beams would find on the queries asked last, of the largest segment with an index."""
        indexed = [segment for segment in view.segments if segment.index is not None]
        asked = self.record.latest(_ADVICE_QUERIES, view.changes)
        if not indexed or len(asked) < _ADVICE_QUERIES // 2:
            return None
        beam = planned_beam(max(indexed, key=len))
        if beam is None:
            return None
        queries = np.stack([observation.vector for observation in asked])
        k = max(observation.k for observation in asked)
        tried = []
        for factor in _FACTORS:
            wide = None if factor == 1 else max(k, min(_MOST_BEAM, round(factor * beam)))
            passes = []
            for _ in range(2):
                start = self._clock()
                found = nearest(view, view.shape.metric, queries, k, beam=wide)
                passes.append(self._clock() - start)
            recall = np.mean([o.recall_of(row) for o, row in zip(asked, found.distances, strict=True)])
            tried.append((wide or beam, float(recall), min(passes)))
        return Advice.of(tried, _FACTORS.index(1), self.record.target)


def planned_beam(segment: Segment) -> int | None:
    """How far the plan searches this segment's index; None where that is no single number."""
    from ..index.graph import DEFAULT_BEAM

    if segment.index.kind == "graph":
        return int(segment.settings.get("beam") or DEFAULT_BEAM)
    return None


def exact_distances(view: View, metric: str, queries: np.ndarray, k: int, condition: Filter | None) -> np.ndarray:
    """The distances of the ``k`` nearest allowed items of one query, ascending, by a scan on this thread alone."""
    asked = Queries(queries, metric)
    found = [np.empty(0, np.float32)]
    for live in view.parts:
        words, allowed = live.allowed(condition)
        if allowed:
            part = live.part
            kept = min(k, allowed)
            scores = native.scan(
                part.space, asked.prepared, kept, metric=asked.metric.native, allow=words, threads=1
            ).scores
            found.append(asked.metric.distances_from_scores(scores)[0])
    return np.sort(np.concatenate(found))[:k]


def _release(ready: threading.Event, stopped: threading.Event) -> None:
    stopped.set()
    ready.set()


def _run(reference: weakref.ref[Watch], ready: threading.Event, stopped: threading.Event) -> None:
    with contextlib.suppress(OSError, AttributeError):  # of this thread alone, where the system knows such a thing
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    while True:
        ready.wait()
        watch = reference()
        if stopped.is_set() or watch is None:
            return
        try:
            pause = watch.step()
        except Exception as error:  # the store was closed meanwhile, or is damaged: its own searches say so
            if not stopped.is_set():
                logger.warning("watching ends: %s", error)
            return
        del watch
        if stopped.wait(pause):
            return


@atexit.register
def _stop_all() -> None:
    for watch in list(_watching):
        watch._stop()

"""Long work for the page, a map or a survey: begun once, followed by asking how far it is, kept until others come.

One thread does all of it, one piece after the other, so that searches keep the other cores. It is a daemon: a server
that stops does not wait for a picture.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

logger = logging.getLogger("nearfield.serve")
KEPT = 8
RUNNING, DONE, FAILED = "running", "done", "failed"

Report = Callable[[str, float], None]


class Stopped(Exception):
    """Raised inside a piece of work that is not wanted any more."""


@dataclass
class Piece:
    """One piece of work. ``state`` is "running", "done" or "failed"; ``share`` of ``stage`` is done, 0 to 1.

    ``result`` is there when it is done, ``error`` when it failed.
    """

    state: str = RUNNING
    stage: str = "Waiting"
    share: float = 0.0
    result: Any = None
    error: Exception | None = None
    unwanted: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def report(self, stage: str, share: float) -> None:
        """Said by the work as it goes on; raises Stopped where it should end."""
        if self.unwanted:
            raise Stopped
        self.stage, self.share = stage, share


class Works:
    """Pieces of work by key, the ``KEPT`` last asked for.

    Examples
    --------
    >>> works = Works()
    >>> piece = works.begin("sum", lambda report: 1 + 2)
    >>> piece.ended.wait(60), works.find("sum").result
    (True, 3)
    """

    def __init__(self) -> None:
        self._pieces: OrderedDict[Hashable, Piece] = OrderedDict()
        self._lock = threading.Lock()
        self._queue: SimpleQueue[tuple[Hashable, Piece, Callable[[Report], Any]]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def find(self, key: Hashable) -> Piece | None:
        """The piece of this key, if it is still kept."""
        with self._lock:
            piece = self._pieces.get(key)
            if piece is not None:
                self._pieces.move_to_end(key)
            return piece

    def begin(self, key: Hashable, function: Callable[[Report], Any]) -> Piece:
        """Do ``function(report)``, unless that runs already; what was kept under the key is forgotten."""
        with self._lock:
            known = self._pieces.get(key)
            if known is not None and known.state == RUNNING and not known.unwanted:
                return known
            piece = self._pieces[key] = Piece()
            self._pieces.move_to_end(key)
            for old in [one for one, there in self._pieces.items() if there.state != RUNNING][:-KEPT]:
                del self._pieces[old]
            self._queue.put((key, piece, function))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nearfield-page", daemon=True)
                self._thread.start()
            return piece

    def stop(self, key: Hashable) -> None:
        """End what runs under the key, at its next report, and forget it."""
        with self._lock:
            piece = self._pieces.get(key)
            if piece is not None and piece.state == RUNNING:
                piece.unwanted = True
                del self._pieces[key]

    def _run(self) -> None:
        while True:
            key, piece, function = self._queue.get()
            try:
                piece.report("Starting", 0.0)
                piece.result = function(piece.report)
                piece.state = DONE
            except Stopped:
                piece.state = FAILED
            except Exception as error:  # whatever it is, the page shows it and the next piece is done
                logger.warning("%r failed: %s", key, error)
                piece.error = error
                piece.state = FAILED
            piece.ended.set()

"""Long work for the page: a map, a survey. Begun once, followed by asking how far it is, kept until others take its place.

One thread does all of it, one piece after the other, so that searches keep the other cores.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger("nearfield.serve")
KEPT = 8

Report = Callable[[str, float], None]


class Stopped(Exception):
    """Raised inside a piece of work that is not wanted any more."""


@dataclass
class Piece:
    """One piece of work. ``state`` is "running", "done", "failed" or "stopped"; ``share`` of ``stage`` is done, 0 to 1.

    ``result`` is there when it is done, ``message`` says why it failed.
    """

    state: str = "running"
    stage: str = "Waiting"
    share: float = 0.0
    result: Any = None
    message: str = ""
    ends: threading.Event = field(default_factory=threading.Event)

    def report(self, stage: str, share: float) -> None:
        """Said by the work as it goes on; raises Stopped where it should end."""
        if self.ends.is_set():
            raise Stopped
        self.stage, self.share = stage, share


class Works:
    """Pieces of work by key, the ``KEPT`` last asked for.

    Examples
    --------
    >>> works = Works()
    >>> piece = works.begin("sum", lambda report: 1 + 2)
    >>> works.close()
    >>> works.find("sum").result
    3
    """

    def __init__(self) -> None:
        self._pieces: OrderedDict[Hashable, Piece] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nearfield-page")

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
            if known is not None and known.state == "running":
                return known
            piece = self._pieces[key] = Piece()
            self._pieces.move_to_end(key)
            for old in [one for one, there in self._pieces.items() if there.state != "running"][:-KEPT]:
                del self._pieces[old]
            self._pool.submit(self._run, key, piece, function)
            return piece

    def stop(self, key: Hashable) -> None:
        """End what runs under the key, at its next report."""
        piece = self.find(key)
        if piece is not None:
            piece.ends.set()

    def close(self, *, stop: bool = False) -> None:
        """Wait for what runs; with ``stop`` it ends at its next report. Nothing can be begun any more."""
        with self._lock:
            if stop:
                for piece in self._pieces.values():
                    piece.ends.set()
        self._pool.shutdown(wait=True)

    def _run(self, key: Hashable, piece: Piece, function: Callable[[Report], Any]) -> None:
        try:
            piece.report("Starting", 0.0)
            piece.result = function(piece.report)
            piece.state = "done"
        except Stopped:
            piece.state = "stopped"
            with self._lock:
                if self._pieces.get(key) is piece:
                    del self._pieces[key]
        except Exception as error:  # whatever it is, the page shows it and the server goes on
            logger.warning("%r failed: %s", key, error, exc_info=True)
            piece.message = str(error) or type(error).__name__
            piece.state = "failed"

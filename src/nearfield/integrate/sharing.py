"""One open store for all in a process who name the same directory.

A store has one writer, and frameworks make several adapters for one path: a pipeline that indexes and another that
asks, or one that is loaded from its description a second time. They share the handle; it is closed when the last of
them has given it back.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from ..store import Store

_lock = threading.RLock()
_open: dict[tuple[int, Path], tuple[Store, int]] = {}
_changing: weakref.WeakKeyDictionary[Store, threading.RLock] = weakref.WeakKeyDictionary()


class Lease:
    """The right to use a store until :meth:`release`, which closes it unless it is shared with others."""

    def __init__(self, store: Store, key: tuple[int, Path] | None = None):
        self.store = store
        self._key = key
        self._pid = os.getpid()
        self._released = False

    def release(self) -> None:
        """Give the store back; twice is fine."""
        with _lock:
            if self._released or self._pid != os.getpid():  # a forked child leaves its parent's handles alone
                return
            self._released = True
            if self._key is not None:
                _, users = _open.get(self._key, (self.store, 1))
                if users > 1:
                    _open[self._key] = self.store, users - 1
                    return
                _open.pop(self._key, None)
            self.store.close()


def lease(path: Path, create: Callable[[], Store] | None) -> Lease | None:
    """The store at ``path`` for writing, opened or made where nobody here has it open; None where there is none."""
    key = os.getpid(), path.resolve()
    with _lock:
        known = _open.get(key)
        if known is not None and not known[0].closed:
            _open[key] = known[0], known[1] + 1
            return Lease(known[0], key)
        if path.exists():
            store = Store.open(path)
        elif create is None:
            return None
        else:
            try:
                store = create()
            except FileExistsError:  # another process was quicker; it has it open, or has closed it again
                store = Store.open(path)
        _open[key] = store, 1
        return Lease(store, key)


def lock_of(store: Store) -> threading.RLock:
    """The lock of those who read items of a store in order to write them again."""
    with _lock:
        return _changing.setdefault(store, threading.RLock())

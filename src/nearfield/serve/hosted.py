"""The collections a server holds, and the threads that work on them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ..common.checks import check_int
from ..store import Collections, Store
from ..store.catalogue import FILE_NAME
from .errors import Problem

Answer = TypeVar("Answer")

# So many calls may wait for each thread before the next is sent away.
_WAITING = 128
# So many clients may import or export at a time.
_STREAMS = 8


class Hosted:
    """What a server serves: one store, or a folder of collections, by the same methods, and a bounded pool of threads.

    Parameters
    ----------
    path : a store's directory, which is then the only collection, named by its stem; or a folder of collections, as
        :class:`nearfield.store.Collections` keeps it, made when it is absent and its parent is there.
    read_only : open everything for reading; another process may then write.
    threads : how many calls of :meth:`run` work at a time.
    most_open : collections open at a time.

    Raises
    ------
    FileNotFoundError : there is nothing at ``path`` and it cannot be made. StoreLockedError : another process writes to
    the store.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> hosted = Hosted(folder.name + "/all")
    >>> hosted.create("papers", 3)
    >>> with hosted.open("papers") as store:
    ...     list(hosted), store.dim
    (['papers'], 3)
    >>> hosted.close(); folder.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        threads: int = 8,
        most_open: int = 64,
    ):
        check_int(threads, "threads", 1, 1 << 20)
        self.path = Path(path).absolute()
        self.read_only = read_only
        self._store: Store | None = None
        self._collections: Collections | None = None
        if (self.path / FILE_NAME).exists():
            self._store = Store.open(self.path, read_only=read_only)
        elif self.path.suffix == ".nf":
            raise FileNotFoundError(f"path: no store at {self.path}; make one, or name a folder to hold collections")
        else:
            self._collections = Collections(self.path, most_open=most_open, read_only=read_only)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="nearfield")
        self._most_waiting = threads * _WAITING
        self._waiting = 0
        self._streams = ThreadPoolExecutor(_STREAMS, thread_name_prefix="nearfield-stream")
        self._streaming = 0
        self._users = 0
        self._idle = threading.Condition()
        self._writes: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    @property
    def single(self) -> str | None:
        """The name of the only collection where one store is served; None for a folder."""
        return None if self._store is None else self.path.stem

    # -- the methods of Collections -----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter([self.path.stem]) if self._collections is None else iter(self._collections)

    def __len__(self) -> int:
        return 1 if self._collections is None else len(self._collections)

    def __contains__(self, name: object) -> bool:
        return name == self.path.stem if self._collections is None else name in self._collections

    def create(self, name: str, dim: int, *, exist_ok: bool = False, **settings: Any) -> None:
        """Make a collection, see :meth:`nearfield.store.Collections.create`; PermissionError with one store."""
        if self._collections is None:
            if exist_ok and name in self:
                return
            raise PermissionError("name: this server serves one store and makes no collections; serve a folder instead")
        self._collections.create(name, dim, exist_ok=exist_ok, **settings)

    def drop(self, name: str) -> None:
        """Remove a collection with all it holds; PermissionError where one store is served."""
        if self._collections is None:
            raise PermissionError("name: this server serves one store and removes none; serve a folder instead")
        self._collections.drop(name)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Store]:
        """The collection's store, for the length of a ``with`` block; FileNotFoundError when there is none."""
        if self._collections is not None:
            try:
                opened = self._collections.open(name)
                store = opened.__enter__()
            except FileNotFoundError:
                raise FileNotFoundError(f"name: no collection {name!r}") from None
            with contextlib.ExitStack() as stack:
                stack.push(opened)
                yield store
            return
        if name not in self or self._store is None:
            raise FileNotFoundError(f"name: no collection {name!r}")
        with self._idle:
            self._users += 1
        try:
            yield self._store
        finally:
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def stats(self) -> dict[str, int]:
        """How many there are, are open and in use, as :meth:`nearfield.store.Collections.stats` says."""
        if self._collections is not None:
            return self._collections.stats()
        return {"collections": 1, "open": 1, "in_use": int(self._users > 0)}

    def close(self, wait: float = 30.0) -> None:
        """Close all stores, once what runs in them has ended or ``wait`` seconds are over. Closing twice is fine."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._streams.shutdown(wait=False, cancel_futures=True)
        if self._collections is not None:
            self._collections.close()
        elif self._store is not None:
            with self._idle:
                self._idle.wait_for(lambda: not self._users, wait)
            self._store.close()

    # -- work ---------------------------------------------------------------------------------------------------------

    async def run(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """``function(*arguments)`` in one of the threads; 503 when too many calls wait for one already.

        Who stops waiting for it does not stop the thread.
        """
        return await asyncio.wrap_future(self.submit(function, *arguments))

    def submit(self, function: Callable[..., Answer], *arguments: Any) -> Future[Answer]:
        """The same for who does not await it: the future of the thread."""
        with self._idle:
            if self._waiting >= self._most_waiting:
                raise Problem(503, "too much work is waiting; come back in a second", {"Retry-After": "1"})
            self._waiting += 1
        try:
            working = self._pool.submit(function, *arguments)
        except RuntimeError:
            self._done(None)
            raise Problem(503, "the server is stopping") from None
        working.add_done_callback(self._done)
        return working

    async def write(self, name: str, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """As :meth:`run`, one at a time in each collection, and to the end also when nobody waits for it any more.

        A store has one writer: threads that wait for each other there would be missing where searches need them.
        """
        lock = self._writes.get(name)
        if lock is None:
            lock = self._writes[name] = asyncio.Lock()

        async def alone() -> Answer:
            async with lock:
                return await self.run(function, *arguments)

        return await asyncio.shield(asyncio.ensure_future(alone()))

    def stream(self, function: Callable[[], Answer]) -> asyncio.Future[Answer]:
        """``function()`` in a thread of its own kind: it moves at the pace of a client, which others must not wait for.

        503 when as many clients stream already as there are such threads.
        """
        with self._idle:
            if self._streaming >= _STREAMS:
                raise Problem(
                    503, f"{_STREAMS} clients import or export already; come back later", {"Retry-After": "10"}
                )
            self._streaming += 1
        working = self._streams.submit(function)
        working.add_done_callback(self._streamed)
        return asyncio.wrap_future(working)

    def _streamed(self, _: object) -> None:
        with self._idle:
            self._streaming -= 1
            self._idle.notify_all()

    @property
    def waiting(self) -> int:
        """How many calls of :meth:`run` work or wait."""
        return self._waiting

    def busy(self, seconds: float) -> bool:
        """Wait until nothing runs in the threads any more; returns whether something still does."""
        with self._idle:
            return not self._idle.wait_for(lambda: not self._waiting and not self._streaming, max(0.0, seconds))

    def _done(self, _: object) -> None:
        with self._idle:
            self._waiting -= 1
            self._idle.notify_all()

    def __repr__(self) -> str:
        return f"Hosted({str(self.path)!r}, {len(self)} collections)"

"""Many collections in one process: a folder of stores, opened when they are asked for, as many at a time as is said.

Each collection is a :class:`nearfield.store.Store` of its own in ``FOLDER/NAME.nf``; names are escaped as in
:mod:`nearfield.store.names`. An open store costs file descriptors and some memory, so those that nobody uses are closed
again, the least recently used first, when more are open than allowed or together they hold more bytes than allowed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..common import files
from ..common.checks import check_bytes, check_int, check_real
from ..common.errors import StoreLockedError
from .catalogue import LOCK_NAME
from .names import escape, unescape
from .segment import Segment
from .store import Store

_ENDING = ".nf"

# The catalogues of so many, those used last, keep what makes them quick; each of the others gives up some 200 kB.
_WARM = 16


class _Entry:
    """One collection that is open, being opened, or being closed (then ``store`` is None)."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self.users = 0
        self.bytes = 0
        self.warm = True


class Collections:
    """A folder of collections, one store each: for many small ones, such as one a tenant, in one process.

    Take it when there are more collections than should be open at once, or when names come from outside; take a single
    :class:`Store` with an attribute and ``where=`` when searches go across them. Safe to use from many threads. A
    collection has one writer at a time: the process that has it open. Another process may open it once it is closed
    here, which happens when others take its place, or with :meth:`close`.

    Parameters
    ----------
    folder : where the collections are; made when it is absent and its parent is there.
    most_open : how many are open at a time. One takes up to ten file descriptors; a process often has 1,024.
    memory : bytes, or a text such as ``"500MB"``, that all open collections together may hold for their indexes,
        mapped vectors and pending rows; None sets no limit. Those that are in use are never closed for it.
    read_only : open all of them for reading; then other processes may write.
    wait : seconds to wait for a place when all are in use, or for a collection that is being dropped.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> tenants = Collections(folder.name + "/tenants")
    >>> tenants.create("Acme & Co", dim=3)
    >>> with tenants.open("Acme & Co") as store:
    ...     _ = store.add(["a", "b"], np.eye(3, dtype=np.float32)[:2])
    ...     store.search(np.float32([1, 0, 0]), k=1).ids
    ['a']
    >>> list(tenants), "acme & co" in tenants
    (['Acme & Co'], False)
    >>> tenants.drop("Acme & Co")
    >>> tenants.close(); folder.cleanup()
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        most_open: int = 64,
        memory: int | str | None = None,
        read_only: bool = False,
        wait: float = 30.0,
    ):
        self.folder = Path(folder).absolute()
        self.most_open = check_int(most_open, "most_open", 1)
        self.memory = None if memory is None else check_bytes(memory, "memory")
        self.wait = check_real(wait, "wait", 0.0, 1e9)
        self.read_only = read_only
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._changed = threading.Condition(threading.Lock())
        self._bytes = 0
        self._opened = 0
        self._closed = False
        if not self.folder.is_dir():
            if read_only or not self.folder.parent.is_dir():
                raise FileNotFoundError(f"folder: no such directory: {self.folder}")
            with contextlib.suppress(FileExistsError):
                files.make_directory(self.folder)
        if not read_only:
            self._remove_dropped()

    # -- which there are ----------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(sorted(self._names()))

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, name: object) -> bool:
        try:
            return self._place(name).is_dir()
        except (TypeError, ValueError):  # nothing that could be a name
            return False

    def create(self, name: str, dim: int, *, exist_ok: bool = False, **settings: Any) -> None:
        """Make an empty collection; ``settings`` are those of :meth:`Store.create`.

        FileExistsError when there is one of this name, unless ``exist_ok``: then that one stays as it is.
        """
        self._ensure_usable()
        if self.read_only:
            raise PermissionError(f"{self.folder}: opened with read_only=True; open it without to create")
        place = self._place(name)
        try:
            entry = self._enter(place.name, lambda: Store.create(place, dim, **settings), fresh=True)
        except FileExistsError:
            if not exist_ok:
                raise
            return
        self._leave(place.name, entry)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Store]:
        """The collection, for the length of a ``with`` block, in which nothing closes it.

        Raises
        ------
        FileNotFoundError : there is none of this name. TimeoutError : ``most_open`` collections are in use for longer
            than ``wait``. StoreLockedError : another process writes to it.
        """
        place = self._place(name)
        entry = self._enter(place.name, lambda: Store.open(place, read_only=self.read_only))
        assert entry.store is not None
        try:
            yield entry.store
        finally:
            self._leave(place.name, entry)

    def drop(self, name: str) -> None:
        """Remove a collection with all it holds; waits until nobody here uses it.

        Raises
        ------
        FileNotFoundError : there is none of this name. StoreLockedError : another process writes to it.
        """
        self._ensure_usable()
        if self.read_only:
            raise PermissionError(f"{self.folder}: opened with read_only=True; open it without to drop")
        place = self._place(name)
        with self._changed:
            self._until(lambda: self._unused(place.name), f"{name!r} is in use")
            entry = self._entries.get(place.name)
            if entry is not None:
                self._retire(place.name, entry)
            mine = self._entries[place.name] = _Entry()  # whoever asks for it now waits, and then finds none
        try:
            if not place.is_dir():
                raise FileNotFoundError(f"name: no collection {name!r} in {self.folder}")
            self._remove(place)
        finally:
            with self._changed:
                self._forget(place.name, mine)

    # -- all of them --------------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, int]:
        """How many there are, are open and in use; bytes held by the open ones; how often one was opened."""
        with self._changed:
            ready = [entry for entry in self._entries.values() if entry.store is not None]
            return {
                "collections": len(self._names()),
                "open": len(ready),
                "in_use": sum(entry.users > 0 for entry in ready),
                "bytes": self._bytes,
                "opened": self._opened,
            }

    def close(self) -> None:
        """Close all collections; those in use are closed when their ``with`` blocks end. Closing twice is fine."""
        with self._changed:
            self._closed = True
            for file, entry in list(self._entries.items()):
                if entry.store is not None and not entry.users:
                    self._retire(file, entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Collections({str(self.folder)!r}, most_open={self.most_open})"

    # -- inside; methods below are called with the lock held unless they say otherwise ---------------------------------

    def _enter(self, file: str, opening: Callable[[], Store], *, fresh: bool = False) -> _Entry:
        """Take part in a collection, opening it if need be; called without the lock. ``fresh``: it must be new."""
        with self._changed:
            self._until(lambda: self._ready(file), f"all {self.most_open} places (most_open) are in use")
            entry = self._entries.get(file)
            if entry is not None:
                if fresh:
                    raise FileExistsError(f"name: there is a collection here already: {self.folder / file}")
                entry.users += 1
                entry.warm = True
                self._entries.move_to_end(file)
                return entry
            entry = self._entries[file] = _Entry()
        try:
            store = opening()
            store._watch.share = 0.0  # a thread for each of thousands: what should be watched is opened by itself
        except BaseException:
            with self._changed:
                self._forget(file, entry)
            raise
        with self._changed:
            entry.store, entry.users = store, 1
            self._opened += 1
            self._changed.notify_all()
        return entry

    def _ready(self, file: str) -> bool:
        """Whether a collection is open, or may be opened now; makes room by closing one that nobody uses."""
        self._ensure_usable()
        entry = self._entries.get(file)
        if entry is not None:
            return entry.store is not None
        if len(self._entries) < self.most_open:
            return True
        self._close_one()
        return file not in self._entries and len(self._entries) < self.most_open

    def _unused(self, file: str) -> bool:
        entry = self._entries.get(file)
        return entry is None or (entry.store is not None and not entry.users)

    def _leave(self, file: str, entry: _Entry) -> None:
        """The end of a ``with`` block; called without the lock."""
        with self._changed:
            store = entry.store
            assert store is not None
            entry.users -= 1
            size = _held(store)
            self._bytes += size - entry.bytes
            entry.bytes = size
            if not entry.users and (self._closed or store._catalogue.closed):
                self._retire(file, entry)
            while self.memory is not None and self._bytes > self.memory and self._close_one():
                pass
            for other in itertools.islice(reversed(self._entries.values()), _WARM, _WARM + 2):
                if other.warm and other.store is not None and not other.users:
                    other.store._catalogue.trim()
                    other.warm = False
            self._changed.notify_all()

    def _close_one(self) -> bool:
        """Close the least recently used of those that nobody uses; returns whether there was one."""
        for file, entry in self._entries.items():
            if entry.store is not None and not entry.users:
                self._retire(file, entry)
                return True
        return False

    def _retire(self, file: str, entry: _Entry) -> None:
        """Close a collection that nobody uses. The lock is given away meanwhile: closing syncs."""
        store, entry.store = entry.store, None
        assert store is not None
        self._changed.release()
        try:
            store.close()
        finally:
            self._changed.acquire()
            self._forget(file, entry)

    def _forget(self, file: str, entry: _Entry) -> None:
        if self._entries.get(file) is entry:
            del self._entries[file]
        self._bytes -= entry.bytes
        entry.bytes = 0
        self._changed.notify_all()

    def _until(self, condition: Any, why: str) -> None:
        deadline = time.monotonic() + self.wait
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.folder}: waited {self.wait:g} s: {why}")
            self._changed.wait(left)

    def _place(self, name: Any) -> Path:
        return self.folder / (escape(name, "name") + _ENDING)

    def _names(self) -> list[str]:
        found = files.list_directory(self.folder)
        names = (unescape(file.removesuffix(_ENDING)) for file in found if file.endswith(_ENDING))
        return [name for name in names if name is not None]

    def _ensure_usable(self) -> None:
        if self._closed:
            raise ValueError(f"{self.folder}: the collections are closed")

    def _remove(self, place: Path) -> None:
        """Remove a collection's directory: its name at once, its files after that. Needs no lock of ours."""
        lock = files.lock_exclusive(place / LOCK_NAME)
        if lock is None:
            raise StoreLockedError(place, files.lock_holder(place / LOCK_NAME))
        try:
            hidden = place.with_name(f".{place.name}.dropping-{os.getpid()}-{threading.get_ident()}")
            files.rename(place, hidden)
        finally:
            files.unlock(lock)
        files.remove_tree(hidden)

    def _remove_dropped(self) -> None:
        """Remove what a killed process left of collections that it was dropping."""
        for file in files.list_directory(self.folder):
            if file.startswith(".") and f"{_ENDING}.dropping-" in file:
                files.remove_tree(self.folder / file)


def _held(store: Store) -> int:
    """Bytes of the store's last view: indexes, mapped vectors, pending rows."""
    view = store._viewer._view
    total = 0
    for live in view.parts if view is not None else ():
        part = live.part
        if isinstance(part, Segment) and part.index is not None:
            total += sum(int(size) for size in part.index.memory().values())
        else:
            total += part.vectors.nbytes
    return total

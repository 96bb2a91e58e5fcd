"""The catalogue: one SQLite file in WAL mode, the store's single source of truth.

What is committed here exists, whatever else lies in the directory; a file that no row names does not. A commit is
durable when it returns (``synchronous=FULL``). Keys are the store's own row names: int64, ascending in the order of
arrival, never used twice. The tables are described in ``docs/format.md``.

SQLite handles do not survive ``fork``: a child that closed an inherited connection in the middle of the parent's
transaction would undo it. A child therefore leaves inherited connections alone, for good, and is told so on first use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from ..common import files
from ..common.errors import CorruptFileError, FormatVersionError, StoreLockedError
from .clock import NEXT, Clock
from .formats import steps, upgrade
from .slots import Slots
from .sqlite_errors import BUSY_SECONDS, sqlite_errors
from .tables import read_state, set_meta, write_arrays

FORMAT_VERSION = 5
APPLICATION_ID = 0x4E465354  # "NFST"
FILE_NAME = "catalogue.sqlite"
LOCK_NAME = "writer.lock"
SEGMENTS_NAME = "segments"

_PAGE_SIZE = 8192
_CHECKPOINT_PAGES = 4096

# Format 1; what later formats added is in formats.py.
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL, xxh3 INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, items INTEGER NOT NULL,
                   changes INTEGER NOT NULL);
CREATE TABLE items(key INTEGER PRIMARY KEY AUTOINCREMENT, id NOT NULL UNIQUE, payload TEXT, xxh3 INTEGER);
CREATE TABLE deleted(seq INTEGER PRIMARY KEY AUTOINCREMENT, key INTEGER NOT NULL);
CREATE TABLE pending(batch INTEGER PRIMARY KEY AUTOINCREMENT, first_key INTEGER NOT NULL, rows INTEGER NOT NULL,
                     ids BLOB NOT NULL, vectors BLOB NOT NULL, attributes BLOB, xxh3 INTEGER NOT NULL);
CREATE TABLE segments(number INTEGER PRIMARY KEY AUTOINCREMENT, description TEXT NOT NULL, xxh3 INTEGER NOT NULL);
CREATE TABLE scales(block INTEGER PRIMARY KEY, keys BLOB NOT NULL, scales BLOB NOT NULL, xxh3 INTEGER NOT NULL);
INSERT INTO state VALUES (1, 1, 0, 0);
"""

_open: weakref.WeakSet[Catalogue] = weakref.WeakSet()
_inherited: set[tuple[int, int]] = set()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{mode}",  # a name need not be text
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_SECONDS,
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _log_ahead(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to WAL mode. Where SQLite cannot, it stays silent in another, whose commits a power loss may undo."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise OSError(errno.EIO, f"nothing was changed: the log cannot be made (journal mode {mode!r})", str(path))


class Catalogue:
    """The open catalogue of one store: a connection that writes, and as many that read as threads ask for.

    A writer holds ``writer.lock`` for as long as it is open.
    """

    def __init__(self, folder: Path, *, read_only: bool, immutable: bool = False):
        self.folder = folder
        self.path = folder / FILE_NAME
        self.segments = folder / SEGMENTS_NAME
        self.read_only = read_only
        self.pid = os.getpid()
        self.closed = False
        self._lock: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._connections: list[sqlite3.Connection] = []  # all that read, idle or lent
        self._pool = threading.Lock()
        self.write_lock = threading.RLock()
        self._generation: int | None = None  # known to the writer only: nobody else can commit
        self.clock = Clock()
        self._version = 0
        self._slots = Slots()
        self._mode = "immutable=1" if immutable else "mode=ro"  # a tag: nobody ever changes it
        self._refuse_what_is_no_store()
        stat = self.path.stat()
        self._inode = (stat.st_dev, stat.st_ino)
        if self._inode in _inherited:
            raise RuntimeError(
                f"{folder}: this process was forked while the store was open, and SQLite cannot open it again here; "
                "close it before forking, or start the process with multiprocessing's 'spawn' or 'forkserver'"
            )
        if not read_only:
            self._lock = files.lock_exclusive(folder / LOCK_NAME)
            if self._lock is None:
                raise StoreLockedError(folder, files.lock_holder(folder / LOCK_NAME))
            self._release = weakref.finalize(self, os.close, self._lock)  # for a store dropped without close
        _open.add(self)
        try:
            with sqlite_errors(self.path):
                self._open_connections()
        except BaseException:
            self.close()
            raise

    # -- opening and closing ------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, folder: Path, meta: Mapping[str, Any], arrays: Mapping[str, Mapping[str, np.ndarray]] | None = None
    ) -> None:
        """Make a store's directory with an empty catalogue, settings and groups of arrays: complete or not at all."""
        if folder.exists():
            raise FileExistsError(errno.EEXIST, "exists already; open it with Store.open", str(folder))
        if not folder.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such directory to create a store in", str(folder.parent))
        temporary = folder.with_name(f".{folder.name}.creating-{os.getpid()}")
        files.remove_tree(temporary)
        try:
            files.make_directory(temporary)
            files.make_directory(temporary / SEGMENTS_NAME)
            with sqlite_errors(temporary / FILE_NAME):
                connection = _connect(temporary / FILE_NAME, "mode=rwc")
                try:
                    connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                    _log_ahead(connection, temporary / FILE_NAME)
                    connection.executescript("BEGIN;" + _SCHEMA + ";".join(steps(1, FORMAT_VERSION)))
                    for name, value in meta.items():
                        set_meta(connection, name, value)
                    for group, several in (arrays or {}).items():
                        write_arrays(connection, group, several)
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                    connection.execute("COMMIT")
                finally:
                    connection.close()
            files.sync_directory(temporary)
            publish_directory(temporary, folder)
        except BaseException:
            files.remove_tree(temporary)
            raise

    def _refuse_what_is_no_store(self) -> None:
        if not self.folder.exists():
            raise FileNotFoundError(errno.ENOENT, "no store here; make one with Store.create", str(self.folder))
        if not self.path.exists():
            if self.segments.is_dir():
                raise CorruptFileError(self.path, "the catalogue is missing")
            raise ValueError(f"{self.folder}: not a nearfield store (no {FILE_NAME} in it)")
        if self.path.stat().st_size == 0:
            raise CorruptFileError(self.path, "truncated to nothing")

    def _refuse_another_file(self) -> None:
        stat = self.path.stat()
        if (stat.st_dev, stat.st_ino) != self._inode:  # a tag that was removed and made anew, or a store in its place
            raise FileNotFoundError(errno.ENOENT, "removed while it was open", str(self.folder))

    def _open_connections(self) -> None:
        if self._lock is not None:
            self._writer = _connect(self.path, "mode=rw")
            self._check_format(self._writer)
            # SQLite reads where it may not write, and would say so at the first add only, and at every one after it.
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute("DELETE FROM meta WHERE FALSE")
            self._writer.execute("ROLLBACK")
            _log_ahead(self._writer, self.path)
            files.sync_directory(self.folder)  # the log's name must last; SQLite syncs it too, but passes over an error
            upgrade(self._writer, self.path, FORMAT_VERSION)
            self._writer.execute("PRAGMA secure_delete = OFF")
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._writer.execute(f"PRAGMA journal_size_limit = {2 * _CHECKPOINT_PAGES * _PAGE_SIZE}")
            return
        try:
            connection = _connect(self.path, self._mode)
            self._check_format(connection)
        except sqlite3.OperationalError:
            # A read-only medium: SQLite cannot make its shared-memory file there. Without a log nothing can be missed.
            if os.access(self.folder, os.W_OK) or self.path.with_name(FILE_NAME + "-wal").exists():
                raise
            self._mode = "immutable=1"
            connection = _connect(self.path, self._mode)
            self._check_format(connection)
        self._connections.append(connection)
        self._idle.append(connection)

    def _check_format(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if application != APPLICATION_ID:
            raise CorruptFileError(self.path, "not the catalogue of a nearfield store (wrong application id)")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT_VERSION:
            raise FormatVersionError(self.folder, version, FORMAT_VERSION)
        if version < 1:
            raise CorruptFileError(self.path, f"format version {version} never existed")
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE type IN ('trigger', 'view')").fetchone():
            raise CorruptFileError(self.path, "holds a trigger or a view, which no store has")

    def close(self) -> None:
        """Close every connection and give the writer's lock back; closing twice is fine."""
        if os.getpid() != self.pid:
            return
        self.closed = True
        with self.write_lock, self._pool:
            connections = [*self._idle, *([self._writer] if self._writer is not None else [])]
            self._idle, self._connections, self._writer = [], [], None
            try:
                for connection in connections:
                    with sqlite_errors(self.path):
                        connection.close()
            finally:
                if self._lock is not None:
                    if self._release.detach() is not None:  # None: the interpreter's exit has given it back already
                        files.unlock(self._lock)
                    self._lock = None
        _open.discard(self)

    def ensure_usable(self) -> None:
        """Refuse a closed handle, and one that a forked child inherited."""
        if os.getpid() != self.pid:
            raise RuntimeError(
                f"{self.folder}: opened in process {self.pid} and used in its forked child {os.getpid()}; "
                "open the store in the process that uses it"
            )
        if self.closed:
            raise ValueError(f"{self.folder}: the store is closed")

    def _abandon(self) -> None:
        """In a forked child: keep the inherited connections from ever being closed, and let go of the lock."""
        import ctypes

        for connection in [*self._connections, self._writer]:
            if connection is not None:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        _inherited.add(self._inode)
        if self._lock is not None:
            self._release.detach()
            os.close(self._lock)
            self._lock = None

    # -- transactions -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _borrowed(self, *, lasting: bool = False) -> Iterator[sqlite3.Connection]:
        self.ensure_usable()
        waited = self._slots.enter(lasting=lasting)
        try:
            with sqlite_errors(self.path):
                connection = self._lend()
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    self._take_back(connection)
        finally:
            if waited:
                self._slots.leave()

    def _lend(self) -> sqlite3.Connection:
        with self._pool:
            self.ensure_usable()
            if not self._idle:
                self._refuse_another_file()
                self._idle.append(_connect(self.path, self._mode))
                self._connections.append(self._idle[-1])
            return self._idle.pop()

    def _take_back(self, connection: sqlite3.Connection) -> None:
        with self._pool:
            if not self.closed and len(self._idle) < self._slots.most:
                self._idle.append(connection)
                return
            connection.close()
            if connection in self._connections:
                self._connections.remove(connection)

    @contextlib.contextmanager
    def reading(self, *, lasting: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection inside one read transaction: everything it reads is of one moment.

        ``lasting`` is for one whose end is not ours to decide: it does not count among those that threads wait for.
        """
        with self._borrowed(lasting=lasting) as connection:
            connection.execute("BEGIN")
            yield connection

    def format(self, connection: sqlite3.Connection) -> int:
        """The format version: an older one stays what it is until somebody writes to the store."""
        if self._version < FORMAT_VERSION:
            self._version = connection.execute("PRAGMA user_version").fetchone()[0]
        return self._version

    def expires(self, connection: sqlite3.Connection) -> bool:
        """Whether the catalogue knows of expiry; one of format 1 that nobody has written to since does not."""
        return self.format(connection) >= 2

    def committed_generation(self) -> int:
        """The number of the last committed transaction, whoever wrote it; costs some ten microseconds."""
        with self._borrowed() as connection:
            return read_state(connection, self.path)[0]

    def newest(self) -> int:
        """Like :meth:`committed_generation`; free in the process that writes, since nobody else can commit."""
        if self._lock is None:
            return self.committed_generation()
        if self._generation is None and self.write_lock.acquire(blocking=False):
            try:  # with the lock no commit is on its way, so that what is read stays true until the next
                if self._generation is None:
                    self._generation = self.committed_generation()
            finally:
                self.write_lock.release()
        generation = self._generation
        if generation is None:
            return self.committed_generation()
        self.ensure_usable()
        return generation

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one write transaction: durable when the block ends, undone when it raises."""
        self.ensure_usable()
        with self.write_lock, sqlite_errors(self.path):
            if self._writer is None:
                self.ensure_usable()
                raise PermissionError(errno.EROFS, "the store is open with read_only=True", str(self.folder))
            connection = self._writer
            if connection.in_transaction:  # ctrl-C came between an error and its rollback
                connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute(NEXT, (self.clock.now(),))
                generation = connection.execute("SELECT generation FROM state").fetchone()[0]
                self._generation = None
                connection.execute("COMMIT")
                self._generation = generation
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def trim(self) -> None:
        """Give back what an open store holds only to be quick: spare connections and cached pages."""
        with self.write_lock, self._pool, sqlite_errors(self.path):
            if self._writer is not None:
                for connection in self._idle:
                    self._connections.remove(connection)
                    connection.close()
                self._idle = []
            for kept in (*self._idle, *([self._writer] if self._writer is not None else [])):
                kept.execute("PRAGMA shrink_memory")

    def shrink(self) -> None:
        """Give the catalogue's free pages back to the file system, and the log where no reader needs it any more."""
        with self.write_lock, sqlite_errors(self.path):
            if self._writer is not None:
                # execute() would take one step of this statement, and free one page.
                self._writer.executescript("PRAGMA incremental_vacuum;")
                # Not to wait for readers: what they keep from being given back is at the next time.
                self._writer.execute("PRAGMA busy_timeout = 0")
                try:
                    self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    self._writer.execute(f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS:.0f}")


def publish_directory(temporary: Path, folder: Path) -> None:
    """Rename a finished directory into place; FileExistsError when the name was taken meanwhile."""
    try:
        files.rename(temporary, folder)
    except BaseException as error:
        if not temporary.exists():  # renamed, but not known to be durable: as if it had never been there
            files.rename(folder, temporary)  # the name goes first: what it names is never seen in part
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(errno.EEXIST, "exists already", str(folder)) from error
        raise


def _abandon_all() -> None:
    for catalogue in list(_open):
        catalogue._abandon()


_register: Callable[..., None] | None = getattr(os, "register_at_fork", None)
if _register is not None:
    _register(after_in_child=_abandon_all)

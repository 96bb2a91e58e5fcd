from __future__ import annotations

import errno
import gc
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError, FormatVersionError, StoreLockedError
from nearfield.store import Store, catalogue
from nearfield.store.catalogue import FORMAT_VERSION, Catalogue
from nearfield.store.tables import digest, read_meta, set_meta


def sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_commits_are_synced_and_logged_ahead(make: Callable[..., Store]) -> None:
    store = make()
    with store._catalogue.writing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_failing_block_is_undone_and_the_store_goes_on(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    with pytest.raises(KeyboardInterrupt), store._catalogue.writing() as connection:
        connection.execute("DELETE FROM items")
        raise KeyboardInterrupt
    assert 1 in store
    store._catalogue._writer.execute("BEGIN")  # as if ctrl-C had come between an error and its rollback
    store.add([2], vectors[1:2])
    assert len(store) == 2


def test_a_writer_asks_for_the_generation_once(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = make()
    path = created.path
    created.close()
    asked: list[int] = []
    committed = Catalogue.committed_generation
    monkeypatch.setattr(Catalogue, "committed_generation", lambda self: asked.append(1) or committed(self))
    with Store.open(path) as store, Store.open(path, read_only=True) as reader:
        own = store._catalogue
        own._generation = None  # as in one that was opened and has not written
        asked.clear()
        first = own.newest()
        assert [own.newest(), own.newest(), len(asked)] == [first, first, 1]
        store.add([7], vectors[:1])
        asked.clear()
        assert own.newest() > first
        assert not asked
        assert reader._catalogue.newest() == own.newest()  # who only reads has to look
        assert len(asked) == 1
        with own.writing():  # on another thread a commit may be on its way: nothing is kept of what is read meanwhile
            own._generation = None
            thread = threading.Thread(target=own.newest)
            thread.start()
            thread.join()
            assert own._generation is None


def test_settings_carry_checksums(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT, xxh3 INTEGER)")
    set_meta(connection, "plan", {"b": 1, "a": [None]})
    assert read_meta(connection, tmp_path, "plan") == {"plan": {"b": 1, "a": [None]}}
    with pytest.raises(CorruptFileError, match="setting 'dim' is missing"):
        read_meta(connection, tmp_path)
    connection.execute("UPDATE meta SET value = replace(value, '1', '2')")
    with pytest.raises(CorruptFileError, match="checksum of setting 'plan' differs"):
        read_meta(connection, tmp_path)


def test_the_log_is_written_over(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grows to where it is folded in, and no further, however many commits there are."""
    monkeypatch.setattr(catalogue, "_CHECKPOINT_PAGES", 64)
    store = make()
    log = store.path / "catalogue.sqlite-wal"
    sizes = []
    for turn in range(120):
        store.upsert([turn % 8], vectors[:1])
        sizes.append(log.stat().st_size)
    assert len(set(sizes)) > 5 and max(sizes) < 2 * 64 * 8192
    assert sizes[-1] == sizes[len(sizes) // 2]


def test_digests_fit_sqlite() -> None:
    values = [digest(b"%d" % number) for number in range(200)]
    assert len(set(values)) == 200
    assert min(values) < 0 < max(values) < 2**63
    assert digest(b"a", b"b") == digest(b"ab")


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no store here.*absent\.nf"):
        Store.open(tmp_path / "absent.nf")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"folder: not a nearfield store"):
        Store.open(tmp_path / "folder")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="not a nearfield store"):
        Store.open(tmp_path / "file")
    (tmp_path / "folder" / "catalogue.sqlite").write_bytes(b"")
    with pytest.raises(CorruptFileError, match=r"catalogue\.sqlite: truncated to nothing"):
        Store.open(tmp_path / "folder")
    (tmp_path / "folder" / "catalogue.sqlite").write_bytes(b"nonsense" * 1000)
    with pytest.raises(CorruptFileError, match=r"catalogue\.sqlite: "):
        Store.open(tmp_path / "folder")
    os.unlink(tmp_path / "folder" / "catalogue.sqlite")
    sqlite3.connect(tmp_path / "folder" / "catalogue.sqlite").execute("CREATE TABLE t(a)").connection.close()
    with pytest.raises(CorruptFileError, match="not the catalogue of a nearfield store"):
        Store.open(tmp_path / "folder")


def test_a_newer_format_is_refused(make: Callable[..., Store]) -> None:
    store = make()
    store.close()
    sql(store.path, f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    for read_only in (False, True):
        with pytest.raises(FormatVersionError, match=f"format version {FORMAT_VERSION + 1} is newer"):
            Store.open(store.path, read_only=read_only)
    sql(store.path, f"PRAGMA user_version = {FORMAT_VERSION}")
    Store.open(store.path).close()


def test_create_makes_a_whole_store_or_nothing(tmp_path: Path) -> None:
    Store.create(tmp_path / "with space, % and ü?.nf", 4).close()
    Store.open(tmp_path / "with space, % and ü?.nf").close()
    with pytest.raises(FileExistsError, match=r"open it with Store\.open"):
        Store.create(tmp_path / "with space, % and ü?.nf", 4)
    with pytest.raises(FileNotFoundError, match="no such directory to create"):
        Store.create(tmp_path / "no" / "where.nf", 4)
    before = os.listdir(tmp_path)
    for arguments in ({"dim": 0}, {"dim": 4, "metric": "hamming"}, {"dim": 4, "dtype": "float64"}):
        with pytest.raises(ValueError):
            Store.create(tmp_path / "new.nf", **arguments)
    assert os.listdir(tmp_path) == before


def test_a_second_writer_is_told_who_holds_it(make: Callable[..., Store]) -> None:
    store = make()
    with pytest.raises(StoreLockedError, match=rf"another writer has this store open \(process {os.getpid()}\)"):
        Store.open(store.path)
    with Store.open(store.path, read_only=True) as reader:
        assert len(reader) == 0
    store.close()
    Store.open(store.path).close()


def test_a_dropped_handle_gives_the_lock_back(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "a.nf", 4)
    del store
    gc.collect()
    Store.open(tmp_path / "a.nf").close()


def test_a_closed_store_says_so(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.close()
    store.close()
    for call in (
        lambda: store.search(vectors[0]),
        lambda: store.add([2], vectors[:1]),
        lambda: store.get(1),
        lambda: len(store),
        store.compact,
        store.stats,
    ):
        with pytest.raises(ValueError, match="the store is closed"):
            call()
    assert "closed" in repr(store)


def test_a_reader_cannot_write(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    with Store.open(store.path, read_only=True) as reader:
        for call in (
            lambda: reader.add([2], vectors[:1]),
            lambda: reader.upsert([2], vectors[:1]),
            lambda: reader.delete([1]),
            reader.seal,
            reader.compact,
            reader.optimize,
            reader.fit_judge,
            lambda: reader.verify(repair=True),
        ):
            with pytest.raises(PermissionError, match="read_only=True"):
                call()
        assert reader.verify().ok and len(reader) == 1


def test_a_reader_on_a_medium_that_cannot_be_written(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.close()
    connect = sqlite3.connect

    def refusing(database: str, **options: object) -> sqlite3.Connection:
        if "immutable" not in database:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(database, **options)

    monkeypatch.setattr("nearfield.store.catalogue.sqlite3.connect", refusing)
    with pytest.raises((OSError, sqlite3.OperationalError)):
        Store.open(store.path, read_only=True)
    monkeypatch.setattr("nearfield.store.catalogue.os.access", lambda *_: False)
    with Store.open(store.path, read_only=True) as reader:
        assert reader.search(vectors[0], 1).ids == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_forked_child_is_told_and_harms_nothing(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        told = []
        for call in (
            lambda: store.search(vectors[0]),
            lambda: store.add([2], vectors[:1]),
            lambda: Store.open(store.path),
        ):
            try:
                call()
                told.append("nothing")
            except Exception as error:
                told.append(f"{type(error).__name__}: {error}")
        store.close()
        del store
        os.write(writing, "\n".join(told).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    told = os.read(reading, 65536).decode().splitlines()
    os.close(reading)
    assert len(told) == 3
    assert all(text.startswith("RuntimeError") for text in told), told
    assert "used in its forked child" in told[0] and "spawn" in told[2]
    store.add([2], vectors[1:2])
    assert len(store) == 2 and store.verify().ok
    with pytest.raises(StoreLockedError):
        Store.open(store.path)


def test_a_forked_child_does_not_keep_the_lock(make: Callable[..., Store]) -> None:
    store = make()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # until the parent is done
        os._exit(0)
    os.close(reading)
    store.close()
    Store.open(store.path).close()
    os.close(writing)
    os.waitpid(child, 0)


def test_many_threads_read_at_once(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100], payload=list(range(100)))
    wrong = []

    def read(number: int) -> None:
        for step in range(20):
            identifier = (number * 7 + step) % 100
            if store.search(vectors[identifier], 1, payload=True).payload != [identifier]:
                wrong.append(identifier)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(store._catalogue._idle) <= 17


def test_a_foreign_lock_times_out_with_a_clear_error(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearfield.store.catalogue.BUSY_SECONDS", 0.05)
    store = make()
    other = sqlite3.connect(store.path / "catalogue.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError, match="another program keeps the catalogue locked"):
        store.add([1], vectors[:1])
    other.execute("ROLLBACK")
    other.close()
    store.add([1], vectors[:1])


def test_closing_while_others_read(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(10)), vectors[:10])
    batches = store.iterate(1)
    next(batches)
    store.close()
    with pytest.raises(ValueError, match="closed"):
        len(store)
    assert sum(len(batch) for batch in batches) == 9
    assert Catalogue(store.path, read_only=True).committed_generation() > 1


def test_a_catalogue_without_its_log_gets_it_or_is_refused(
    make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not say when it could not switch to the log; in other modes a power loss may undo a commit."""
    store = make()
    store.close()
    sql(store.path, "PRAGMA journal_mode = DELETE")
    reader = sqlite3.connect(store.path / "catalogue.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM state").fetchall()  # keeps the mode from being changed
    monkeypatch.setattr(catalogue, "BUSY_SECONDS", 0.05)
    with pytest.raises(OSError):
        Store.open(store.path)
    reader.close()
    with Store.open(store.path) as again, again._catalogue.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_catalogue_that_cannot_be_written_is_refused_when_a_writer_opens(
    make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.close()
    connect = catalogue._connect
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "_connect", lambda path, _: connect(path, "mode=ro"))
        with pytest.raises(OSError, match="readonly") as caught:
            Store.open(store.path)
    assert caught.value.errno == errno.EROFS
    Store.open(store.path).close()  # the lock was given back


def test_trimming_gives_back_connections_and_nothing_else(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1, 2], vectors[:2], payload=["a", "b"])
    iteration = store.iterate(1)
    first = next(iteration)
    store.search(vectors[0], 1, payload=True)
    with Store.open(store.path, read_only=True) as reader:
        reader.search(vectors[0], 1)
        for handle in (store, reader):
            handle._catalogue.trim()
            assert handle.search(vectors[1], 1, payload=True).payload == ["b"]
        assert [*first.ids, *(identifier for batch in iteration for identifier in batch.ids)] == [1, 2]
        store.add([3], vectors[2:3])
        store._catalogue.trim()
        assert reader.search(vectors[2], 1).ids == store.search(vectors[2], 1).ids == [3]
    assert store.verify().ok
    store.close()
    store._catalogue.trim()

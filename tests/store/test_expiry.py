"""Time to live: gone from the microsecond it expires, whatever the clock does afterwards."""

from __future__ import annotations

import datetime as dt
import errno
import math
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nearfield.common import files
from nearfield.store import Store, expiry
from nearfield.store import clock as clocks
from nearfield.store.expiry import NEVER, ExpiryBuffer, moments

START = 1_700_000_000  # seconds since 1970


class Wall:
    """The system's clock, in the hands of a test."""

    def __init__(self) -> None:
        self.seconds: float = START

    def __call__(self) -> int:
        return round(self.seconds * 1_000_000)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wall]:
    wall = Wall()
    monkeypatch.setattr(clocks, "wall", wall)
    yield wall


def test_gone_from_the_moment_of_expiry(make: Callable[..., Store], vectors: np.ndarray, wall: Wall) -> None:
    store = make(attributes={"year": "int"})
    store.add([1, 2], vectors[:2], ttl=10, attributes={"year": [1, 2]}, payload=["a", "b"])
    store.add([3], vectors[2:3], attributes={"year": [3]})
    with Store.open(store.path, read_only=True) as reader:
        for handle in (store, reader):
            assert len(handle) == 3 and 1 in handle and handle.get(1).payload == "a"
        wall.seconds += 9.999999
        for handle in (store, reader):
            assert handle.search(vectors[0], 3).ids[0] == 1 and len(handle) == 3
            assert handle.get(1).expires == dt.datetime.fromtimestamp(START + 10, dt.UTC)
            assert handle.get(3).expires is None
        iteration = reader.iterate(1)
        first = next(iteration)
        wall.seconds = START + 10
        for handle in (store, reader):
            assert len(handle) == 1 and 1 not in handle and 3 in handle
            assert handle.get([1, 2, 3])[:2] == [None, None]
            hits = handle.search(vectors[0], 3, payload=True)
            assert hits.ids == [3, None, None] and hits.status == "only 1 item"
            assert handle.search(vectors[0], 3, where="year < 3").status == "no item passes the filter"
            assert handle.search_range(vectors[0], 2.0).ids == [3]
            assert handle.search(vectors[0], 3, group_by="year").groups[0] == 3
            assert [batch.ids for batch in handle.iterate()] == [[3]]
            stats = handle.stats()
            assert (stats["items"], stats["deleted"], stats["expiring"]) == (1, 2, 0)
            assert handle.verify().ok
        # an iteration shows the store as it was when it began
        assert [first.ids, *(batch.ids for batch in iteration)] == [[1], [2], [3]]


def test_a_view_never_changes(make: Callable[..., Store], vectors: np.ndarray, wall: Wall) -> None:
    store = make()
    store.add(list(range(10)), vectors[:10], expires=[START + i for i in range(10)])
    view = store._viewer.current()
    shown = []
    for seconds in (0, 4, 4, 20):
        wall.seconds = START + seconds
        shown.append(view.unexpired(store._catalogue.clock))
    assert [one.items for one in shown] == [9, 5, 5, 0] and view.items == 10
    assert shown[1] is shown[2] and [one.parts[0].count for one in shown] == [9, 5, 5, 0]
    assert store._viewer.current() is view


def test_nothing_expires_costs_nothing(make: Callable[..., Store], vectors: np.ndarray, wall: Wall) -> None:
    store = make()
    store.add([1], vectors[:1], ttl=math.inf)
    view = store._viewer.current()
    assert view.expiry is None and view.unexpired(store._catalogue.clock) is view
    with store._catalogue.reading() as connection:
        assert connection.execute("SELECT clock FROM state").fetchone() == (0,)


def test_rows_leave_the_disk(
    make: Callable[..., Store], vectors: np.ndarray, wall: Wall, low_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "PURGED_AT_ONCE", 10)
    store = make()
    store.add(list(range(50)), vectors[:50], ttl=10)
    store.add([100], vectors[100:101])

    def stored() -> int:
        with store._catalogue.reading() as connection:
            kept = connection.execute("SELECT COUNT(*) FROM items").fetchone()[0]
            assert connection.execute("SELECT COUNT(*) FROM expiry").fetchone()[0] <= kept
            assert connection.execute("SELECT items FROM state").fetchone()[0] == kept
        return int(kept)

    wall.seconds += 10
    assert stored() == 51 and len(store) == 1
    store.add([101], vectors[101:102])  # each write removes a bounded share
    assert stored() == 42 and len(store) == 2
    assert store.delete([101]) == 1
    assert stored() == 31 and len(store) == 1
    store.compact()
    assert stored() == 1 and store.stats()["segments"][0]["rows"] == 1
    assert not store.compact() and store.verify().ok
    store.add(list(range(50)), vectors[:50], ttl=1)
    wall.seconds += 1
    store.seal()
    assert stored() == 1 and store.stats()["pending"] == 0 and store.verify().ok
    store.delete([100])
    store.compact()
    assert store.stats()["segments"] == [] and len(store) == 0


def test_an_expired_id_is_free(
    make: Callable[..., Store], vectors: np.ndarray, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "PURGED_AT_ONCE", 1)
    store = make()
    store.add(["a", "b", "c", "d", "e", "f"], vectors[:6], ttl=10)
    with pytest.raises(ValueError, match="'f' is in the store already"):
        store.add("f", vectors[10])
    wall.seconds += 10
    assert store.delete(["e"]) == 0  # it was gone already
    assert store.add("f", vectors[10]) == 1
    assert np.array_equal(store.get("f").vector, vectors[10]) and len(store) == 1
    assert store.upsert("d", vectors[11]) == 1 and len(store) == 2
    assert store.verify().ok
    wall.seconds += 1000
    assert len(store) == 2


def test_upsert_resets_it(make: Callable[..., Store], vectors: np.ndarray, wall: Wall, low_limits: None) -> None:
    store = make(ttl=dt.timedelta(seconds=10))
    assert store.ttl == dt.timedelta(seconds=10)
    store.add([1, 2, 3, 4], vectors[:4])
    wall.seconds += 6
    store.upsert([1], vectors[:1])
    store.upsert([2], vectors[1:2], ttl=math.inf)
    store.upsert([3], vectors[2:3], expires=START + 12)
    store.compact()
    seen = []
    for seconds in (9, 10, 12, 16):
        wall.seconds = START + seconds
        seen.append(sorted(identifier for identifier in store.search(vectors[0], 4).ids if identifier is not None))
    assert seen == [[1, 2, 3, 4], [1, 2, 3], [1, 2], [2]]
    store.close()
    with Store.open(store.path) as again:
        assert again.ttl == store.ttl and len(again) == 1
    assert make("plain.nf").ttl is None


def test_a_clock_set_back_resurrects_nobody(make: Callable[..., Store], vectors: np.ndarray, wall: Wall) -> None:
    store = make()
    store.add([1, 2], vectors[:2], expires=[START + 10, None])
    wall.seconds += 11
    assert len(store) == 1  # this handle saw it
    wall.seconds = START - 1000
    assert len(store) == 1 and store.search(vectors[0], 2).ids == [2, None] and 1 not in store
    store.add([3], vectors[2:3], expires=[START + 9])  # by the clock on the wall not yet; by the store's, long ago
    assert 3 not in store and store.get(3) is None
    store.add([4], vectors[3:4], ttl=5)  # counted from the store's time
    assert store.get(4).expires == dt.datetime.fromtimestamp(START + 16, dt.UTC)
    store.close()
    for read_only in (True, False):  # others learn it from the catalogue
        with Store.open(store.path, read_only=read_only) as again:
            assert len(again) == 2 and again.search(vectors[0], 2).ids.count(1) == 0 and 3 not in again


def test_closing_writes_down_what_has_expired(make: Callable[..., Store], vectors: np.ndarray, wall: Wall) -> None:
    store = make()
    store.add([1, 2], vectors[:2], expires=[START + 10, None])
    wall.seconds += 20
    store.close()
    wall.seconds -= 20
    with Store.open(store.path) as again:
        assert len(again) == 1 and 1 not in again
    other = make("b.nf")
    other.add([1], vectors[:1], ttl=10)
    wall.seconds += 20
    other._catalogue._writer.execute("PRAGMA query_only = ON")
    other.close()  # a disk that refuses does not keep a store from closing
    with Store.open(other.path) as again:
        assert len(again) == 0


def test_a_reader_takes_over_the_writers_time(make: Callable[..., Store], vectors: np.ndarray, wall: Wall) -> None:
    store = make()
    store.add([1, 2], vectors[:2], expires=[START + 10, START + 100])
    with Store.open(store.path, read_only=True) as reader:
        assert len(reader) == 2
        wall.seconds += 50
        store.add([3], vectors[2:3])
        wall.seconds -= 50
        assert len(reader) == 2 and 1 not in reader
        assert reader.search(vectors[0], 3).ids.count(1) == 0


def test_many_that_expire_one_after_the_other(
    make: Callable[..., Store], vectors: np.ndarray, wall: Wall, rng: np.random.Generator, low_limits: None
) -> None:
    """Against a plain list, over segments, pending rows and deletions."""
    store = make()
    at = {int(i): START + float(t) for i, t in enumerate(rng.integers(1, 200, 400) / 2)}
    for start in range(0, 400, 30):
        ids = list(range(start, min(start + 30, 400)))
        store.add(ids, vectors[ids], expires=[at[i] for i in ids])
        if start == 120:
            store.compact()
    store.delete(list(range(0, 400, 9)))
    reader = Store.open(store.path, read_only=True)
    for step in range(12):
        wall.seconds = START + step * 9.3
        if step in (4, 8):
            store.upsert([1000 + step], vectors[:1])
            at[1000 + step] = math.inf
        if step == 6:
            store.seal()
        alive = {i for i, t in at.items() if t > wall.seconds and (i % 9 or i >= 1000)}
        for handle in (store, reader):
            assert {i for batch in handle.iterate() for i in batch.ids} == alive and len(handle) == len(alive)
            found = handle.search(vectors[step], 500).ids
            assert {i for i in found if i is not None} == alive
    assert reader.verify().ok
    reader.close()


def test_what_callers_say(wall: Wall) -> None:
    clock = clocks.Clock()
    second = 1_000_000

    def of(ttl: Any = None, expires: Any = None, rows: int = 2, default: int | None = None) -> Any:
        found = moments(ttl, expires, rows, default, clock)
        return None if found is None else found.tolist()

    assert of() is None and of(ttl=math.inf) is None and of(expires=[None, None]) is None
    assert of(ttl=1.5) == [(START * second) + 1_500_000] * 2
    assert of(ttl=dt.timedelta(days=1), default=5) == [(START + 86400) * second] * 2
    assert of(default=7) == [START * second + 7] * 2 and of(ttl=math.inf, default=7) is None
    assert of(expires=[None, None], default=7) is None
    at = dt.datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    micro = round(at.timestamp()) * second + 6
    zone = at.astimezone(dt.timezone(dt.timedelta(hours=5)))
    for value in (
        at,
        zone,
        at.replace(tzinfo=None),
        "2030-01-02T03:04:05.000006Z",
        np.datetime64("2030-01-02T03:04:05.000006"),
    ):
        assert of(expires=value) == [micro] * 2
        assert of(expires=[value, None]) == [micro, NEVER]
    assert of(expires=np.array(["2030-01-02", "NaT"], "datetime64[D]")) == [1893542400 * second, NEVER]
    assert of(expires=[5, 5.25]) == [5 * second, 5_250_000]
    assert of(expires=np.array([5, 6])) == [5 * second, 6 * second]
    assert of(expires=["1960-01-01", math.inf]) == [1, NEVER]
    assert of(expires=[], rows=0) is None


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"ttl": 0}, ValueError, "ttl: expected more than 0 seconds"),
        ({"ttl": -1}, ValueError, "ttl: expected more than 0 seconds"),
        ({"ttl": math.nan}, ValueError, "ttl: expected more than 0 seconds"),
        ({"ttl": 1e300}, ValueError, "ttl: expected more than 0 seconds and at most"),
        ({"ttl": 2.53e11}, ValueError, "ttl: expected a time before the year 9999"),
        ({"ttl": "10"}, TypeError, "ttl: expected seconds or a timedelta, got '10'"),
        ({"ttl": True}, TypeError, "ttl: expected seconds"),
        ({"ttl": 1, "expires": 5}, ValueError, "expires: expected one of ttl and expires, got both"),
        ({"expires": ["soon", None]}, ValueError, "expires: position 0, expected ISO text"),
        ({"expires": [None, b"x"]}, TypeError, "expires: position 1: expected a time"),
        ({"expires": [True, None]}, TypeError, "expires: position 0: expected a time"),
        ({"expires": [math.nan, None]}, TypeError, "expires: position 0: expected a time"),
        ({"expires": [None]}, ValueError, "expires: expected 2 times, one per item, got 1"),
        ({"expires": 1_700_000_000_000}, ValueError, "expected a time before the year 9999"),  # milliseconds
        ({"expires": object()}, TypeError, "expires: expected a time or one per item"),
    ],
)
def test_bad_times_are_refused(
    make: Callable[..., Store], vectors: np.ndarray, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    store = make()
    for call in (store.add, store.upsert):
        with pytest.raises(error, match=text):
            call([1, 2], vectors[:2], **options)
    assert len(store) == 0


def test_a_bad_ttl_makes_no_store(make: Callable[..., Store]) -> None:
    with pytest.raises(ValueError, match="ttl: expected more than 0"):
        make(ttl=0)
    assert make(ttl=60).ttl == dt.timedelta(minutes=1)


@pytest.mark.slow
def test_a_disk_that_fails_at_any_moment_resurrects_nobody(
    make: Callable[..., Store], vectors: np.ndarray, wall: Wall, low_limits: None, content: Callable[[Store], Any]
) -> None:
    """Every file operation of a seal, a compaction and an add that becomes a segment, after half of all has expired."""
    jobs: list[Callable[[Store], Any]] = [
        lambda store: store.seal(),
        lambda store: store.compact(),
        lambda store: store.add(list(range(200, 300)), vectors[200:300], ttl=100),
    ]
    for number, job in enumerate(jobs):
        failing, step = True, 0
        while failing:
            store = make(f"{number}-{step}.nf")
            store.add(list(range(30)), vectors[:30], expires=[START + 10 + 10 * (i % 2) for i in range(30)])
            store.seal()
            store.add(list(range(30, 60)), vectors[30:60], expires=[START + 10 + 10 * (i % 2) for i in range(30)])
            wall.seconds = START + 15
            before = content(store)
            assert sorted(before) == list(range(1, 60, 2))
            count = iter(range(1000))

            def fail(name: str, path: Any, count: Any = count, step: int = step) -> None:
                if next(count) == step:
                    raise OSError(errno.ENOSPC, "injected")

            try:
                with files.fault_injection(fail):
                    job(store)
                failing = next(count) > step
            except OSError:
                failing = True
                assert content(store) == before
            store.close()
            wall.seconds = START - 100
            with Store.open(store.path) as again:
                found = content(again)
                assert {i: row for i, row in found.items() if i < 200} == before and again.verify().ok
                assert len(found) in (30, 130)
            wall.seconds = START
            step += 1
        assert step > 5 or number == 2


def test_a_copy_keeps_its_times(make: Callable[..., Store], vectors: np.ndarray, wall: Wall) -> None:
    store = make()
    store.add([1, 2], vectors[:2], expires=[START + 10, None])
    store.snapshot(store.path.with_name("copy.nf"))
    wall.seconds += 10
    with Store.open(store.path.with_name("copy.nf")) as copy:
        assert len(copy) == 1 and copy.get([1, 2])[0] is None


def test_verify_names_times_that_belong_to_nothing(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1], ttl=100)
    store.close()
    connection = sqlite3.connect(store.path / "catalogue.sqlite", isolation_level=None)
    connection.execute("INSERT INTO expiry VALUES (77, 5)")
    connection.close()
    with Store.open(store.path, read_only=True) as reader:
        assert "1 times of expiry belong to no item" in str(reader.verify())
    connection = sqlite3.connect(store.path / "catalogue.sqlite", isolation_level=None)
    connection.execute("UPDATE expiry SET at = 'soon' WHERE key = 77")
    connection.close()
    with Store.open(store.path, read_only=True) as reader:
        assert "table expiry: expected integers" in str(reader.verify())


def test_the_buffer_follows_in_any_order(tmp_path: Any, rng: np.random.Generator) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE expiry(key INTEGER PRIMARY KEY, at INTEGER NOT NULL)")
    buffer = ExpiryBuffer()
    assert buffer.view() is None
    known: dict[int, int] = {}
    for start in range(0, 5000, 700):
        fresh = {start + i: int(t) for i, t in enumerate(rng.integers(1, 1000, 700))}
        connection.executemany("INSERT INTO expiry VALUES (?, ?)", fresh.items())
        known |= fresh
        buffer.read(connection, tmp_path)
        view = buffer.view()
        for then, now in ((0, 1), (0, 500), (499, 500), (900, 5000)):
            assert sorted(view.between(then, now).tolist()) == [key for key, at in known.items() if then < at <= now]
        for now in (0, 998, 999, 1000):
            assert view.next_after(now) == min((at for at in known.values() if at > now), default=NEVER)
        keys = np.array([0, start + 699, 999_999])
        assert view.of(keys).tolist() == [known[0], known[start + 699], NEVER]

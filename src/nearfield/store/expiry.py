"""Time to live: when items expire, kept in the catalogue's table ``expiry``, one row for every item that does.

Expiry is looked at when somebody asks: an item is gone from the microsecond it expires, for searches, look-ups and
counts alike. Its rows leave the disk later: every write removes some of what has expired, a seal or compaction all.
A view never changes; :meth:`nearfield.store.snapshot.View.unexpired` makes one without what has expired since. A store
in which nothing expires pays one comparison for it.

Times are microseconds since 1970. The clock never goes backwards (:mod:`nearfield.store.clock`): writers write down
the newest time they saw with every transaction, and readers begin from there.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import CorruptFileError
from ..common.growing import GrowingArray
from .attributes import parse_timestamp
from .clock import Clock
from .tables import whole

if TYPE_CHECKING:
    from .catalogue import Catalogue

NEVER = np.iinfo(np.int64).max
# What one add or delete removes of what has expired: so many rows, or twice what it brings, whichever is more.
PURGED_AT_ONCE = 128

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
_SECOND = 1_000_000
_MOST = int((_LAST - _EPOCH).total_seconds()) * _SECOND


# -- what callers say -------------------------------------------------------------------------------------------------


def check_ttl(ttl: Any, name: str = "ttl") -> int | None:
    """A time to live in microseconds, from seconds or a timedelta; None for one without an end."""
    seconds = ttl.total_seconds() if isinstance(ttl, dt.timedelta) else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise TypeError(f"{name}: expected seconds or a timedelta, got {ttl!r}")
    length = float(seconds)
    if length == math.inf:
        return None
    if not 0 < length * _SECOND <= _MOST:
        raise ValueError(f"{name}: expected more than 0 seconds and at most {_MOST // _SECOND}, got {ttl!r}")
    return max(1, round(length * _SECOND))


def moments(ttl: Any, expires: Any, rows: int, default: int | None, clock: Clock) -> np.ndarray | None:
    """When each of ``rows`` items expires, int64 with :data:`NEVER`; None when none does.

    ``ttl`` and ``expires`` are the caller's, ``default`` is the store's own time to live.
    """
    if ttl is not None and expires is not None:
        raise ValueError("expires: expected one of ttl and expires, got both")
    if expires is None:
        length = default if ttl is None else check_ttl(ttl)
        if length is None:
            return None
        return np.full(rows, _within(clock.now() + length, "ttl"))
    single = isinstance(expires, str | dt.date | np.datetime64 | Real)
    values = [expires] * rows if single else _listed(expires)
    if len(values) != rows:
        raise ValueError(f"expires: expected {rows} times, one per item, got {len(values)}")
    at = np.fromiter((_moment(value, place) for place, value in enumerate(values)), np.int64, rows)
    return None if (at == NEVER).all() else at


def _listed(expires: Any) -> Sequence[Any]:
    if isinstance(expires, np.ndarray) and expires.ndim == 1:
        return expires.astype("datetime64[us]").tolist() if expires.dtype.kind == "M" else expires.tolist()
    if hasattr(expires, "to_pylist"):
        return list(expires.to_pylist())
    if isinstance(expires, Iterable) and not isinstance(expires, bytes):
        return list(expires)
    raise TypeError(f"expires: expected a time or one per item, got {expires!r}")


def _moment(value: Any, place: int) -> int:
    where = f"expires: position {place}"
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if value is None:
        return int(NEVER)
    if isinstance(value, Real) and not isinstance(value, bool):
        if math.isfinite(value):
            return _within(round(float(value) * _SECOND), where)
        if value == math.inf:
            return int(NEVER)
    elif isinstance(value, str | dt.date):
        moment = parse_timestamp(value, where)
        return _within((moment - _EPOCH) // dt.timedelta(microseconds=1), where)
    raise TypeError(f"{where}: expected a time (datetime, ISO text, seconds since 1970) or None, got {value!r}")


def _within(moment: int, what: str) -> int:
    if abs(moment) > _MOST:
        raise ValueError(f"{what}: expected a time before the year 9999, got {moment // _SECOND} seconds since 1970")
    return max(1, moment)


def as_datetime(moment: int) -> dt.datetime | None:
    """A moment as callers see it, in UTC; None for :data:`NEVER`."""
    return None if moment == NEVER else _EPOCH + dt.timedelta(microseconds=int(moment))


# -- in the catalogue -------------------------------------------------------------------------------------------------


def present(catalogue: Catalogue, connection: sqlite3.Connection) -> int:
    """The time now, not before what the last writer saw."""
    row = connection.execute("SELECT clock FROM state").fetchone()
    catalogue.clock.seen(*whole(catalogue.path, "table state", *(row or (None,))))
    return catalogue.clock.now()


def count_living(catalogue: Catalogue, connection: sqlite3.Connection) -> int:
    """How many items there are now."""
    if not catalogue.expires(connection):
        return int(connection.execute("SELECT items FROM state").fetchone()[0])
    items, clock = connection.execute("SELECT items, clock FROM state").fetchone()
    if not clock:  # nothing ever expired here
        return int(items)
    now = present(catalogue, connection)
    return int(items) - int(connection.execute("SELECT COUNT(*) FROM expiry WHERE at <= ?", (now,)).fetchone()[0])


def lives(catalogue: Catalogue, connection: sqlite3.Connection, identifier: int | str) -> bool:
    """Whether there is an item of this id now."""
    if not catalogue.expires(connection):
        return connection.execute("SELECT 1 FROM items WHERE id = ?", (identifier,)).fetchone() is not None
    query = "SELECT key, (SELECT clock FROM state) FROM items WHERE id = ?"
    found = connection.execute(query, (identifier,)).fetchone()
    if found is None or not found[1]:
        return found is not None
    return not expired_among(connection, found[:1], present(catalogue, connection))


def insert(connection: sqlite3.Connection, first_key: int, at: np.ndarray) -> None:
    """Say when the items with keys from ``first_key`` on expire."""
    pairs = zip(range(first_key, first_key + len(at)), at.tolist(), strict=True)
    connection.executemany("INSERT INTO expiry VALUES (?, ?)", (pair for pair in pairs if pair[1] != NEVER))


def due(connection: sqlite3.Connection, now: int, most: int) -> list[int]:
    """Up to ``most`` keys of items that have expired, the first to expire first."""
    query = "SELECT key FROM expiry WHERE at <= ? ORDER BY at LIMIT ?"
    return [key for (key,) in connection.execute(query, (now, most))]


def expired_among(connection: sqlite3.Connection, keys: Iterable[int], now: int) -> list[int]:
    """Those keys whose items have expired."""
    query = "SELECT key FROM expiry WHERE key = ? AND at <= ?"
    return [key for key in keys if connection.execute(query, (key, now)).fetchone() is not None]


# -- in memory --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expiry:
    """When items expire, as one view knows it.

    Attributes
    ----------
    keys, at : int64 (n,), ascending in the key.
    soonest : rows of the first ``len(soonest)`` of them in order of ``at``; the rest, the latest additions, are few.
    """

    keys: np.ndarray
    at: np.ndarray
    soonest: np.ndarray

    @cached_property
    def _sorted(self) -> np.ndarray:
        return self.at[self.soonest]

    @cached_property
    def _rest(self) -> np.ndarray:
        return self.at[len(self.soonest) :]

    def between(self, then: int, now: int) -> np.ndarray:
        """The keys of what expires after ``then`` and not after ``now``."""
        first, last = np.searchsorted(self._sorted, [then, now], side="right")
        late = np.flatnonzero((self._rest > then) & (self._rest <= now)) + len(self.soonest)
        return self.keys[np.concatenate([self.soonest[first:last], late])]

    def next_after(self, now: int) -> int:
        """When the next item expires; :data:`NEVER` when none does any more."""
        place = int(np.searchsorted(self._sorted, now, side="right"))
        soonest = int(self._sorted[place]) if place < len(self._sorted) else NEVER
        later = self._rest[self._rest > now]
        return min(soonest, int(later.min())) if len(later) else int(soonest)

    def of(self, keys: np.ndarray) -> np.ndarray:
        """When the items with these keys expire; :data:`NEVER` for those that do not."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.at[places], NEVER)


@dataclass
class ExpiryBuffer:
    """Follows the table ``expiry`` as items arrive. Whoever reads holds a lock; what :meth:`view` gives needs none."""

    keys: GrowingArray = field(default_factory=lambda: GrowingArray(np.empty(0, np.int64)))
    at: GrowingArray = field(default_factory=lambda: GrowingArray(np.empty(0, np.int64)))
    soonest: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    gone: int = 0

    def forget(self, keys: np.ndarray) -> bool:
        """These items were deleted; returns whether so many are gone that it is time to begin anew."""
        known = self.keys.rows
        if len(known) and len(keys):
            places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            self.gone += int((known[places] == keys).sum())
        return 2 * self.gone > len(known)

    def read(self, connection: sqlite3.Connection, path: Path) -> None:
        """Take over what was added since the last time. Keys only grow, and an item's expiry does not change."""
        after = int(self.keys.rows[-1]) if len(self.keys) else -1
        found = connection.execute("SELECT key, at FROM expiry WHERE key > ? ORDER BY key", (after,))
        try:
            pairs = np.fromiter(itertools.chain.from_iterable(found), np.int64).reshape(-1, 2)
        except (TypeError, ValueError, OverflowError):
            raise CorruptFileError(path, "table expiry: expected integers") from None
        if not len(pairs):
            return
        self.keys.append(pairs[:, 0])
        self.at.append(pairs[:, 1])
        if len(self.at) - len(self.soonest) > max(1024, len(self.soonest) // 4):
            self.soonest = np.argsort(self.at.rows, kind="stable")

    def view(self) -> Expiry | None:
        """What is known now; None when nothing expires."""
        return Expiry(self.keys.rows, self.at.rows, self.soonest) if len(self.keys) else None

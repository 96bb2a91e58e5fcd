"""``where=`` beyond attributes: a set of ids, and a test of one's own on ids and payloads.

What a test said of an item holds for as long as the item is there: payloads never change, since an item that is
replaced gets a new key, and keys never come back for others. So outcomes are remembered by key, and a bitset by part:
a search after an add looks at the new items alone. A row that is no longer in the catalogue does not pass and is not
remembered; restoring a tag may bring it back.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from .. import native
from .filters import Filter
from .ids import Id, check_ids
from .predicates import Node
from .tables import find_keys, read_items

if TYPE_CHECKING:
    from .rows import Part

# Payloads decoded at a time, and how much is remembered: tests, and bytes of their outcomes.
_AT_ONCE = 4096
TESTS_KEPT = 64
TEST_BYTES = 64 << 20


class Condition:
    """A ``where=`` of several parts, all of which must hold: attributes, a set of ids, a test of your own.

    Take plain text for attributes alone. A test runs in Python on every item that the other parts let through, some
    200,000 a second where payloads are short; with a ``key`` its outcomes are remembered, so that it meets an item
    once. What is asked often belongs into an attribute.

    Parameters
    ----------
    where : SQL text or a pyarrow expression on the attributes, as in :meth:`Store.search`; None for none.
    ids : only these items; ids that are not there are passed over. None for all.
    test : ``test(id, payload) -> bool``; the payload is None where an item has none. Of the same item it must always
        say the same. What it raises ends the search.
    key : a text that is equal for equal tests and different for different ones. Without it nothing is remembered.

    Raises
    ------
    TypeError : ids that are no ids, a test that cannot be called, a key without a test.

    Notes
    -----
    Live recall (:meth:`Store.stats`) is not measured on searches with such a condition.

    Examples
    --------
    >>> import tempfile
    >>> from nearfield.store import Store
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store.create(folder.name + "/a.nf", dim=2, attributes={"year": "int"})
    >>> store.add(["a", "b", "c"], np.eye(2, dtype=np.float32)[[0, 1, 1]], attributes={"year": [2023, 2024, 2025]},
    ...           payload=[{"lang": "en"}, {"lang": "fr"}, {"lang": "en"}])
    3
    >>> english = Condition("year > 2023", test=lambda id, payload: payload["lang"] == "en", key="lang = en")
    >>> store.search(np.float32([1, 0]), k=1, where=english).ids
    ['c']
    >>> store.search(np.float32([1, 0]), k=1, where=Condition(ids=["b", "x"])).ids
    ['b']
    >>> store.count(english), store.delete(where=english), len(store)
    (1, 1, 2)
    >>> store.close(); folder.cleanup()
    """

    def __init__(
        self,
        where: Any = None,
        *,
        ids: Iterable[Id] | None = None,
        test: Callable[[Any, Any], bool] | None = None,
        key: str | None = None,
    ):
        if test is not None and not callable(test):
            raise TypeError(f"test: expected a function of an id and a payload, got {test!r}")
        if key is not None and (test is None or not isinstance(key, str)):
            raise TypeError(f"key: expected a text that names the test, got {key!r} {'for no test' * (test is None)}")
        if isinstance(where, Condition):
            raise TypeError("where: expected SQL text or a pyarrow expression, got another Condition")
        self.where = where
        self.ids = None if ids is None else check_ids(ids, None, unique=False)[0]
        self.test = test
        self.key = key


class Outcomes:
    """What tests said of items, by the key of the test; safe to use from many threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, test: str, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which items pass, and which of them are known at all; keys ascend."""
        with self._lock:
            known = self._known.get(test)
            if known is None:
                return np.zeros(len(keys), bool), np.zeros(len(keys), bool)
            self._known.move_to_end(test)
        theirs, passed = known
        places = np.minimum(np.searchsorted(theirs, keys), len(theirs) - 1)
        found = theirs[places] == keys
        return passed[places] & found, found

    def add(self, test: str, keys: np.ndarray, passed: np.ndarray) -> None:
        """Remember what a test said; the tests that were asked longest ago are forgotten."""
        if not len(keys):
            return
        with self._lock:
            before = self._known.pop(test, None)
            if before is not None:
                self._bytes -= before[0].nbytes + before[1].nbytes
                keys, first = np.unique(np.concatenate([before[0], keys]), return_index=True)
                passed = np.concatenate([before[1], passed])[first]
            self._known[test] = keys, passed
            self._bytes += keys.nbytes + passed.nbytes
            while len(self._known) > TESTS_KEPT or (self._bytes > TEST_BYTES and len(self._known) > 1):
                _, (keys, passed) = self._known.popitem(last=False)
                self._bytes -= keys.nbytes + passed.nbytes


class Compound:
    """A :class:`Condition` as read for one store: its attributes checked, its key made; to be bound to a moment."""

    def __init__(self, condition: Condition, attributes: Filter | None, outcomes: Outcomes):
        self.condition = condition
        self.attributes = attributes
        self.outcomes = outcomes
        ids = condition.ids
        parts = [
            "" if attributes is None else attributes.key,
            "" if ids is None else xxhash.xxh3_128_hexdigest(repr(sorted(set(ids), key=repr)).encode()),
            "" if condition.test is None else condition.key or f"test:{id(condition.test)}",
        ]
        self.key = "condition:" + repr(parts)

    def at(self, connection: sqlite3.Connection, path: Path, kind: str | None) -> Bound:
        """The condition at the moment of a read transaction; ``kind`` is the type of the store's ids."""
        return Bound(self, connection, path, kind)


class Bound:
    """A compound condition at one moment: what a search asks parts with, in place of a :class:`Filter`."""

    tree: Node | None = None

    def __init__(self, compound: Compound, connection: sqlite3.Connection, path: Path, kind: str | None):
        self.key = compound.key
        self.remembered = compound.condition.test is None or compound.condition.key is not None
        self._compound = compound
        self._connection = connection
        self._path = path
        self._keys: np.ndarray | None = None
        ids = compound.condition.ids
        if ids is not None:
            wanted = check_ids(ids, kind, unique=False)[0] if ids and kind else ids
            self._keys = np.sort(np.array(list(find_keys(connection, wanted).values()), np.int64))

    def words(self, part: Part) -> np.ndarray:
        """Which rows of a part pass, packed."""
        attributes, test = self._compound.attributes, self._compound.condition.test
        bits = np.ones(len(part), bool)
        if attributes is not None:
            bits = native.unpack_bits(part.mask(attributes), len(part)).astype(bool)
        if self._keys is not None:
            bits &= np.isin(part.keys, self._keys)
        if test is not None:
            rows = np.flatnonzero(bits)
            bits[rows] = self._tested(test, part.keys[rows])
        return native.pack_bits(bits)

    def _tested(self, test: Callable[[Any, Any], bool], keys: np.ndarray) -> np.ndarray:
        name, outcomes = self._compound.condition.key, self._compound.outcomes
        if name is None:
            passed, known = np.zeros(len(keys), bool), np.zeros(len(keys), bool)
        else:
            passed, known = outcomes.of(name, keys)
        unknown = np.flatnonzero(~known)
        for start in range(0, len(unknown), _AT_ONCE):
            some = unknown[start : start + _AT_ONCE]
            items = read_items(self._connection, keys[some].tolist(), self._path)
            for place, key in zip(some.tolist(), keys[some].tolist(), strict=True):
                if key in items:
                    known[place] = True
                    passed[place] = bool(test(*items[key]))
        if name is not None and unknown.size:
            fresh = unknown[known[unknown]]
            outcomes.add(name, keys[fresh], passed[fresh])
        return passed


def bound(condition: Filter | Compound | None, connection: Any, path: Path, kind: str | None) -> Any:
    """A condition as parts are asked with it: one on attributes alone is so already."""
    return condition.at(connection, path, kind) if isinstance(condition, Compound) else condition

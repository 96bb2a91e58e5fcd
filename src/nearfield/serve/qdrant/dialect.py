"""The collections of a server as a Qdrant client sees them: made, named, given other names, opened."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from ...common import files
from ...common.errors import CorruptFileError
from ...store import Store
from ..hosted import Hosted
from . import reads
from .collection import Collection
from .indexing import Indexer, rows_of
from .point_ids import PointId
from .query import Asker
from .refusal import Refusal, bad, fields, several, unsupported
from .schema import Schema, check_name, missing

ALIASES = "qdrant-aliases.json"
# Collections whose points are kept in memory, those used last.
_KEPT = 64


class Dialect:
    """What the dialect knows beside the stores: points in memory, and aliases, in a file of the folder served.

    Parameters
    ----------
    hosted : the collections of the server.
    """

    def __init__(self, hosted: Hosted):
        self.hosted = hosted
        self.indexer = Indexer(hosted)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Collection] = OrderedDict()
        self._aliases: dict[str, str] | None = None

    # -- collections ---------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """All collections."""
        return list(self.hosted)

    def resolve(self, name: str) -> str:
        """The collection behind a name or an alias."""
        return self.aliases().get(name, name)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[tuple[Collection, Store]]:
        """A collection, up to date, and its store; 404 where there is none."""
        name = self.resolve(name)
        with contextlib.ExitStack() as stack:
            try:
                store = stack.enter_context(self.hosted.open(name))
            except (FileNotFoundError, ValueError):
                raise missing(name) from None
            with self._lock:
                collection = self._known.setdefault(name, Collection(name))
                self._known.move_to_end(name)
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            collection.refresh(store)
            yield collection, store

    def create(self, name: str, body: Any) -> bool:
        """Make a collection."""
        check_name(name, "collection name")
        schema = Schema.create(body)
        if name in self.aliases():
            raise bad(f"Wrong input: Alias with the same name already exists: {name}")
        dim, metric = schema.store()
        try:
            self.hosted.create(name, dim, metric=metric)
        except FileExistsError:
            raise Refusal(409, f"Wrong input: Collection `{name}` already exists!") from None
        self._forget(name)
        with self.hosted.open(name) as store:
            schema.save(store.path)
        return True

    def drop(self, name: str) -> bool:
        """Remove a collection; whether there was one."""
        name = self.resolve(name)
        try:
            self.hosted.drop(name)
        except (FileNotFoundError, ValueError):
            return False
        self._forget(name)
        kept = {alias: target for alias, target in self.aliases().items() if target != name}
        if kept != self.aliases():
            self._write(kept)
        return True

    def _forget(self, name: str) -> None:
        self.indexer.forget(name)
        with self._lock:
            self._known.pop(name, None)

    def info(self, name: str) -> dict[str, Any]:
        """What is told of a collection."""
        with self.open(name) as (collection, store):
            indexed, loose = rows_of(store)
            with collection.lock:
                info = collection.schema.info(collection.points.count, indexed, 1 + (indexed > 0 and loose > 0))
            return {**info, "status": "yellow" if self.indexer.busy(collection.name) else "green"}

    def asker(self, collection: Collection, store: Store) -> Asker:
        """Answers queries of an open collection."""

        def lookup(other: str | None, vector: str, identifier: PointId) -> Any:
            if other is None or self.resolve(other) == collection.name:
                return reads.vector_of(collection, store, vector, identifier)
            with self.open(other) as (theirs, place):
                return reads.vector_of(theirs, place, vector, identifier)

        return Asker(collection, store, lookup)

    def look_up(self, body: Any, found: list[dict[str, Any]]) -> None:
        """Give each group the point of another collection that its value is the id of."""
        body = {"collection": body} if isinstance(body, str) else body
        body = fields(body, "with_lookup", ("collection", "with_payload", "with_vectors"), needed=("collection",))
        shown = reads.Shown(body, payload=True)
        with self.open(body["collection"]) as (collection, store):
            wanted = {}
            for place, group in enumerate(found):
                with contextlib.suppress(Refusal):  # a value that is no id finds nothing
                    wanted[place] = reads.parse_id(group["id"])
            known = shown.points(collection, store, list(dict.fromkeys(wanted.values())))
            for place, identifier in wanted.items():
                if identifier in known:
                    found[place]["lookup"] = known[identifier]

    # -- aliases -------------------------------------------------------------------------------------------------------

    def aliases(self) -> dict[str, str]:
        """Alias -> collection."""
        known = self._aliases
        if known is None:
            path = self.hosted.path / ALIASES
            try:
                known = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                known = {}
            except ValueError as error:
                raise CorruptFileError(path, f"not a list of aliases: {error}") from error
            if not isinstance(known, dict):
                raise CorruptFileError(path, "not a list of aliases")
            self._aliases = known
        return known

    def _write(self, aliases: dict[str, str]) -> None:
        if self.hosted.read_only:
            raise Refusal(403, "this server was started to read only")
        files.write_atomic(self.hosted.path / ALIASES, [json.dumps(aliases).encode()])
        self._aliases = aliases

    def change_aliases(self, body: Any) -> bool:
        """All changes, or none of them."""
        actions = several(fields(body, "aliases", ("actions",), needed=("actions",))["actions"])
        with self._lock:
            aliases = dict(self.aliases())
            for action in actions:
                if not isinstance(action, dict) or len(action) != 1:
                    raise bad(f"actions: expected one action each, got {action!r:.100}")
                kind, inner = next(iter(action.items()))
                if kind == "create_alias":
                    names = ("collection_name", "alias_name")
                    inner = fields(inner, kind, names, needed=names)
                    alias = check_name(inner["alias_name"], "alias_name")
                    if inner["collection_name"] not in self.hosted:
                        raise missing(inner["collection_name"])
                    if alias in self.hosted:
                        raise bad(f"Wrong input: Collection with the same name already exists: {alias}")
                    aliases[alias] = inner["collection_name"]
                elif kind == "delete_alias":
                    alias = fields(inner, kind, ("alias_name",), needed=("alias_name",))["alias_name"]
                    if aliases.pop(alias, None) is None:
                        raise Refusal(404, f"Alias {alias} does not exists!")
                elif kind == "rename_alias":
                    names = ("old_alias_name", "new_alias_name")
                    inner = fields(inner, kind, names, needed=names)
                    target = aliases.pop(inner["old_alias_name"], None)
                    if target is None:
                        raise Refusal(404, f"Alias {inner['old_alias_name']} does not exists!")
                    new = check_name(inner["new_alias_name"], "new_alias_name")
                    if new in self.hosted:
                        raise bad(f"Wrong input: Collection with the same name already exists: {new}")
                    aliases[new] = target
                else:
                    raise unsupported(f"the alias action '{kind}'")
            self._write(aliases)
        return True

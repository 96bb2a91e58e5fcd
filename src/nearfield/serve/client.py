"""A client in Python: a server's collections by the methods of :class:`~nearfield.store.Collections`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from .remote_store import RemoteStore
from .wire import Wire, without


class Client:
    """A server's collections, used as those of a folder are: ``create``, ``drop``, ``open``, iteration, ``in``.

    Safe to use from many threads. It needs nothing but the standard library and NumPy.

    Parameters
    ----------
    url : of the server.
    key : an API key, where the server asks for one.
    timeout : seconds to wait for an answer. Long runs are asked after until they end, however long they take.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, FileExistsError, PermissionError : as the store would, with the server's
        sentence. RemoteError : anything else that the server answered. OSError : it cannot be reached.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nearfield.serve import create_app
    >>> from nearfield.serve.server import running
    >>> folder = tempfile.TemporaryDirectory()
    >>> with running(create_app(folder.name + "/all")) as url, Client(url) as client:
    ...     client.create("papers", dim=3, attributes={"year": "int"})
    ...     store = client.open("papers")
    ...     _ = store.add(["a", "b"], np.eye(3, dtype=np.float32)[:2], attributes={"year": [2023, 2024]})
    ...     list(client), store.search(np.float32([1, 0, 0]), k=1).ids
    (['papers'], ['a'])
    >>> folder.cleanup()
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 120.0):
        self._wire = Wire(url, key, timeout)

    def about(self) -> dict[str, Any]:
        """What the server is: version, names of collections, encoder, limits, and what the key may do."""
        found: dict[str, Any] = self._wire.json("GET", "/v1")
        return found

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(self._wire.json("GET", "/v1/collections")["collections"])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def create(
        self,
        name: str,
        dim: int,
        *,
        metric: str | None = None,
        dtype: str | None = None,
        attributes: Mapping[str, str] | None = None,
        embedding: Mapping[str, Any] | None = None,
        ttl: float | dt.timedelta | None = None,
        text: str | None = None,
        tokenizer: str | None = None,
        bags: int | None = None,
        exist_ok: bool = False,
    ) -> None:
        """Make an empty collection, see :meth:`nearfield.store.Store.create`; FileExistsError when there is one."""
        fields = {
            "dim": dim,
            "metric": metric,
            "dtype": dtype,
            "attributes": attributes,
            "embedding": embedding,
            "ttl": ttl.total_seconds() if isinstance(ttl, dt.timedelta) else ttl,
            "text": text,
            "tokenizer": tokenizer,
            "bags": bags,
            "exist_ok": exist_ok or None,
        }
        self._wire.json("PUT", _path(name), without(fields))

    def open(self, name: str) -> RemoteStore:
        """The collection; FileNotFoundError when there is none. It needs no closing."""
        store = RemoteStore(self._wire, _path(name))
        store.refresh()
        return store

    def drop(self, name: str) -> None:
        """Remove a collection with all it holds."""
        self._wire.json("DELETE", _path(name))

    def metrics(self) -> str:
        """The server's counts and times, in Prometheus' text format."""
        return self._wire.raw("GET", "/metrics").decode()

    def close(self) -> None:
        """Close the connections; closing twice is fine."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _path(name: str) -> str:
    return f"/v1/collections/{quote(name, safe='')}"

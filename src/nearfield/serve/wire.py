"""The client's side of a connection: requests over kept connections, errors as exceptions. Needs no extra."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .. import __version__

_READ = 1 << 18


class RemoteError(RuntimeError):
    """What the server answered instead, where no exception of the store says the same.

    Attributes
    ----------
    status : the HTTP status. type : what the server calls it. message : its sentence.

    Examples
    --------
    >>> raise RemoteError(429, "TooManyRequests", "more than 10 requests a second")
    Traceback (most recent call last):
    nearfield.serve.wire.RemoteError: more than 10 requests a second (429 TooManyRequests)
    """

    def __init__(self, status: int, type: str, message: str):
        self.status = status
        self.type = type
        self.message = message
        super().__init__(f"{message} ({status} {type})")

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteError, (self.status, self.type, self.message)


def _raised(status: int, body: bytes) -> Exception:
    """The exception that an error's body stands for: the store's own where there is one."""
    try:
        error = json.loads(body)["error"]
        kind, message = str(error["type"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        kind, message = "Error", body[:200].decode(errors="replace") or "no answer that can be read"
    known: dict[str, type[Exception]] = {
        "TypeError": TypeError,
        "FileNotFoundError": FileNotFoundError,
        "FileExistsError": FileExistsError,
        "PermissionError": PermissionError,
        "TimeoutError": TimeoutError,
        "MemoryError": MemoryError,
    }
    if kind in known:
        return known[kind](message)
    if status in (400, 413, 415, 422):
        return ValueError(message)
    if status in (401, 403):
        return PermissionError(message)
    if status == 404:
        return FileNotFoundError(message)
    return RemoteError(status, kind, message)


class Wire:
    """Requests to one server. Threads may share it: each request takes a connection that nobody uses."""

    def __init__(self, url: str, key: str | None, timeout: float):
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: expected an address such as 'http://127.0.0.1:8760', got {url!r}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._root = parts.path.rstrip("/")
        self._timeout = timeout
        self._headers = {"User-Agent": f"nearfield/{__version__}", "Accept-Encoding": "identity"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._closed = False

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Ask, and return the answer's JSON; None where there is none."""
        raw = (
            None
            if body is None
            else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
        )
        answer = self.raw(method, path, raw, "application/json")
        return json.loads(answer) if answer else None

    def raw(self, method: str, path: str, body: bytes | None = None, media: str = "") -> bytes:
        """Ask, and return the answer's body."""
        headers = self._headers if not media or body is None else {**self._headers, "Content-Type": media}
        while True:
            connection, fresh = self._take()
            try:
                connection.request(method, self._root + path, body, headers)
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if fresh:
                    raise
                continue  # the server closed a connection that was kept: it never saw the request
            except BaseException:
                connection.close()
                raise
            return self._finish(connection, response)

    def send(self, method: str, path: str, chunks: Iterable[bytes], media: str) -> Any:
        """Send a stream, and return the answer's JSON."""
        connection, _ = self._take(fresh=True)
        headers = {**self._headers, "Content-Type": media, "Transfer-Encoding": "chunked"}
        try:
            # The server may answer before it has all, and close: what it said is worth more than the broken pipe.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self._root + path, iter(chunks), headers, encode_chunked=True)
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        return json.loads(self._finish(connection, response))

    def receive(self, path: str) -> Iterator[bytes]:
        """The answer piece by piece."""
        connection, _ = self._take(fresh=True)
        try:
            connection.request("GET", self._root + path, headers=self._headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise _raised(response.status, response.read())
            while piece := response.read(_READ):
                yield piece
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self, fresh: bool = False) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if self._closed:
                raise ValueError("the client is closed")
            if self._idle and not fresh:
                return self._idle.pop(), False
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout), True

    def _finish(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> bytes:
        try:
            body = response.read()
        except BaseException:
            connection.close()
            raise
        with self._lock:
            keep = not self._closed and not response.will_close
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
        if response.status >= 400:
            raise _raised(response.status, body)
        return body


def without(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}

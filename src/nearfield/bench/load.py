"""A load on an HTTP server: many clients in one process, each waiting for its answer before it asks again.

Run as a process of its own, so that what it costs is not the server's: ``python -m nearfield.bench.load PLAN.json``
prints what it measured as JSON. One thread and ``epoll`` drive all connections; requests are made beforehand.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_READ = 1 << 18


def request(host: str, method: str, path: str, body: bytes = b"", media: str = "application/json") -> bytes:
    """A whole HTTP request as bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
    if body:
        head += f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class _Client:
    """One connection: what is left to send, what has come of the answer."""

    def __init__(self, address: tuple[str, int], first: int):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.number = first
        self.rest = b""
        self.head = b""
        self.missing = -1
        self.chunked = False
        self.status = 0
        self.began = 0.0

    def begin(self, requests: Sequence[bytes], step: int) -> None:
        """Send the next request."""
        wanted = requests[self.number % len(requests)]
        self.number += step
        self.head, self.missing, self.chunked = b"", -1, False
        self.began = time.perf_counter()
        try:
            sent = self.socket.send(wanted)
        except BlockingIOError:
            sent = 0
        self.rest = wanted[sent:]

    def push(self) -> None:
        """Send more of it."""
        self.rest = self.rest[self.socket.send(self.rest) :]

    def pull(self) -> bool:
        """Take what has come; whether the answer is complete."""
        data = self.socket.recv(_READ)
        if not data:
            raise ConnectionError("the server closed a connection")
        if self.missing < 0:
            data = self.head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.head = data
                return False
            head = data[:end].lower()
            self.status = int(head[9:12])
            at = head.find(b"content-length:")
            self.chunked = at < 0 and b"chunked" in head
            self.missing = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            data = data[end + 4 :]
        if self.chunked:
            self.head = (self.head + data)[-8:]
            return self.head.endswith(b"0\r\n\r\n")
        self.missing -= len(data)
        return self.missing <= 0


def drive(
    address: tuple[str, int], requests: Sequence[bytes], clients: int, seconds: float, warm: float = 0.5
) -> dict[str, Any]:
    """``clients`` connections ask ``requests`` in turn for ``seconds``, after ``warm`` seconds that do not count.

    Returns ``rate`` (answers a second), ``p50``, ``p99`` and ``max`` in milliseconds, ``answers`` and ``statuses``.
    """
    selector = selectors.DefaultSelector()
    everyone = [_Client(address, number) for number in range(clients)]
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    counting = time.perf_counter() + warm
    end = counting + seconds
    for client in everyone:
        client.begin(requests, clients)
        selector.register(client.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if client.rest else 0), client)
    try:
        now = time.perf_counter()
        while now < end:
            for key, events in selector.select(0.5):
                client = key.data
                if events & selectors.EVENT_WRITE:
                    client.push()
                    if not client.rest:
                        selector.modify(client.socket, selectors.EVENT_READ, client)
                if events & selectors.EVENT_READ and client.pull():
                    now = time.perf_counter()
                    if client.began >= counting:
                        latencies.append(now - client.began)
                        statuses[client.status] = statuses.get(client.status, 0) + 1
                    client.begin(requests, clients)
                    if client.rest:
                        selector.modify(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
            now = time.perf_counter()
    finally:
        for client in everyone:
            client.socket.close()
        selector.close()
    times = 1000 * np.array(latencies or [np.nan])
    return {
        "rate": len(latencies) / seconds,
        "answers": len(latencies),
        "p50": float(np.median(times)),
        "p99": float(np.quantile(times, 0.99)),
        "max": float(times.max()),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }


def main(plan: dict[str, Any]) -> dict[str, Any]:
    """Do what a plan says: ``host``, ``port``, ``requests`` (a file of lengths and bytes), ``clients``, ``seconds``."""
    raw = Path(plan["requests"]).read_bytes()
    requests, start = [], 0
    for length in plan["lengths"]:
        requests.append(raw[start : start + length])
        start += length
    return drive((plan["host"], plan["port"]), requests, plan["clients"], plan["seconds"])


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))

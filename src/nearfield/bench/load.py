"""A load on an HTTP server: many clients in one process, each waiting for its answer before it asks again.

Run as a process of its own, so that what it costs is not the server's: ``python -m nearfield.bench.load PLAN.json``
prints what it measured as JSON. One thread and ``epoll`` drive all connections; requests are made beforehand.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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

    def __init__(self, address: tuple[str, int], first: int, heads: dict[bytes, _Head]):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.send, self.receive = self.socket.send, self.socket.recv
        self.number = first
        self.heads = heads
        self.rest = b""
        self.head = b""
        self.missing = -1
        self.chunked = False
        self.status = 0
        self.began = 0.0

    def begin(self, requests: Sequence[bytes], step: int, now: float) -> None:
        """Send the next request."""
        wanted = requests[self.number % len(requests)]
        self.number += step
        self.head, self.missing = b"", -1
        self.began = now
        try:
            sent = self.send(wanted)
        except BlockingIOError:
            sent = 0
        self.rest = wanted[sent:] if sent < len(wanted) else b""

    def push(self) -> None:
        """Send more of it."""
        self.rest = self.rest[self.send(self.rest) :]

    def pull(self) -> bool:
        """Take what has come; whether the answer is complete."""
        data = self.receive(_READ)
        if not data:
            raise ConnectionError("the server closed a connection")
        came = len(data)
        if self.missing < 0:
            if self.head:
                data = self.head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.head = data
                return False
            head = data[:end]
            known = self.heads.get(head)
            if known is None:
                known = self.heads[head] = _Head.read(head)
            self.head = b""
            self.status, self.missing, self.chunked = known
            came = len(data) - end - 4
            if self.chunked:
                data = data[end + 4 :]
        if self.chunked:
            self.head = (self.head + data)[-8:]
            return self.head.endswith(b"0\r\n\r\n")
        self.missing -= came
        return self.missing <= 0


class _Head(NamedTuple):
    """What the head of an answer says: few differ from each other, so that each is read once."""

    status: int
    length: int
    chunked: bool

    @classmethod
    def read(cls, head: bytes) -> _Head:
        head = head.lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
        return cls(int(head[9:12]), length, at < 0 and b"chunked" in head)


def drive(
    address: tuple[str, int], requests: Sequence[bytes], clients: int, seconds: float, warm: float = 0.5
) -> dict[str, Any]:
    """``clients`` connections ask ``requests`` in turn for ``seconds``, after ``warm`` seconds that do not count.

    Returns ``rate`` (answers a second), ``p50``, ``p99`` and ``max`` in milliseconds, ``answers``, ``statuses``, and
    ``load_ms``, what an answer cost this process.
    """
    heads: dict[bytes, _Head] = {}
    everyone = {}
    for number in range(clients):
        client = _Client(address, number, heads)
        everyone[client.socket.fileno()] = client
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    clock, worked = time.perf_counter, time.process_time()
    answered = 0
    counting = clock() + warm
    end = counting + seconds
    with select.epoll() as poll:
        for number, client in everyone.items():
            client.begin(requests, clients, clock())
            poll.register(number, select.EPOLLIN | (select.EPOLLOUT if client.rest else 0))
        try:
            now = clock()
            while now < end:
                for number, events in poll.poll(0.5):
                    client = everyone[number]
                    if events & select.EPOLLOUT:
                        client.push()
                        if not client.rest:
                            poll.modify(number, select.EPOLLIN)
                    if events & ~select.EPOLLOUT and client.pull():
                        now = clock()
                        answered += 1
                        if client.began >= counting:
                            latencies.append(now - client.began)
                            statuses[client.status] = statuses.get(client.status, 0) + 1
                        client.begin(requests, clients, now)
                        if client.rest:
                            poll.modify(number, select.EPOLLIN | select.EPOLLOUT)
                now = clock()
        finally:
            for client in everyone.values():
                client.socket.close()
    worked = time.process_time() - worked
    times = 1000 * np.array(latencies or [np.nan])
    return {
        "rate": len(latencies) / seconds,
        "answers": len(latencies),
        "p50": float(np.median(times)),
        "p99": float(np.quantile(times, 0.99)),
        "max": float(times.max()),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "load_ms": 1000 * worked / max(1, answered),
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

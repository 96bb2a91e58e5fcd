"""A load on an HTTP server: many clients in one process, each waiting for its answer before it asks again.

Run as a process of its own, so that what it costs is not the server's: ``python -m nearfield.bench.load PLAN.json``
prints what it measured as JSON. One thread and ``epoll`` drive all connections; requests are made beforehand, and what
is ready is read and written by one call each, as the process shares the processors with what it measures.
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

from .. import native

# So many answers are looked at before more is asked: clients that know nothing of each other do not all ask at once.
_FEW = 4


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
        self.number = first
        self.heads = heads
        self.rest = b""
        self.head = b""
        self.missing = -1
        self.chunked = False
        self.status = 0
        self.began = 0.0

    def next(self, requests: Sequence[bytes], step: int, now: float) -> bytes:
        """The next request, which is sent now."""
        self.head, self.missing, self.began = b"", -1, now
        wanted = requests[self.number % len(requests)]
        self.number += step
        return wanted

    def take(self, data: bytes) -> bool:
        """Take in what has come; whether the answer is complete."""
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

    Returns ``rate`` (answers a second), ``p50``, ``p99`` and ``max`` in milliseconds, ``answers``, those that were
    ``warm`` and do not count, ``statuses``, and ``load_ms``, what an answer cost this process.
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

        def send(those: list[_Client], texts: list[bytes]) -> None:
            sent = native.write_sockets([client.socket.fileno() for client in those], texts)
            for client, text, size in zip(those, texts, sent, strict=True):
                if size < len(text):
                    if size < 0:
                        raise ConnectionError("the server closed a connection")
                    client.rest = text[size:]
                    poll.modify(client.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

        for number in everyone:
            poll.register(number, select.EPOLLIN)
        try:
            now = clock()
            send(list(everyone.values()), [client.next(requests, clients, now) for client in everyone.values()])
            while now < end:
                events = poll.poll(0.5, _FEW)
                for number, event in events:
                    if event & select.EPOLLOUT:
                        client = everyone[number]
                        poll.modify(number, select.EPOLLIN)
                        rest, client.rest = client.rest, b""
                        send([client], [rest])
                numbers = [number for number, event in events if event & ~select.EPOLLOUT]
                come = native.read_sockets(numbers)
                now = clock()
                done = []
                for number, data in zip(numbers, come, strict=True):
                    client = everyone[number]
                    if data is not None and client.take(data):
                        answered += 1
                        if client.began >= counting:
                            latencies.append(now - client.began)
                            statuses[client.status] = statuses.get(client.status, 0) + 1
                        done.append(client)
                send(done, [client.next(requests, clients, now) for client in done])
        finally:
            for client in everyone.values():
                client.socket.close()
    worked = time.process_time() - worked
    times = 1000 * np.array(latencies or [np.nan])
    return {
        "rate": len(latencies) / seconds,
        "answers": len(latencies),
        "warm": answered - len(latencies),
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

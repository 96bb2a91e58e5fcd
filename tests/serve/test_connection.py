"""The head of an answer waits for its body."""

from __future__ import annotations

import pytest

pytest.importorskip("orjson", reason="needs nearfield[serve]")

from nearfield.serve.connection import Joined


class Transport:
    """What was written, and whether it was closed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> str:
        return name


def test_head_and_body_leave_together() -> None:
    transport = Transport()
    joined = Joined(transport)
    for answer in range(2):
        joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
        assert len(transport.written) == 2 * answer
        joined.write(b"one")
        joined.write(b"two")
        joined.end()
        assert transport.written[2 * answer :] == [b"HTTP/1.1 200 OK\r\n\r\none", b"two"]
    assert joined.get_extra_info("peername") == "peername"


def test_a_head_without_a_body_leaves_at_the_end() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    joined.end()
    assert transport.written == [b"HTTP/1.1 204 No Content\r\n\r\n"]
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    joined.close()
    assert transport.written[1:] == [b"HTTP/1.1 200 OK\r\n\r\n"]
    assert transport.closed and joined.is_closing()


def test_who_waits_to_be_told_to_go_on_is_told_at_once() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    joined.write(b"body")
    assert transport.written[1:] == [b"HTTP/1.1 200 OK\r\n\r\nbody"]

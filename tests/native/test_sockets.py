"""Many sockets read and written in one call."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from nearfield.native import read_sockets, write_sockets

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="not on Windows")


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(5)]
    yield made
    for pair in made:
        for one in pair:
            one.close()


def test_what_has_come_and_what_has_not(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    texts = [b"one", b"", b"\0" * 1000, "ü".encode()]
    assert write_sockets([one.fileno() for one, _ in pairs[:4]], texts) == [3, 0, 1000, 2]
    pairs[4][0].close()
    assert read_sockets([other.fileno() for _, other in pairs]) == [b"one", None, texts[2], texts[3], b""]
    assert read_sockets([other.fileno() for _, other in pairs]) == [None, None, None, None, b""]
    assert read_sockets([]) == [] and write_sockets([], []) == []


def test_more_than_there_is_room_for(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    (one, other), (left, _), *_ = pairs
    long = bytes(range(256)) * 40_000  # ten megabytes, which no socket takes at once
    read = b""
    given = 0
    while given < len(long):
        (went,) = write_sockets([one.fileno()], [long[given:]])
        assert 0 <= went < len(long)
        given += went
        while (come := read_sockets([left.fileno(), other.fileno()])[1]) is not None:
            assert 0 < len(come) <= (1 << 20) + (1 << 16)
            read += come
    assert read == long


def test_who_has_left_and_what_is_no_socket(pairs: list[tuple[socket.socket, socket.socket]], tmp_path: object) -> None:
    one, other = pairs[0]
    other.close()
    number = one.fileno()
    assert write_sockets([number], [b"hello"]) == [-1]  # and no signal
    one.close()
    assert write_sockets([number], [b"hello"]) == [-1] and read_sockets([number]) == [b""]


def test_wrong_arguments(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    number = pairs[0][0].fileno()
    for numbers, texts in (([number], []), ([number], ["text"]), ([number, number], [b"a"])):
        with pytest.raises(ValueError, match="texts: expected"):
            write_sockets(numbers, texts)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        read_sockets(["a"])  # type: ignore[list-item]

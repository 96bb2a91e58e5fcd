"""Many sockets at once."""

from __future__ import annotations

from . import _core


def read_sockets(numbers: list[int]) -> list[bytes | None]:
    """What the sockets of these descriptors hold, without waiting.

    ``b""`` is the end of a connection, also of one that failed; None that nothing has come. Of one socket little more
    than a megabyte is taken. All are read in one call without the GIL, which a call for each would give up and wait
    for. Not on Windows.

    Examples
    --------
    >>> import socket
    >>> one, other = socket.socketpair()
    >>> write_sockets([one.fileno()], [b"hello"])
    [5]
    >>> read_sockets([other.fileno(), one.fileno()])
    [b'hello', None]
    >>> one.close(); other.close()
    """
    return _core.read_sockets(numbers)


def write_sockets(numbers: list[int], texts: list[bytes]) -> list[int]:
    """Write each of ``texts`` to its socket without waiting, all in one call without the GIL.

    Returns how many bytes went: fewer than there are where the client reads too slowly, -1 where it has left. Not on
    Windows.

    Examples
    --------
    >>> import socket
    >>> one, other = socket.socketpair()
    >>> other.close()
    >>> write_sockets([one.fileno()], [b"hello"])
    [-1]
    >>> one.close()
    """
    return _core.write_sockets(numbers, texts)

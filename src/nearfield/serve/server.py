"""Running the application: a socket, uvicorn, and an end in good order."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..common.checks import check_int, require

if TYPE_CHECKING:
    from fastapi import FastAPI

logger = logging.getLogger("nearfield.serve")

DEFAULT_PORT = 8760
_BACKLOG = 4096
# Descriptors that connections leave for files and stores.
_SPARE_FILES = 512


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; OSError in one sentence where the address is taken or none of this machine's."""
    check_int(port, "port", 0, 65535)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise ValueError(f"host: {host!r} is no address of this machine: {error.strerror}") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ValueError(
                f"port: {port} on {host} is in use by another program; choose another with --port"
            ) from None
        if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES):
            raise ValueError(f"host: cannot listen on {host}:{port}: {error.strerror}") from None
        raise
    listening.setblocking(False)
    return listening


def address_of(listening: socket.socket) -> str:
    """The URL that a socket answers at."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach ``host``."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def raise_file_limit(connections: int) -> tuple[int, int]:
    """Let this process have as many descriptors as it may.

    Returns how many connections that is enough for, and how many of these the fast path may have, where each takes
    another one.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + _SPARE_FILES
    if soft < wanted:
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    room = soft - min(_SPARE_FILES, soft // 2)
    allowed = max(16, min(connections, room * 3 // 4))
    return allowed, max(0, min(allowed, room - allowed))


def make_server(app: FastAPI, grace: float = 30.0) -> Any:
    """A uvicorn server for ``app``, not running yet."""
    require("uvicorn", "serve")
    import uvicorn

    from .connection import protocol

    limits = app.state.service.limits
    connections, lent = raise_file_limit(limits.connections)
    config = uvicorn.Config(
        app,
        http=protocol(connections, lent, limits.body_seconds, app.state.gate),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(grace)),
        backlog=_BACKLOG,
        proxy_headers=False,
    )
    return uvicorn.Server(config)


def run(app: FastAPI, listening: socket.socket, *, grace: float = 30.0) -> None:
    """Serve until SIGTERM or SIGINT: then take nothing new, finish what runs, close the stores, and return.

    What has not ended ``grace`` seconds after the signal is left, and loses nothing that was acknowledged.
    """
    server = make_server(app, grace)
    service = app.state.service

    def stop(number: int, frame: Any) -> None:
        service.stopping = True
        if server.should_exit:
            server.force_exit = True
        server.should_exit = True

    server.capture_signals = contextlib.nullcontext
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        end = time.monotonic() + grace
        if service.jobs.wait(grace) or service.hosted.busy(end - time.monotonic()):
            # Threads cannot be ended, and Python would wait for them.
            logger.warning("what did not end within %g s is left; what was acknowledged is on disk", grace)
            logging.shutdown()
            os._exit(0)


@contextlib.contextmanager
def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve ``app`` in a thread for the length of a ``with`` block, which gets its URL: for tests and notebooks."""
    listening = bind(host, port)
    server = make_server(app, grace=5.0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="nearfield-serve", daemon=True)
    url = address_of(listening)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.005)
        if not thread.is_alive():
            raise RuntimeError("the server did not start; its log says why")
        yield url
    finally:
        server.should_exit = True
        thread.join()

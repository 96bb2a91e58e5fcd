"""A server in a thread, and clients: of the server, and of the local mode that answers are held against."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Served:
    """A running server of one folder."""

    def __init__(self, folder: Path, **settings: Any):
        import uvicorn

        from nearfield.serve import create_app

        self.app = create_app(folder, qdrant=True, page=False, **settings)
        config = uvicorn.Config(self.app, port=0, log_level="error", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def client(self, **settings: Any) -> Any:
        """A Qdrant client of it."""
        from qdrant_client import QdrantClient

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return QdrantClient(url=self.url, check_compatibility=False, timeout=60, **settings)

    def close(self) -> None:
        """Stop it and wait until its stores are closed."""
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("served") / "all")
    yield server
    server.close()


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    one = served.client()
    yield one
    for collection in one.get_collections().collections:
        one.delete_collection(collection.name)
    one.close()


@pytest.fixture
def local() -> Iterator[Any]:
    from qdrant_client import QdrantClient

    one = QdrantClient(":memory:")
    yield one
    one.close()


@pytest.fixture
def start() -> Any:
    """Starts servers of a folder, one after the other if wanted."""
    return Served

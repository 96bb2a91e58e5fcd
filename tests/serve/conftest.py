"""What tests of the server share: collections, an application over them, and the same under a real server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs nearfield[serve]")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # which of two HTTP clients starlette would rather have
    from starlette.testclient import TestClient

from nearfield.serve import create_app
from nearfield.serve.server import running
from nearfield.store import Collections

DIM = 8
ROWS = 200


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    """Rows for collections, (200, 8)."""
    return np.random.default_rng(7).standard_normal((ROWS, DIM)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, vectors: np.ndarray) -> Path:
    """A folder with the collection "papers": ids p0 to p199, year, topic and a payload with a title."""
    place = tmp_path / "all"
    with Collections(place) as collections:
        collections.create("papers", DIM, attributes={"year": "int", "topic": "string"}, text="title")
        with collections.open("papers") as store:
            store.add(
                [f"p{number}" for number in range(ROWS)],
                vectors,
                attributes={
                    "year": [2000 + number % 25 for number in range(ROWS)],
                    "topic": [("vision", "nlp", "audio")[number % 3] for number in range(ROWS)],
                },
                payload=[{"title": f"Paper number {number}"} for number in range(ROWS)],
            )
    return place


@pytest.fixture
def app(folder: Path) -> Iterator[Any]:
    """The application over ``folder``, without keys."""
    made = create_app(folder)
    yield made
    made.state.hosted.close()


@pytest.fixture
def http(app: Any) -> Iterator[TestClient]:
    """A client that calls ``app`` without a network."""
    with TestClient(app) as client:
        yield client


@pytest.fixture
def url(app: Any) -> Iterator[str]:
    """``app`` under a real server on a free port."""
    with running(app) as address:
        yield address

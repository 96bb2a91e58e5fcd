"""The application as a whole: what it is made of, and how it answers for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from nearfield.serve import create_app


def test_it_answers_for_itself(http: TestClient) -> None:
    health = http.get("/health")
    assert (health.status_code, health.content) == (200, b"")
    assert http.get("/ready").json() == {"ready": True}
    about = http.get("/v1").json()
    assert about["collections"] == ["papers"]
    assert about["limits"]["batch"] == 10_000


def test_one_store_is_a_collection_named_by_its_stem(folder: Path) -> None:
    app = create_app(folder / "papers.nf")
    with TestClient(app) as client:
        assert client.get("/v1/collections").json() == {"collections": ["papers"]}
        assert client.get("/v1/collections/papers").json()["items"] == 200
        assert client.put("/v1/collections/other", json={"dim": 3}).status_code == 403
        assert client.delete("/v1/collections/papers").status_code == 403


def test_a_path_that_is_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        create_app(tmp_path / "none.nf")


def test_all_errors_look_alike(http: TestClient) -> None:
    for answer in (http.get("/nothing"), http.get("/v1/nothing"), http.post("/health"), http.delete("/v1/collections")):
        error: dict[str, Any] = answer.json()["error"]
        assert error["status"] == answer.status_code in (404, 405)
        assert error["message"]


def test_the_end_of_the_lifespan_closes_the_stores(folder: Path) -> None:
    app = create_app(folder)
    with TestClient(app) as client:
        assert client.get("/v1/collections/papers").status_code == 200
    with pytest.raises(ValueError, match="closed"), app.state.hosted.open("papers"):
        pass

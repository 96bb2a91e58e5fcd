"""The OpenAPI document: complete, its examples true, and nothing that schemathesis makes of it breaks the server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from nearfield.serve import Limits, create_app
from nearfield.serve.api import operations
from nearfield.serve.server import running


def test_every_operation_is_described(http: TestClient) -> None:
    document = http.get("/openapi.json").json()
    assert document == http.get("/openapi.json").json()
    names = []
    for operation in operations():
        told = document["paths"][operation.path][operation.method.lower()]
        names.append(told["operationId"])
        assert told["summary"]
        assert str(operation.status) in told["responses"]
        if operation.body is not None:
            assert told["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert len(set(names)) == len(names)
    assert document["paths"]["/health"]["get"]["security"] == []


def test_examples_are_taken(http: TestClient) -> None:
    """Bodies of examples are accepted, in an order in which they make sense."""
    document = http.get("/openapi.json").json()

    def ask(method: str, path: str) -> Any:
        told = document["paths"][path][method]
        body = told["requestBody"]["content"]["application/json"]["example"]
        return http.request(method, path.replace("{name}", "example"), json=body)

    one = "/v1/collections/{name}"
    assert ask("put", one).status_code == 201
    for operation in ("add", "upsert", "get", "search", "search_many", "search_range", "explain", "iterate", "delete"):
        answer = ask("post", f"{one}/{operation}")
        assert answer.status_code == 200, (operation, answer.text)


@pytest.mark.slow
def test_schemathesis_finds_nothing(app: Any, tmp_path: Path) -> None:
    """The command line with every check and phase, as docs/serve.md has it."""
    pytest.importorskip("schemathesis", reason="needs schemathesis")
    with running(app) as url:
        found = subprocess.run(
            [
                *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
                *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
                *("run", f"{url}/openapi.json", "--checks", "all", "--exclude-path", "/v1/collections/{name}/import"),
                *("--max-examples", "4", "--seed", "1", "--no-shrink", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]


def test_limits_of_the_server_are_told(folder: Path) -> None:
    app = create_app(folder, limits=Limits(k=50, batch=20), page=False)
    paths = app.openapi()["paths"]
    app.state.hosted.close()

    def field(path: str, name: str) -> Any:
        body = paths[f"/v1/collections/{{name}}/{path}"]["post"]["requestBody"]
        return body["content"]["application/json"]["schema"]["properties"][name]

    assert field("search", "k")["maximum"] == 50
    assert field("iterate", "batch_size")["maximum"] == 20
    assert field("optimize", "k")["maximum"] == 50
    query = paths["/v1/collections/{name}/search"]["post"]["parameters"]
    assert next(one for one in query if one["name"] == "k")["schema"]["maximum"] == 50

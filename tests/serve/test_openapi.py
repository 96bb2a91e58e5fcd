"""The OpenAPI document: complete, its examples true, and nothing that schemathesis makes of it breaks the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from nearfield.serve import create_app
from nearfield.serve.api import operations


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


def asking(client: TestClient, name: str, checks: list[Any]) -> Any:
    def check(case: Any) -> None:
        if case.path_parameters and "name" in case.path_parameters:
            case.path_parameters["name"] = name
        case.call_and_validate(session=client, checks=checks)

    return check


@pytest.mark.slow
def test_schemathesis_finds_nothing(folder: Path) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    settled = settings(
        max_examples=12,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    app = create_app(folder)
    with TestClient(app) as client:
        document = client.get("/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
        for found in schema.get_all_operations():
            operation = found.ok()
            # What would drop the collection under test is asked of one that is not there.
            name = "nothing" if operation.method == "delete" else "papers"
            settled(seed(0)(given(case=operation.as_strategy())(asking(client, name, checks))))()

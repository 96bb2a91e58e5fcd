"""What is refused, with which status and which words; one collection for all of it, which nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nearfield.serve.qdrant.endpoints import REFUSED

httpx = pytest.importorskip("httpx")

DOT = {"size": 2, "distance": "Dot"}


@pytest.fixture(scope="module")
def call(served: Any) -> Iterator[Any]:
    """Plain requests: (method, path, body) -> status and answer."""
    with httpx.Client(base_url=served.url, timeout=60) as http:

        def ask(method: str, path: str, body: Any = None, raw: bytes | None = None) -> tuple[int, Any]:
            given = {"content": raw} if raw is not None else {} if body is None else {"json": body}
            answer = http.request(method, path, **given)
            return answer.status_code, answer.json()

        assert ask("PUT", "/collections/c", {"vectors": DOT})[0] == 200
        some = [{"id": n, "vector": [n, 1.0], "payload": {"n": n}} for n in range(6)]
        assert ask("PUT", "/collections/c/points", {"points": some})[0] == 200
        yield ask


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/collections/none", None, 404, "`none` doesn't exist"),
        ("GET", "/collections/..%2fetc", None, 404, ""),
        ("GET", "/collections/c/points/99", None, 404, "99"),
        ("GET", "/collections/c/points/x", None, 400, "not a valid point ID"),
        ("GET", "/collections/c/nothing", None, 404, "no such path"),
        ("PUT", "/collections/c", {"vectors": DOT}, 409, "already exists"),
        ("PUT", "/collections/a%3Fb", {"vectors": DOT}, 400, "collection name"),
        ("PUT", "/collections/x", {"vectors": {"size": 0, "distance": "Dot"}}, 400, "size"),
        ("PUT", "/collections/x", {"vectors": {"size": 2, "distance": "Far"}}, 400, "Far"),
        ("PUT", "/collections/x", {"vectors": DOT | {"datatype": "uint8"}}, 501, "uint8"),
        ("PUT", "/collections/x", {"wishes": 1}, 501, "'wishes'"),
        ("PUT", "/collections/c/points", {"points": []}, 400, "Empty update"),
        (
            "PUT",
            "/collections/c/points",
            {"points": [{"id": 1, "vector": {"text": "x", "model": "y"}}]},
            501,
            "inference",
        ),
        ("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": [1, "x"]}]}, 400, "numbers"),
        ("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": {"b": [1, 2]}}]}, 400, "vector name"),
        ("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": [1, 2], "payload": 3}]}, 400, "payload"),
        ("PUT", "/collections/c/points", {"points": {"id": 1}}, 400, "expected 'points'"),
        ("POST", "/collections/c/points/query", {"query": [1]}, 400, "expected dim: 2, got 1"),
        ("POST", "/collections/c/points/query", {"query": 99}, 404, "99"),
        ("POST", "/collections/c/points/query", {"query": [1, 2], "limit": 0}, 400, "limit"),
        ("POST", "/collections/c/points/query", {"query": [1, 2], "offset": -1}, 400, "offset"),
        ("POST", "/collections/c/points/query", {"query": [1, 2], "limit": True}, 400, "limit"),
        ("POST", "/collections/c/points/query", {"query": {"fusion": "rrf"}}, 400, "without prefetches"),
        ("POST", "/collections/c/points/query", {"query": {"text": "x", "model": "y"}}, 501, "inference"),
        ("POST", "/collections/c/points/query", {"query": {"recommend": {}}}, 400, "positive"),
        ("POST", "/collections/c/points/query", {"query": {"sample": "all"}}, 400, "random"),
        ("POST", "/collections/c/points/query", {"query": [1, 2], "using": "b"}, 400, "vector name"),
        ("POST", "/collections/c/points/query", {"query": [1, 2], "new_thing": 1}, 501, "'new_thing'"),
        ("POST", "/collections/c/points/query", {"query": [1, 2], "filter": {"must": 3}}, 400, "condition"),
        ("POST", "/collections/c/points/query", [], 400, "object"),
        ("POST", "/collections/c/points/scroll", {"offset": 1, "order_by": "n"}, 400, "Offset is not supported"),
        ("POST", "/collections/c/points/payload", {"payload": {"a": 1}}, 400, "No filter or points"),
        ("POST", "/collections/c/points/payload", {"payload": {"a": 1}, "points": [2, 99]}, 404, "99"),
        ("POST", "/collections/c/points/batch", {"operations": [{"dance": {}}]}, 400, "operations"),
        ("PUT", "/collections/c/index", {"field_name": "a", "field_schema": "colour"}, 400, "field_schema"),
        (
            "POST",
            "/collections/aliases",
            {"actions": [{"create_alias": {"collection_name": "q", "alias_name": "a"}}]},
            404,
            "`q`",
        ),
        (
            "POST",
            "/collections/aliases",
            {"actions": [{"create_alias": {"collection_name": "c", "alias_name": "c"}}]},
            400,
            "same name",
        ),
    ],
)
def test_what_goes_wrong_is_told(call: Any, method: str, path: str, body: Any, status: int, says: str) -> None:
    got, answer = call(method, path, body)
    assert got == status and says in answer["status"]["error"], (got, answer)


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"query": NaN}', b"[" * 100_000, b'{"query": [1e999, 1]}'])
def test_what_is_no_json_is_told(call: Any, raw: bytes) -> None:
    status, answer = call("POST", "/collections/c/points/query", raw=raw)
    assert status == 400 and answer["status"]["error"]


@pytest.mark.parametrize(("path", "what"), REFUSED)
def test_what_is_not_supported_says_so(call: Any, path: str, what: str) -> None:
    for place in (path, path + "/more"):
        status, answer = call("POST", place.replace("{name}", "c"), {})
        assert status == 501 and answer["status"]["error"].startswith(what)

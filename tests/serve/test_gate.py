"""Bad input, each with its status and one sentence: over a real server, by raw sockets where clients would not."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient

from nearfield.serve import Keys, Limits, create_app
from nearfield.serve.server import running

SEARCH = "/v1/collections/papers/search"


def answer(url: str, raw: bytes, *, end: bool = False, wait: float = 10.0) -> tuple[int, dict[str, Any]]:
    """Send bytes, and read the status and the JSON of what comes back."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=wait) as link:
        link.sendall(raw)
        if end:
            link.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            piece = link.recv(65536)
            got += piece
            head, _, body = got.partition(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if not piece or (length and len(body) >= int(length[0].split(b":")[1])):
                break
    return int(head[9:12]), json.loads(body) if body else {}


def post(path: str, body: bytes, *more: str, media: str = "application/json") -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {media}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def refused(response: Any, status: int, *words: str) -> None:
    error = response.json()["error"]
    assert response.status_code == error["status"] == status, error
    for word in words:
        assert word in error["message"], error["message"]
    assert "\n" not in error["message"] or "where:" in error["message"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"query": [NaN, 1]}', 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 422, "an object"),
        (b"null", 422, "an object"),
        (b"{}", 422, "query"),
        (b'{"query": [1, 2, 3]}', 422, "8 dimensions"),
        (b'{"query": []}', 422, "numbers"),
        (b'{"query": [0,0,0,0,0,0,0,0]}', 422, "nonzero"),
        (b'{"query": [1e39,0,0,0,0,0,0,1]}', 422, "float32 can hold"),
        (b'{"query": ["1",0,0,0,0,0,0,1]}', 422, "float32"),
        (b'{"query": [true,0,0,0,0,0,0,1]}', 422, "numbers"),
        (b'{"query": [null,0,0,0,0,0,0,1]}', 422, "float32"),
        (b'{"query": {"f32": "AAAA*"}}', 422, "base64"),
        (b'{"query": {"f32": "AAA="}}', 422, "4 bytes each"),
        (b'{"query": {"f64": "AAAA"}}', 422, "f32"),
        (b'{"query": 7}', 422, "numbers"),
        (b'{"query": [1,1,1,1,1,1,1,1], "k": 0}', 422, "k: expected"),
        (b'{"query": [1,1,1,1,1,1,1,1], "k": 1.5}', 422, "k: expected"),
        (b'{"query": [1,1,1,1,1,1,1,1], "k": true}', 422, "k: expected"),
        (b'{"query": [1,1,1,1,1,1,1,1], "k": 10001}', 422, "at most 10,000"),
        (b'{"query": [1,1,1,1,1,1,1,1], "k": 1e300}', 422, "k: expected"),
        (b'{"query": [1,1,1,1,1,1,1,1], "where": "yeer > 3"}', 422, "yeer"),
        (b'{"query": [1,1,1,1,1,1,1,1], "where": "year > "}', 422, "where"),
        (b'{"query": [1,1,1,1,1,1,1,1], "kk": 3}', 422, "no such field"),
        (b'{"query": [1,1,1,1,1,1,1,1], "max_false": 0.1}', 422, "fit_judge"),
        (b'{"query": [1,1,1,1,1,1,1,1], "after": "zzz"}', 422, "cursor"),
        (b'{"query": [1,1,1,1,1,1,1,1], "group_by": "nothing"}', 422, "nothing"),
        (b'{"query": [1,1,1,1,1,1,1,1], "queries": [[1]]}', 422, "got both"),
        (b'{"queries": [[1,1,1,1,1,1,1,1], [1]]}', 422, "dimensions"),
        (b'{"queries": [[1,1,1,1,1,1,1,1], 7]}', 422, "numbers"),
        (b'{"text_query": "what"}', 409, "--encoder"),
        (b'{"query": [1,1,1,1,1,1,1,1], "bags": [[[1,1,1,1,1,1,1,1]]]}', 422, "one vector an item"),
        (b'{"like": "nobody"}', 422, "nobody"),
    ],
)
def test_a_bad_search(http: TestClient, body: bytes, status: int, words: str) -> None:
    refused(http.post(SEARCH, content=body, headers={"content-type": "application/json"}), status, words)


@pytest.mark.parametrize(
    ("operation", "body", "status", "words"),
    [
        ("add", {"ids": ["p1"], "vectors": [[1] * 8]}, 422, "in the store already"),
        ("add", {"ids": ["x", "x"], "vectors": [[1] * 8] * 2}, 422, "x"),
        ("add", {"ids": [7], "vectors": [[1] * 8]}, 422, "str ids"),
        ("add", {"ids": ["x"], "vectors": [[1] * 8], "attributes": {"colour": ["red"]}}, 422, "colour"),
        ("add", {"ids": ["x"], "vectors": [[1] * 8], "attributes": [{"year": "late"}]}, 422, "year"),
        ("add", {"ids": ["x", "y"], "vectors": [[1] * 8]}, 422, "ids"),
        ("add", {"ids": ["x"]}, 422, "vectors"),
        ("add", {"ids": ["x"], "text": ["words"]}, 409, "--encoder"),
        ("add", {"ids": [], "vectors": []}, 422, "ids"),
        ("add", {"ids": [""], "vectors": [[1] * 8]}, 422, "ids[0]"),
        ("add", {"ids": [2**63], "vectors": [[1] * 8]}, 422, "ids[0]"),
        ("add", {"ids": ["x"], "vectors": [[1] * 8], "ttl": -1}, 422, "ttl"),
        ("add", {"ids": ["x"], "vectors": [[1] * 8], "expires": "soon"}, 422, "expires"),
        ("add", {"ids": ["x"], "vectors": {"f32": ""}}, 422, "float32"),
        ("add", {"ids": ["x", "y"], "vectors": {"f32": "AACAPwAAgD8AAIA/"}}, 422, "2 rows"),
        ("search?k=3", {"query": [1] * 8}, 422, "in the JSON body"),
        ("get", {"ids": [[1]]}, 422, "ids[0]"),
        ("get", {}, 422, "ids"),
        ("iterate", {"batch_size": 10**9}, 422, "batch_size"),
        ("iterate", {"after": -1}, 422, "after"),
        ("search_many", {"queries": [[1] * 8], "where": ["year = 1", None]}, 422, "one condition"),
        ("search_range", {"query": [1] * 8, "radius": -1}, 422, "radius"),
        ("explain", {"query": [1] * 8}, 422, "id"),
        ("optimize?wait=5", {"memory": "lots"}, 422, "memory"),
        ("verify?wait=soon", {}, 422, "wait"),
        ("verify?when=now", {}, 422, "no such parameter"),
    ],
)
def test_other_bad_bodies(http: TestClient, operation: str, body: Any, status: int, words: str) -> None:
    refused(http.post(f"/v1/collections/papers/{operation}", json=body), status, words)


def test_other_media_and_methods(http: TestClient) -> None:
    refused(http.post(SEARCH, content=b"query=1", headers={"content-type": "text/plain"}), 415, "application/json")
    refused(http.post(SEARCH, content=b"abc", headers={"content-type": "application/octet-stream"}), 422, "4 bytes")
    refused(http.get(SEARCH), 405, "expected POST")
    assert http.get(SEARCH).headers["allow"] == "POST"
    refused(
        http.post("/v1/collections/papers/import", content=b"x", headers={"content-type": "text/csv"}), 415, "arrow"
    )
    arrow = {"content-type": "application/vnd.apache.arrow.stream"}
    for stream, status in (
        (b"not arrow at all", 413),  # the first bytes say how long the next piece is
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", 413),
        (b"\xff\xff\xff\xff\x10\x00\x00\x00" + b"x" * 16, 400),
        (b"", 400),
    ):
        refused(http.post("/v1/collections/papers/import", content=stream, headers=arrow), status, "stored")
    lines = {"content-type": "application/x-ndjson"}
    refused(http.post("/v1/collections/papers/import", content=b'{"id": 1}\n{"id"', headers=lines), 400, "line 2")
    refused(http.post("/v1/collections/papers/import", content=b'{"vector": [1]}', headers=lines), 422, "line 1", "id")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\x00b", "x" * 300, "%2e%2e", "papers.nf", "PAPERS"])
def test_names_that_are_no_collection(http: TestClient, name: str) -> None:
    from urllib.parse import quote

    place = f"/v1/collections/{quote(name, safe='')}"
    status = 422 if len(name) > 200 else 404
    refused(http.get(place), status, "name")
    refused(http.post(f"{place}/search", json={"query": [1] * 8}), status, "name")
    refused(http.request("DELETE", place), status, "name")


def test_a_name_that_is_no_text(url: str) -> None:
    assert answer(url, b"GET /v1/collections/.. HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 404
    assert answer(url, b"GET /v1/collections/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 404
    status, found = answer(url, b"GET /v1/collections/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, found["error"]["type"]) == (404, "NotFound")


def test_errors_tell_nothing_of_the_server(http: TestClient, folder: Path) -> None:
    for answered in (
        http.get("/v1/collections/none"),
        http.put("/v1/collections/papers", json={"dim": 3}),
        http.get("/v1/collections/papers/stats"),
        http.delete("/v1/collections/papers/snapshots/none"),
        http.post("/v1/collections/papers/search", json={"query": [1] * 8, "after": "x"}),
    ):
        assert str(folder) not in answered.text
        assert str(folder.parent) not in answered.text


def test_something_that_is_not_http(url: str) -> None:
    status, found = answer(url, b"hello\r\n\r\n")
    assert (status, found["error"]["status"]) == (400, 400)


@pytest.fixture
def strict(folder: Path) -> Iterator[str]:
    """A server with low limits."""
    limits = Limits(body=20_000, batch=50, body_seconds=1.5, hits=1000, rate=1000.0, connections=32)
    with running(create_app(folder, limits=limits)) as address:
        yield address


def test_too_much_at_once(strict: str) -> None:
    big = b'{"query": [' + b"1," * 15_000 + b"1]}"
    assert answer(strict, post(SEARCH, big))[0] == 413
    # Announced, and never sent: refused by the announcement alone.
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" % SEARCH.encode()
    status, found = answer(strict, head)
    assert (status, "20,000 bytes" in found["error"]["message"]) == (413, True)
    # Not announced: refused once it is there.
    chunked = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer(strict, chunked % SEARCH.encode() + b"7530\r\n" + b"1" * 30_000 + b"\r\n")[0] == 413
    ids = json.dumps({"ids": ["x"] * 51}).encode()
    assert answer(strict, post("/v1/collections/papers/get", ids))[0] == 413
    many = json.dumps({"queries": [[1.0] * 8] * 40, "k": 26}).encode()
    assert answer(strict, post(SEARCH, many))[0] == 413


def test_slow_clients_are_told_so(strict: str) -> None:
    status, found = answer(strict, b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{" % SEARCH.encode())
    assert (status, "1.5 s" in found["error"]["message"]) == (408, True)
    status, found = answer(strict, b"POST /v1/coll")
    assert status == 408


def test_clients_that_leave_in_the_middle(strict: str) -> None:
    parts = urlsplit(strict)
    body = json.dumps({"query": [1.0] * 8}).encode()
    for cut in (10, 60, len(post(SEARCH, body)) - 5, len(post(SEARCH, body))):
        for _ in range(5):
            with socket.create_connection((parts.hostname, parts.port)) as link:
                link.sendall(post(SEARCH, body)[:cut])
    assert answer(strict, post(SEARCH, body))[0] == 200
    metrics = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as link:
        link.sendall(metrics)
        text = b"".join(iter(lambda: link.recv(65536), b"")).decode()
    assert 'status="500"' not in text


def test_more_connections_than_are_taken(strict: str) -> None:
    parts = urlsplit(strict)
    links = []
    try:
        for _ in range(32):
            links.append(socket.create_connection((parts.hostname, parts.port)))
        time.sleep(0.2)
        last = socket.create_connection((parts.hostname, parts.port), timeout=10)
        links.append(last)
        assert last.recv(4096).startswith(b"HTTP/1.1 503")
    finally:
        for link in links:
            link.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if answer(strict, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200:
                return
        except OSError:
            continue
    pytest.fail("the server did not come back")


def test_an_answer_that_takes_too_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(folder, limits=Limits(request_seconds=1.5))
    from nearfield.store import Store

    monkeypatch.setattr(Store, "get", lambda self, ids, **_: time.sleep(2.5))
    with TestClient(app) as client:
        refused(client.post("/v1/collections/papers/get", json={"ids": ["p1"]}), 503, "1.5 s")
        assert client.post(SEARCH, json={"query": [1] * 8}).status_code == 200


class LeavesOut:
    """An encoder that returns a vector less than it got texts."""

    dim = 8

    def encode(self, items: list[str]) -> np.ndarray:
        return np.ones((len(items) - 1, self.dim), np.float32)

    def fingerprint(self) -> dict[str, Any]:
        return {"encoder": "LeavesOut", "dim": self.dim, "digest": "0"}


def test_an_encoder_that_leaves_texts_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Is the server's fault, and nothing is stored or found by the wrong text."""
    with TestClient(create_app(folder, encoder=LeavesOut())) as client:  # type: ignore[arg-type]
        row = {"ids": ["x", "y"], "text": ["one", "two"]}
        refused(client.post("/v1/collections/papers/add", json=row), 500, "its log says where")
        assert "the encoder returned 1 vectors for 2 texts" in caplog.text
        refused(client.post(SEARCH, json={"text_query": "what"}), 500, "its log says where")
        assert client.get("/v1/collections/papers").json()["items"] == 200


def test_a_rate_that_is_kept(folder: Path) -> None:
    app = create_app(folder, limits=Limits(rate=0.2, burst=5.0))
    with TestClient(app) as client:
        found = [client.get("/v1/collections").status_code for _ in range(8)]
        assert found[:5] == [200] * 5
        assert found[5:] == [429] * 3
        assert 1 <= int(client.get("/v1/collections").headers["retry-after"]) <= 5
        assert client.get("/health").status_code == 200


def test_keys_and_rights(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    secret = {right: Keys.new(file, right) for right in ("read", "write", "admin")}
    app = create_app(folder, keys=Keys.load(file))
    row = {"ids": ["new"], "vectors": [[1] * 8]}
    with TestClient(app) as client:

        def ask(right: str | None, method: str, path: str, **body: Any) -> Any:
            headers = {} if right is None else {"authorization": f"Bearer {secret.get(right, right)}"}
            return client.request(method, path, headers=headers, **body)

        search = {"json": {"query": [1] * 8}}
        assert ask(None, "GET", "/health").status_code == 200
        assert ask(None, "GET", "/ready").status_code == 200
        refused(ask(None, "POST", SEARCH, **search), 401, "a key is needed")
        refused(ask("nf_wrong", "POST", SEARCH, **search), 401, "none that this server knows")
        refused(ask("nf_wrong", "GET", "/docs"), 401, "none that this server knows")
        assert ask("read", "POST", SEARCH, **search).status_code == 200
        assert ask("read", "GET", "/v1").json()["right"] == "read"
        refused(ask("read", "POST", "/v1/collections/papers/upsert", json=row), 403, "'write'")
        assert ask("write", "POST", "/v1/collections/papers/upsert", json=row).status_code == 200
        refused(ask("write", "DELETE", "/v1/collections/papers"), 403, "'admin'")
        refused(ask("write", "PUT", "/v1/collections/other", json={"dim": 3}), 403, "'admin'")
        assert ask("admin", "PUT", "/v1/collections/other", json={"dim": 3}).status_code == 201
        assert client.get("/v1", headers={"x-api-key": secret["read"]}).status_code == 200
        assert client.get("/v1", headers={"api-key": secret["read"]}).status_code == 200
        document = client.get("/openapi.json").json()
        assert document["paths"]["/v1/collections/{name}/search"]["post"]["security"] == [{"key": []}]


def test_a_server_that_only_reads(folder: Path) -> None:
    with TestClient(create_app(folder, read_only=True)) as client:
        assert client.post(SEARCH, json={"query": [1] * 8}).status_code == 200
        for operation in ("add", "upsert"):
            body = {"ids": ["a"], "vectors": [[1] * 8]}
            refused(client.post(f"/v1/collections/papers/{operation}", json=body), 403, "--read-only")
        refused(client.put("/v1/collections/new", json={"dim": 3}), 403, "--read-only")


def test_queries_that_arrive_together_do_not_spoil_each_other(url: str, vectors: np.ndarray) -> None:
    from concurrent.futures import ThreadPoolExecutor

    good = json.dumps({"query": vectors[0].tolist(), "k": 3}).encode()
    zeros = json.dumps({"query": [0.0] * 8, "k": 3}).encode()
    bodies = [zeros if number % 3 == 0 else good for number in range(60)]
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda body: answer(url, post(SEARCH, body)), bodies))
    for body, (status, found) in zip(bodies, answers, strict=True):
        assert status == (422 if body is zeros else 200)
        assert "nonzero" in found["error"]["message"] if body is zeros else found["hits"][0]["id"] == "p0"

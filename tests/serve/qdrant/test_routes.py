from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.serve import Keys
from nearfield.serve.qdrant.endpoints import ENDPOINTS, REFUSED, VERSION

m = pytest.importorskip("qdrant_client.models")

DOT = {"size": 2, "distance": "Dot"}
DOCS = Path(__file__).parents[3] / "docs" / "serve-qdrant.md"


@pytest.fixture
def call(served: Any, client: Any) -> Any:
    """Plain requests: (method, path, body) -> status and answer."""
    import httpx

    with httpx.Client(base_url=served.url, timeout=60) as http:

        def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
            answer = http.request(method, path, json=body) if body is not None else http.request(method, path)
            return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else answer.text

        assert ask("PUT", "/collections/c", {"vectors": DOT})[0] == 200
        some = [{"id": n, "vector": [n, 1.0], "payload": {"n": n, "odd": n % 2}} for n in range(6)]
        assert ask("PUT", "/collections/c/points?wait=true", {"points": some})[1]["result"]["status"] == "completed"
        yield ask


def test_it_says_what_it_is(call: Any) -> None:
    status, answer = call("GET", "/")
    assert status == 200 and "nearfield" in answer["title"] and re.fullmatch(r"1\.\d+\.\d+", answer["version"])
    for path in ("/healthz", "/livez", "/readyz"):
        assert call("GET", path)[0] == 200


def test_answers_have_qdrants_envelope(call: Any) -> None:
    status, answer = call("GET", "/collections/c/points/3")
    assert status == 200 and answer["status"] == "ok" and answer["time"] >= 0
    assert answer["result"] == {"id": 3, "payload": {"n": 3, "odd": 1}, "vector": [3.0, 1.0]}


def test_the_page_lists_every_path(call: Any) -> None:
    text = DOCS.read_text()
    listed = set(re.findall(r"^\| `([A-Z]+) (/\S*)` \|", text, re.MULTILINE))
    assert listed == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    for path, _ in REFUSED:
        assert f"`{path}`" in text
    for endpoint in ENDPOINTS:
        assert f"| {endpoint.does} |" in text


def test_who_may_do_what(tmp_path: Path, start: Any) -> None:
    secrets = {right: Keys.new(tmp_path / "keys", right) for right in ("read", "write", "admin")}
    server = start(tmp_path / "all", keys=Keys.load(tmp_path / "keys"))
    clients = {right: server.client(api_key=secret) for right, secret in secrets.items()}
    clients["admin"].create_collection("c", vectors_config=m.VectorParams(size=2, distance=m.Distance.DOT))
    clients["write"].upsert("c", [m.PointStruct(id=1, vector=[1.0, 2.0])])
    assert clients["read"].count("c").count == 1
    for client, right in ((clients["read"], "write"), (server.client(), "read")):
        with pytest.raises(Exception, match=r"403|401"):
            client.upsert("c", [m.PointStruct(id=2, vector=[1.0, 2.0])])
        assert right
    with pytest.raises(Exception, match="403"):
        clients["write"].delete_collection("c")
    with pytest.raises(Exception, match="401"):
        server.client().count("c")
    server.close()
    reader = start(tmp_path / "all", read_only=True)
    client = reader.client()
    assert client.count("c").count == 1
    for change in (
        lambda: client.upsert("c", [m.PointStruct(id=2, vector=[1.0, 2.0])]),
        lambda: client.delete_collection("c"),
    ):
        with pytest.raises(Exception, match="403"):
            change()
    reader.close()


def test_older_clients_paths(call: Any) -> None:
    body = {
        "vector": [1.0, 0.0],
        "limit": 2,
        "with_payload": ["n"],
        "filter": {"must": {"key": "odd", "match": {"value": 1}}},
    }
    found = call("POST", "/collections/c/points/search", body)[1]["result"]
    assert [(hit["id"], hit["payload"]) for hit in found] == [(5, {"n": 5}), (3, {"n": 3})] and "vector" not in found[0]
    named = {"vector": {"name": "", "vector": [1.0, 0.0]}, "limit": 1}
    assert call("POST", "/collections/c/points/search/batch", {"searches": [named, body]})[1]["result"][1] == found
    groups = call(
        "POST",
        "/collections/c/points/search/groups",
        {"vector": [1.0, 0.0], "limit": 2, "group_by": "odd", "group_size": 1},
    )
    assert [group["id"] for group in groups[1]["result"]["groups"]] == [1, 0]
    like = call("POST", "/collections/c/points/recommend", {"positive": [5], "negative": [0], "limit": 2})[1]["result"]
    assert [hit["id"] for hit in like] == [4, 3]
    near = call(
        "POST",
        "/collections/c/points/discover",
        {"target": [1.0, 0.0], "context": [{"positive": 1, "negative": 4}], "limit": 1},
    )
    assert near[0] == 200 and len(near[1]["result"]) == 1


def test_aliases_stand_for_a_collection_everywhere(client: Any) -> None:
    client.create_collection("c", vectors_config=m.VectorParams(size=2, distance=m.Distance.DOT))
    create = m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name="c", alias_name="now"))
    rename = m.RenameAliasOperation(rename_alias=m.RenameAlias(old_alias_name="now", new_alias_name="live"))
    client.update_collection_aliases(change_aliases_operations=[create, rename])
    assert client.collection_exists("live") and not client.collection_exists("now")
    client.upsert("live", [m.PointStruct(id=1, vector=[1.0, 2.0])])
    assert client.count("c").count == 1
    assert [one.alias_name for one in client.get_collection_aliases("c").aliases] == ["live"]
    gone = m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name="now"))
    with pytest.raises(Exception, match="404"):
        client.update_collection_aliases(change_aliases_operations=[create, gone, gone])
    assert [one.alias_name for one in client.get_aliases().aliases] == ["live"]
    client.delete_collection("live")
    assert not client.get_aliases().aliases and not client.collection_exists("c")


def test_vectors_and_settings_of_a_collection_change(client: Any, local: Any) -> None:
    sizes = {"size": 2, "distance": m.Distance.DOT}
    for one in (client, local):
        one.create_collection("c", vectors_config={"a": m.VectorParams(**sizes)}, metadata={"by": "me"})
        one.upsert("c", [m.PointStruct(id=1, vector={"a": [1.0, 2.0]})])
        one.create_vector_name("c", "b", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(**sizes)))
        one.create_vector_name("c", "s", m.SparseVectorNameConfig(sparse=m.SparseVectorConfig()))
        one.update_vectors(
            "c", [m.PointVectors(id=1, vector={"b": [3.0, 4.0], "s": m.SparseVector(indices=[1], values=[2])})]
        )
    answers = [one.retrieve("c", [1], with_vectors=True) for one in (client, local)]
    assert answers[0] == answers[1]
    client.delete_vector_name("c", "b")
    client.create_vector_name("c", "b", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(**sizes)))
    assert set(client.retrieve("c", [1], with_vectors=True)[0].vector) == {"a", "s"}
    client.update_collection("c", optimizers_config=m.OptimizersConfigDiff(indexing_threshold=7))
    info = client.get_collection("c")
    assert info.config.optimizer_config.indexing_threshold == 7 and info.config.metadata == {"by": "me"}
    with pytest.raises(Exception, match="501"):
        client.delete_vector_name("c", "a")


def test_other_collections_lend_their_vectors_and_points(client: Any, local: Any) -> None:
    shape = m.VectorParams(size=2, distance=m.Distance.DOT)
    found = []
    for one in (client, local):
        for name in ("c", "d"):
            one.create_collection(name, vectors_config=shape)
            some = [m.PointStruct(id=n, vector=[n, 5.0 - n], payload={"group": n % 3}) for n in range(6)]
            one.upsert(name, some)
        where = m.LookupLocation(collection="d")
        hits = one.query_points("c", query=4, lookup_from=where, limit=6).points
        grouped = one.query_points_groups("c", query=[1.0, 0.0], group_by="group", group_size=2, with_lookup="d")
        found.append(([hit.id for hit in hits], grouped))
    assert found[0] == found[1]


def test_updates_by_filter_mode_and_batch(client: Any, local: Any) -> None:
    shape = m.VectorParams(size=2, distance=m.Distance.DOT)
    answers = []
    for one in (client, local):
        one.create_collection("c", vectors_config=shape)
        some = [m.PointStruct(id=n, vector=[n, 1.0], payload={"n": n}) for n in range(6)]
        one.upsert("c", points=some)
        new = [m.PointStruct(id=n, vector=[0.0, 0.0], payload={"new": True}) for n in (1, 4, 9)]
        one.upsert("c", points=new, update_filter=m.Filter(must=[m.FieldCondition(key="n", range=m.Range(gt=3))]))
        one.upsert(
            "c", points=[m.PointStruct(id=n, vector=[7.0, 0.0]) for n in (0, 7)], update_mode=m.UpdateMode.INSERT_ONLY
        )
        one.upsert(
            "c", points=[m.PointStruct(id=n, vector=[8.0, 0.0]) for n in (2, 8)], update_mode=m.UpdateMode.UPDATE_ONLY
        )
        one.upsert("c", points=m.Batch(ids=[20, 21], vectors=[[1.0, 2.0], [3.0, 4.0]], payloads=[{"b": 1}, {}]))
        one.batch_update_points(
            "c",
            [
                m.SetPayloadOperation(set_payload=m.SetPayload(payload={"x": 1}, points=[3, 20])),
                m.DeleteOperation(delete=m.PointIdsList(points=[5])),
                m.UpsertOperation(upsert=m.PointsList(points=[m.PointStruct(id=5, vector=[5.0, 5.0])])),
                m.ClearPayloadOperation(clear_payload=m.PointIdsList(points=[0])),
            ],
        )
        one.upsert("c", points=[m.PointStruct(id=30, vector=[n, 0.0], payload={"n": n}) for n in (1, 2)])
        answers.append(one.scroll("c", limit=100, with_vectors=True))
    assert answers[0] == answers[1]


def test_uploads_and_matrices(client: Any) -> None:
    client.create_collection("c", vectors_config=m.VectorParams(size=8, distance=m.Distance.COSINE))
    vectors = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    client.upload_collection("c", vectors=vectors, payload=({"n": n} for n in range(300)), ids=range(300), wait=True)
    assert client.count("c").count == 300
    answers = client.query_batch_points("c", [m.QueryRequest(query=vectors[n].tolist(), limit=1) for n in range(20)])
    assert [answer.points[0].id for answer in answers] == list(range(20))
    exact = client.query_points("c", query=vectors[3].tolist(), search_params=m.SearchParams(exact=True), limit=300)
    assert exact.points == client.query_points("c", query=vectors[3].tolist(), limit=300).points
    pairs = client.search_matrix_pairs("c", sample=12, limit=3).pairs
    assert len(pairs) == 36 and all(-1.001 <= pair.score <= 1.001 and pair.a != pair.b for pair in pairs)
    offsets = client.search_matrix_offsets("c", sample=12, limit=3)
    assert len(offsets.ids) == 12 and len(offsets.scores) == 36
    sampled = client.query_points("c", query=m.SampleQuery(sample=m.Sample.RANDOM), limit=500).points
    assert len({point.id for point in sampled}) == 300


def test_the_client_finds_the_version(served: Any) -> None:
    from qdrant_client.common.version_check import get_server_version, is_compatible

    found = get_server_version(served.url, {}, None, 60)
    assert found == VERSION and is_compatible("1.20.0", found)

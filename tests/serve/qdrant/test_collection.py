from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.store import Store

m = pytest.importorskip("qdrant_client.models")

DIM = 4
COSINE = m.VectorParams(size=DIM, distance=m.Distance.COSINE)
EUCLID = m.VectorParams(size=DIM, distance=m.Distance.EUCLID)
UUID = str(uuid.UUID(int=7))


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def points(count: int, seed: int = 0) -> list[Any]:
    vectors = rows(count, seed).tolist()
    return [m.PointStruct(id=number, vector=vectors[number], payload={"n": number}) for number in range(count)]


def test_everything_is_there_after_a_restart(tmp_path: Path, start: Any) -> None:
    named = {"dense": COSINE, "other": EUCLID}
    sparse = {"words": m.SparseVectorParams(modifier=m.Modifier.IDF)}
    big = (1 << 64) - 1
    vector = {
        "dense": [1.0, 0, 0, 0],
        "other": [1.0, 2, 3, 4],
        "words": m.SparseVector(indices=[5, 2], values=[1, 0.5]),
    }
    payload = {"a": {"b": [1, None, "é"]}, "$qdrant": {"mine": 1}}
    first = start(tmp_path / "all")
    client = first.client()
    client.create_collection("c", vectors_config=named, sparse_vectors_config=sparse)
    client.create_payload_index("c", "a.b", field_schema="keyword")
    client.update_collection_aliases(
        change_aliases_operations=[
            m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name="c", alias_name="d"))
        ]
    )
    client.upsert("c", [m.PointStruct(id=one, vector=vector, payload=payload) for one in (0, big, UUID)])
    client.upsert("c", [m.PointStruct(id=1, vector={"other": [0.0, 0, 0, 1]})])
    before = client.scroll("c", with_vectors=True)
    first.close()
    second = start(tmp_path / "all")
    client = second.client()
    assert client.scroll("d", with_vectors=True) == before
    assert [one.id for one in before[0]] == [0, 1, big, UUID]
    assert before[0][0].payload == payload and set(before[0][1].vector) == {"other"}
    assert client.query_points("c", query=[1.0, 0, 0, 0], using="dense").points[0].score == pytest.approx(1.0)
    assert len(client.query_points("c", query=[1.0, 0, 0, 0], using="dense").points) == 3
    assert client.get_collection("c").payload_schema["a.b"].data_type == "keyword"
    new = str(uuid.UUID(int=8))
    client.upsert("c", [m.PointStruct(id=new, vector={})])
    assert client.count("c").count == 5 and client.retrieve("c", [new, UUID])[1].payload == payload
    second.close()


def test_a_store_made_without_the_dialect_is_a_collection(tmp_path: Path, start: Any) -> None:
    vectors = rows(50)
    with Store.create(tmp_path / "own.nf", DIM, metric="l2") as store:
        store.add(np.arange(50), vectors, payload=[{"n": n} if n % 2 else None for n in range(50)])
    server = start(tmp_path / "own.nf")
    client = server.client()
    assert [one.name for one in client.get_collections().collections] == ["own"]
    assert client.get_collection("own").config.params.vectors.distance == m.Distance.EUCLID
    odd = m.Filter(must=[m.FieldCondition(key="n", range=m.Range(gte=10))])
    hits = client.query_points("own", query=vectors[13].tolist(), query_filter=odd, limit=3).points
    assert hits[0].id == 13 and hits[0].score == 0 and all(hit.payload["n"] >= 10 for hit in hits)
    client.upsert("own", [m.PointStruct(id=UUID, vector=vectors[0].tolist(), payload={"n": -1})])
    assert client.count("own").count == 51
    with pytest.raises(Exception, match="403"):
        client.create_collection("more", vectors_config=COSINE)
    server.close()
    with Store.open(tmp_path / "own.nf") as store:
        assert store.get(1).payload == {"n": 1} and store.get(-1).payload["$qdrant"] == {"id": UUID}


def test_a_store_of_texts_says_that_it_is_none(tmp_path: Path, start: Any) -> None:
    with Store.create(tmp_path / "own.nf", DIM) as store:
        store.add(["a"], rows(1))
    server = start(tmp_path / "own.nf")
    with pytest.raises(Exception, match=r"501[\s\S]*ids that are texts"):
        server.client().count("own")
    server.close()


def test_what_others_write_to_the_store_is_seen(served: Any, client: Any) -> None:
    client.create_collection("c", vectors_config=EUCLID)
    client.upsert("c", points(5))
    with served.app.state.hosted.open("c") as store:
        store.upsert([3, 77], rows(2, 1), payload=[{"n": 30}, {"n": 77}])
        store.delete([0])
    assert [one.id for one in client.scroll("c")[0]] == [1, 2, 3, 4, 77]
    assert client.retrieve("c", [3])[0].payload == {"n": 30}
    with served.app.state.hosted.open("c") as store:
        store.compact()
    assert client.count("c").count == 5


def test_many_new_versions_leave_no_trace(served: Any, client: Any) -> None:
    client.create_collection(
        "c",
        vectors_config={
            "": EUCLID,
            "bags": m.VectorParams(
                size=2, distance=m.Distance.DOT, multivector_config=m.MultiVectorConfig(comparator="max_sim")
            ),
        },
    )
    for turn in range(15):
        many = [
            m.PointStruct(id=n, vector={"": [n, turn, 0, 0], "bags": [[n, turn]] * (1 + n % 3)}, payload={"turn": turn})
            for n in range(100)
        ]
        client.upsert("c", many)
    with served.app.state.qdrant.open("c") as (collection, _):
        assert collection.points.epoch == 1 and len(collection.points) <= 1100
    assert client.count("c", m.Filter(must=[m.FieldCondition(key="turn", match=m.MatchValue(value=14))])).count == 100
    found = client.query_points("c", query=[[1.0, 1.0]], using="bags", limit=1, with_vectors=True).points[0]
    assert found.id == 99 and found.score == 113 and found.vector["bags"] == [[99.0, 14.0]]
    assert client.query_points("c", query=[40.0, 14, 0, 0], limit=1).points[0].id == 40


def test_searches_while_points_change_never_show_one_that_does_not_pass(served: Any) -> None:
    client = served.client()
    client.create_collection("busy", vectors_config=EUCLID)
    client.upsert("busy", points(200))
    stop = threading.Event()
    wrong: list[Any] = []
    red = m.Filter(must=[m.FieldCondition(key="color", match=m.MatchValue(value="red"))])

    def write(seed: int) -> None:
        mine = served.client()
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            one = int(rng.integers(200))
            vector, color = (rows(1, seed)[0].tolist(), "red") if rng.random() < 0.5 else ([9.0, 9, 9, 9], "blue")
            mine.upsert("busy", [m.PointStruct(id=one, vector=vector, payload={"color": color, "n": one})])
            if rng.random() < 0.2:
                mine.delete("busy", points_selector=[int(rng.integers(200))])

    def read() -> None:
        mine = served.client()
        for _ in range(60):
            try:
                for hit in mine.query_points("busy", query=[9.0, 9, 9, 9], query_filter=red, limit=20).points:
                    if hit.payload["color"] != "red" or hit.score == 0:
                        wrong.append(hit)
            except Exception as error:
                wrong.append(error)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    for thread in writers:
        thread.join()
    expected = {one.id: one.payload for one in client.scroll("busy", limit=500)[0]}
    with served.app.state.hosted.open("busy") as store:
        kept = {
            one: payload for batch in store.iterate() for one, payload in zip(batch.ids, batch.payload, strict=True)
        }
    assert kept == expected
    client.delete_collection("busy")
    assert not wrong


def test_a_request_with_one_bad_point_writes_nothing(client: Any) -> None:
    client.create_collection("c", vectors_config=COSINE)
    for wrong in ([1.0, 2.0], [0.0] * DIM, [1e39, 0, 0, 0]):
        with pytest.raises(Exception, match="400"):
            client.upsert("c", [*points(3), m.PointStruct(id=9, vector=wrong)])
    assert client.count("c").count == 0


def test_an_example_of_zeros_is_equally_unlike_everything(client: Any, local: Any) -> None:
    like = m.RecommendInput(positive=[[0.0] * DIM, [1.0, 0, 0, 0]], strategy=m.RecommendStrategy.SUM_SCORES)
    found = []
    for one in (client, local):
        one.create_collection("c", vectors_config=COSINE)
        one.upsert("c", points(20))
        zeros = one.query_points("c", query=[0.0] * DIM, limit=30).points
        assert [hit.score for hit in zeros] == [0.0] * 20
        found.append(
            [
                (hit.id, round(hit.score, 5))
                for hit in one.query_points("c", query=m.RecommendQuery(recommend=like)).points
            ]
        )
    assert found[0] == found[1]

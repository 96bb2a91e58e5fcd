"""The client answers as the store does: the same calls on both, compared."""

from __future__ import annotations

import datetime as dt
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nearfield.serve import Client, Limits, RemoteError, RemoteStore, create_app
from nearfield.serve.server import running
from nearfield.store import Condition, Hits, Store


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


@pytest.fixture
def remote(client: Client) -> RemoteStore:
    return client.open("papers")


@pytest.fixture
def local(app: Any) -> Iterator[Store]:
    with app.state.hosted.open("papers") as store:
        yield store


def alike(mine: Hits, theirs: Hits) -> None:
    assert mine.ids == theirs.ids
    assert np.array_equal(mine.distances, theirs.distances)
    assert mine.status == theirs.status
    for name in ("attributes", "payload", "groups", "text"):
        assert getattr(mine, name) == getattr(theirs, name), name
    for name in ("relevance",):
        ours, others = getattr(mine, name), getattr(theirs, name)
        assert (ours is None) == (others is None)
        assert ours is None or np.array_equal(ours, others)
    if theirs.legs is not None:
        for name, values in theirs.legs.items():
            assert np.array_equal(mine.legs[name], values, equal_nan=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "where": "year >= 2020 and topic in ('nlp', 'vision')"},
        {"k": 500},
        {"k": 4, "where": Condition("year >= 2005", ids=["p7", "p8", "p30", "nothing"])},
        {"k": 4, "attributes": True, "payload": True},
        {"k": 3, "group_by": "topic", "group_size": 2},
        {"k": 5, "beam": 40},
        {"k": 2, "where": "year > 3000"},
        {"k": 5, "text": "paper number 17", "payload": True},
        {"k": 5, "like": "p3", "unlike": ["p4", "p5"]},
    ],
)
def test_a_search_answers_as_the_store(
    remote: RemoteStore, local: Store, vectors: np.ndarray, options: dict[str, Any]
) -> None:
    alike(remote.search(vectors[3] + 1, **options), local.search(vectors[3] + 1, **options))
    if "text" not in options:
        alike(remote.search(vectors[:7] + 1, **options), local.search(vectors[:7] + 1, **options))


def test_words_alone_and_items_alone(remote: RemoteStore, local: Store) -> None:
    alike(remote.search(text="number 17"), local.search(text="number 17"))
    alike(remote.search(text=["number 17", "nothing"]), local.search(text=["number 17", "nothing"]))
    alike(remote.search(like=["p3", "p9"], k=3), local.search(like=["p3", "p9"], k=3))


def test_many_ranges_and_reasons(remote: RemoteStore, local: Store, vectors: np.ndarray) -> None:
    some = Condition("topic = 'nlp'", ids=[f"p{number}" for number in range(90)])
    conditions = ["year = 2003", None, some]
    alike(
        remote.search_many(vectors[:3], k=4, where=conditions, attributes=True),
        local.search_many(vectors[:3], k=4, where=conditions, attributes=True),
    )
    alike(remote.search_range(vectors[0], 0.6), local.search_range(vectors[0], 0.6))
    alike(remote.search_range(vectors[0], 0.9, where=some), local.search_range(vectors[0], 0.9, where=some))
    assert remote.explain(vectors[0], "p199", where=some) == local.explain(vectors[0], "p199", where=some)
    with pytest.raises(TypeError, match="a test is a function"):
        remote.search(vectors[0], where=Condition(test=lambda id, payload: True))
    for mine, theirs in zip(
        remote.search_range(vectors[:3], 0.4, limit=5), local.search_range(vectors[:3], 0.4, limit=5), strict=True
    ):
        alike(mine, theirs)
    for identifier in ("p0", "p1", "none"):
        told = remote.explain(vectors[0], identifier, k=1, where="year = 2000")
        assert told == local.explain(vectors[0], identifier, k=1, where="year = 2000")


def test_pages_go_on(remote: RemoteStore, local: Store, vectors: np.ndarray) -> None:
    first = remote.search(vectors[0], k=120, cursor=True)
    assert first.cursor == local.search(vectors[0], k=120).cursor
    second = remote.search(vectors[0], k=120, after=first.cursor)
    assert len(second) == 80
    assert second.cursor is None
    assert len({*first.ids, *second.ids} - {None}) == 200
    many = remote.search(vectors[:2], k=10, cursor=True)
    assert many.cursor == local.search(vectors[:2], k=10).cursor


def test_items_come_and_go(remote: RemoteStore, local: Store) -> None:
    later = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
    rows = np.float32([[1] * 8, [2] * 8])
    assert (
        remote.add(
            ["a/b", "ünï"],
            rows,
            attributes={"year": [1, 2], "topic": ["x", None]},
            payload=[{"deep": [1, {"a": None}]}, None],
            expires=[later, None],
        )
        == 2
    )
    item, there = remote.get("a/b"), local.get("a/b")
    assert np.array_equal(item.vector, there.vector)
    assert (item.attributes, item.payload, item.expires) == (there.attributes, there.payload, there.expires)
    assert item.expires == later
    assert remote.get(["nothing", "ünï"])[0] is None
    assert "ünï" in remote
    assert "nothing" not in remote
    with pytest.raises(ValueError, match="in the store already"):
        remote.add("ünï", rows[0])
    assert remote.upsert("ünï", rows[0], attributes={"year": 7}, payload={"one": 1}) == 1
    assert local.get("ünï").payload == {"one": 1}
    assert len(remote) == 202
    assert remote.delete(["ünï", "a/b", "nothing"]) == 2


def test_iteration_sees_everything(remote: RemoteStore, local: Store) -> None:
    mine, theirs = list(remote.iterate(64)), list(local.iterate(64))
    assert [len(batch) for batch in mine] == [64, 64, 64, 8]
    for one, other in zip(mine, theirs, strict=True):
        assert one.ids == other.ids
        assert np.array_equal(one.vectors, other.vectors)
        assert one.attributes.to_pylist() == other.attributes.to_pylist()
        assert one.payload == other.payload
    assert remote.ids_after(limit=2)[0] == ["p0", "p1"]


def test_long_runs_are_waited_for(remote: RemoteStore, local: Store) -> None:
    report = remote.verify(sample=20)
    assert report["ok"]
    assert report["counts"]["items"] == 200
    plan = remote.optimize(recall=0.9)
    assert plan.recipe.to_dict() == local.plan.recipe.to_dict() == remote.plan.recipe.to_dict()
    found = remote.survey(sample=50)
    assert found["rows"] == 200
    assert found["measures"]
    assert remote.fit_judge(sample=50, background=50)
    assert remote.search(np.ones(8, np.float32), k=3, max_false=1.0).relevance is not None
    assert remote.stats()["items"] == 200
    with pytest.raises(ValueError, match="recall"):
        remote.optimize(recall=0.0)
    assert remote.compact() in (True, False)
    assert remote.seal() is False


def test_snapshots(remote: RemoteStore) -> None:
    remote.tag("before/after ü")
    remote.delete([f"p{number}" for number in range(100)])
    assert remote.tags()["before/after ü"]["items"] == 200
    with pytest.raises(FileExistsError):
        remote.tag("before/after ü")
    remote.restore("before/after ü")
    assert len(remote) == 200
    remote.untag("before/after ü")
    with pytest.raises(FileNotFoundError, match="no snapshot"):
        remote.restore("before/after ü")


def test_collections(client: Client) -> None:
    for name in ("../x", "a/b", "%2e", "ü ü", "..", "."):
        client.create(name, 3, metric="l2", ttl=dt.timedelta(days=1))
        store = client.open(name)
        store.add([1, 2], np.eye(3, dtype=np.float32)[:2])
        assert (store.name, store.dim, store.metric, len(store)) == (name, 3, "l2", 2)
        assert store.search(np.float32([1, 0, 0]), k=1).ids == [1]
    with pytest.raises(FileExistsError):
        client.create("a/b", 3)
    client.create("a/b", 3, exist_ok=True)
    assert {"../x", "a/b", "papers"} <= set(client)
    client.drop("../x")
    assert "../x" not in client
    with pytest.raises(FileNotFoundError, match="no collection"):
        client.open("../x")


def test_streams_in_and_out(client: Client, remote: RemoteStore, local: Store) -> None:
    lines = b"".join(remote.export())
    assert lines.count(b"\n") == 200
    arrow = pa.ipc.open_stream(b"".join(remote.export("arrow"))).read_all()
    assert arrow.num_rows == 200
    client.create("copy", 8, attributes={"year": "int", "topic": "string"}, text="title")
    copy = client.open("copy")
    assert copy.import_items(arrow, method="add")["items"] == 200
    for one, other in zip(copy.iterate(200), local.iterate(200), strict=True):
        assert one.ids == other.ids
        assert np.array_equal(one.vectors, other.vectors)
        assert one.attributes.to_pylist() == other.attributes.to_pylist()
        assert one.payload == other.payload
    rows = ({"id": f"n{number}", "vector": np.full(8, number + 1.0), "payload": number} for number in range(2500))
    assert copy.import_items(rows) == {"items": 2500, "batches": 3}
    assert copy.get("n7").payload == 7
    assert copy.import_items(iter(())) == {"items": 0, "batches": 0}
    bad = [{"id": f"m{number}", "vector": [1.0] * 8} for number in range(1000)] + [{"id": "m", "vector": [1.0] * 3}]
    with pytest.raises(ValueError, match="the 1,000 items before this batch are stored"):
        copy.import_items(bad)
    assert "m999" in copy
    assert "m" not in copy


def test_many_threads_share_a_client(remote: RemoteStore, local: Store, vectors: np.ndarray) -> None:
    expected = local.search(vectors, k=5)
    wrong = []

    def ask(first: int) -> None:
        for number in range(first, 200, 16):
            hits = remote.search(vectors[number], k=5)
            if hits.ids != expected.ids[number] or not np.array_equal(hits.distances, expected.distances[number]):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="refused"):
        Client("http://127.0.0.1:1").about()
    with pytest.raises(ValueError, match="url: expected an address"):
        Client("ftp://x")


def test_errors_without_a_counterpart_keep_their_status(folder: Path) -> None:
    with running(create_app(folder, limits=Limits(rate=0.1, burst=1.0))) as url, Client(url) as client:
        client.about()
        with pytest.raises(RemoteError, match=r"0.1 requests a second.*429") as refused:
            client.about()
        assert (refused.value.status, refused.value.type) == (429, "TooManyRequests")
        assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


def test_bags_go_there_and_back_and_are_searched(url: str, vectors: np.ndarray) -> None:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    bags = [unit[4 * number : 4 * number + 1 + number % 3] for number in range(20)]
    with Client(url) as client:
        client.create("many", 8, bags=8)
        store = client.open("many")
        assert store.add(list(range(20)), vectors[:20], bags=[*bags[:-1], None]) == 20
        item, without = store.get([3, 19], bags=True)
        assert np.abs(item.bag - bags[3]).max() < 0.05 and without.bag is None
        assert store.get(3).bag is None
        hits = store.search(vectors[0], 3, bags=bags[5], candidates=20)
        assert hits.ids[0] == 5 and hits.legs["bags"][0] > hits.legs["bags"][1]
        many = store.search_many(vectors[:2], 1, bags=[bags[5], bags[7]], candidates=20)
        assert many.ids == [[5], [7]]
        with pytest.raises(ValueError, match="bags: expected"):
            store.search(vectors[0], 3, bags=np.ones((2, 5), np.float32))
        with pytest.raises(ValueError, match="one vector an item"):
            client.open("papers").search(vectors[0], 3, bags=bags[5])

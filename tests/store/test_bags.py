"""Bags in a store: kept through everything that moves rows, followed, copied, dumped, verified; refused by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.encode import Bags
from nearfield.index import (
    FixedDimensionalEncoding,
    JoinedEncoding,
    LearnedEncoding,
    MeanEncoding,
)
from nearfield.quantize import CentroidQuantizer, Float16, Float32, RotatedQuantizer, ScalarQuantizer
from nearfield.store import Store, bags, pending, writing

DIM = 12
EXACT = {"dim": DIM, "codec": Float32()}


def bag_of(number: int) -> np.ndarray | None:
    """Every fifth item has none."""
    if number % 5 == 4:
        return None
    return np.random.default_rng(number).standard_normal((1 + number % 7, DIM)).astype(np.float32)


def put(store: Store, numbers: list[int], how: str = "upsert", **more: Any) -> None:
    vectors = np.random.default_rng(1).standard_normal((500, store.dim)).astype(np.float32)[numbers]
    getattr(store, how)(numbers, vectors, bags=[bag_of(number) for number in numbers], **more)


def check(store: Store, numbers: list[int]) -> None:
    """The store holds just these, every bag as it was given, and says so of itself."""
    found = {}
    for batch in store.iterate(7, bags=True):
        found.update(zip(batch.ids, batch.bags, strict=True))
    assert sorted(found) == sorted(numbers)
    for number, bag in found.items():
        own = bag_of(number)
        assert len(bag) == 0 if own is None else np.array_equal(bag, own)
    for number, item in zip(numbers[:5], store.get(numbers[:5], bags=True), strict=True):
        own = bag_of(number)
        assert item.bag is None if own is None else np.array_equal(item.bag, own)
    report = store.verify()
    assert report.ok, str(report)


def test_bags_stay_with_their_items(make: Callable[..., Store], low_limits: None, tmp_path: Path) -> None:
    store = make(bags=EXACT)
    with Store.open(store.path, read_only=True) as reader:
        put(store, list(range(30)), "add")
        check(store, list(range(30)))
        store.seal()
        check(reader, list(range(30)))
        put(store, list(range(20, 50)))
        store.delete(list(range(0, 50, 3)))
        alive = [number for number in range(50) if number % 3]
        check(store, alive)
        put(store, list(range(100, 190)))  # more than may be pending
        alive += range(100, 190)
        assert store.stats()["pending"] == 0
        check(reader, alive)
        store.add([300], np.ones((1, 8), np.float32))
        assert store.get(300, bags=True).bag is None and store.get(1).bag is None
        store.delete([300])
        store.compact()
        check(store, alive)
        check(reader, alive)
        store.tag("here")
        put(store, list(range(200, 220)))
        store.snapshot(tmp_path / "copy.nf")
        store.copy_to(tmp_path / "away")
        store.dump(tmp_path / "dump.parquet")
        for made in (
            Store.open(tmp_path / "copy.nf"),
            Store.copy_from(tmp_path / "away", tmp_path / "back.nf"),
            Store.load(tmp_path / "dump.parquet", tmp_path / "loaded.nf"),
        ):
            with made:
                check(made, [*alive, *range(200, 220)])
                assert made.bags == store.bags
                put(made, [400])
                check(made, [*alive, *range(200, 220), 400])
        store.restore("here")
        check(store, alive)
        check(reader, alive)
    store.close()
    with Store.open(store.path) as store, Store.open(store.path, at="here") as tagged:
        check(store, alive)
        check(tagged, alive)


@pytest.mark.parametrize(
    ("kept", "loss"),
    [
        ({"dim": DIM}, 0.02),
        ({"dim": DIM, "codec": Float16()}, 2e-3),
        ({"dim": DIM, "codec": ScalarQuantizer(4)}, 0.4),
        ({"dim": DIM, "codec": RotatedQuantizer(2)}, 3.0),
        ({"codec": CentroidQuantizer(0.8, 2), "means": ScalarQuantizer(8)}, 4.0),
        ({"codec": ScalarQuantizer(8), "means": Float32()}, 0.02),
    ],
)
def test_codes_are_the_same_bytes_wherever_they_go(
    make: Callable[..., Store], tmp_path: Path, kept: dict[str, Any], loss: float
) -> None:
    sample = Bags.from_list([bag for number in range(200) if (bag := bag_of(number)) is not None])
    if "dim" not in kept:
        kept = {**kept, "sample": sample}
    store = make(bags=kept)
    put(store, list(range(60)))
    before = store.get(list(range(60)), bags=True)
    for number, item in enumerate(before):
        own = bag_of(number)
        assert item.bag is None if own is None else np.abs(item.bag - own).max() <= loss
    store.compact()
    store.dump(tmp_path / "a.parquet")
    with Store.load(tmp_path / "a.parquet", tmp_path / "b.nf") as loaded:
        for one in (store, loaded):
            for item, other in zip(before, one.get(list(range(60)), bags=True), strict=True):
                assert other.bag is None if item.bag is None else np.array_equal(item.bag, other.bag)
        assert loaded.verify().ok and loaded.bags == store.bags
        query = sample[3]
        one, other = (found.search(np.ones(8, np.float32), bags=query, k=5) for found in (store, loaded))
        assert one.ids == other.ids and (one.distances == other.distances).all()


@pytest.mark.parametrize(
    "encoding",
    [
        MeanEncoding(),
        FixedDimensionalEncoding(4, 3, 4),
        FixedDimensionalEncoding(4, 3, 4, final=20),
        LearnedEncoding(8),
        JoinedEncoding([MeanEncoding(), FixedDimensionalEncoding(2, 2, 4)]),
    ],
)
def test_an_encoding_is_kept_with_the_store(make: Callable[..., Store], tmp_path: Path, encoding: Any) -> None:
    sample = Bags.from_list([bag for number in range(200) if (bag := bag_of(number)) is not None])
    fitted = encoding.fit(sample[:100], sample[100:])
    store = make(dim=fitted.dimensions_, metric="ip", bags={"dim": DIM, "encoding": fitted})
    store.add(list(range(100)), bags=sample[:100])
    wanted = fitted.documents(sample[:100])
    assert np.array_equal(np.stack([item.vector for item in store.get(list(range(100)))]), wanted)
    store.close()
    with Store.open(store.path) as store:
        hits = store.search(bags=sample[100:105], k=4, candidates=20)
        again = store.search(fitted.queries(sample[100:105]), bags=sample[100:105], k=4, candidates=20)
        assert hits.ids == again.ids and store.bags["encoding"] == fitted.to_dict()
        store.add(500, bags=sample[3])
        np.testing.assert_allclose(store.get(500).vector, wanted[3], rtol=1e-5)
        hits = store.search(bags=sample[100:105], k=4, candidates=20)
        store.dump(tmp_path / "a.parquet")
    with Store.load(tmp_path / "a.parquet", tmp_path / "b.nf") as loaded:
        assert loaded.search(bags=sample[100:105], k=4, candidates=20).ids == hits.ids


def test_what_a_store_cannot_keep_is_refused_by_name(make: Callable[..., Store]) -> None:
    store = make(bags=DIM)
    ids, vectors, bag = [1], np.ones((1, 8), np.float32), np.ones((2, DIM), np.float32)
    nan = bag.copy()
    nan[1, 3] = np.nan
    for given, error, said in (
        ([bag, bag], ValueError, "expected 1 bags, one per item, got 2"),
        ([bag[:, :5]], ValueError, "expected 12 dimensions as before, got 5 in bag 0"),
        (Bags.from_list([bag[:, :5]]), ValueError, "expected vectors of 12 dimensions, got 5"),
        ([nan], ValueError, "bags: .*NaN|finite"),
        (bag, TypeError, "expected Bags, or a list of one"),
        ("text", TypeError, "got str"),
        ([None, None], ValueError, "got 2"),
        ([["a"]], (TypeError, ValueError), "bags: "),
    ):
        with pytest.raises(error, match=said):
            store.add(ids, vectors, bags=given)
    with pytest.raises(ValueError, match="no encoding to compute them by"):
        store.add(ids, bags=[bag])
    with pytest.raises(TypeError, match="ids: expected vectors beside the ids, or a table"):
        store.add(ids)
    assert len(store) == 0
    store.add([], np.empty((0, 8), np.float32), bags=[])
    store.add(ids, vectors, bags=[np.empty((0, DIM), np.float32)])
    assert store.get(1, bags=True).bag is None
    store.upsert(1, vectors[0], bags=bag)
    assert store.get(1, bags=True).bag.shape == bag.shape
    with pytest.raises(ValueError, match="keeps bags already"):
        store.index_bags(DIM)
    plain = make("plain.nf")
    for ask in (
        lambda: plain.add(ids, vectors, bags=[bag]),
        lambda: plain.get([1], bags=True),
        lambda: list(plain.iterate(bags=True)),
        lambda: plain.search(vectors[0], bags=bag),
        lambda: plain.search_many(vectors, bags=Bags.from_list([bag])),
    ):
        with pytest.raises(ValueError, match="bags: this store keeps none"):
            ask()


def test_what_create_refuses(make: Callable[..., Store], tmp_path: Path) -> None:
    sample = Bags.from_list([np.random.default_rng(0).standard_normal((9, DIM)).astype(np.float32)] * 40)
    for kept, more, error, said in (
        (0, {}, ValueError, "bags: dim"),
        ("x", {}, TypeError, "bags: dim"),
        ({}, {}, TypeError, "bags: dim"),
        ({"dim": 3, "code": 1}, {}, ValueError, "got 'code'"),
        ({"dim": 3, "codec": "8"}, {}, TypeError, "codec: expected a Codec"),
        ({"dim": 3, "sample": sample}, {}, ValueError, "sample: expected 3 dimensions, got 12"),
        ({"dim": 3, "sample": [1]}, {}, TypeError, "sample: expected Bags"),
        ({"dim": DIM, "codec": CentroidQuantizer(0.8, 2)}, {}, ValueError, "expected sample="),
        ({"dim": DIM, "means": ScalarQuantizer(8)}, {}, ValueError, "expected sample="),
        ({"dim": 3, "codec": Float32().fit(sample.vectors)}, {}, ValueError, "fitted to 3 dimensions, got 12"),
        ({"dim": DIM, "encoding": LearnedEncoding(8)}, {"metric": "ip"}, ValueError, "expected sample="),
        ({"dim": DIM, "encoding": "mean"}, {}, TypeError, "encoding: expected a BagEncoding"),
        ({"dim": DIM, "encoding": MeanEncoding()}, {}, ValueError, "dim: expected 12"),
        ({"dim": 8, "encoding": MeanEncoding()}, {"metric": "l2"}, ValueError, "metric: expected 'ip'"),
    ):
        with pytest.raises(error, match=said):
            make("refused.nf", bags=kept, **more)
        assert not (tmp_path / "refused.nf").exists()
    store = make()
    store.add([1], np.ones((1, 8), np.float32))
    with pytest.raises(ValueError, match="encoding=None, as the store holds 1 vectors"):
        store.index_bags({"dim": 8, "encoding": MeanEncoding()})
    store.delete([1])
    store.index_bags({"dim": 8, "encoding": MeanEncoding()})
    store.add([2], bags=[np.eye(8, dtype=np.float32)])
    assert store.search(bags=np.eye(8, dtype=np.float32), k=1).ids == [2]


def test_large_bags_are_cut_into_blocks_and_sealed_early(
    make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(writing, "PENDING_BYTES", 30_000)
    store = make(bags=EXACT)
    put(store, list(range(40)))
    rows = sqlite3.connect(store.path / "catalogue.sqlite").execute("SELECT rows, LENGTH(bags) FROM pending").fetchall()
    assert sum(row for row, _ in rows) == 40 and len(rows) > 3
    assert all(row == 1 or size is None or size < 2600 for row, size in rows)
    put(store, list(range(40, 200)))
    assert store.stats()["pending"] == 0 and len(store.stats()["segments"]) == 1
    check(store, list(range(200)))
    monkeypatch.setattr(bags, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="at most 2 vectors in a bag, got 3 in bag 1"):
        store.add([900, 901], np.ones((2, 8), np.float32), bags=[bag_of(0), np.ones((3, DIM), np.float32)])


def test_expired_items_take_their_bags_along(make: Callable[..., Store]) -> None:
    store = make(bags=EXACT)
    put(store, list(range(10)))
    put(store, [10, 11], expires="2001-01-01")
    check(store, list(range(10)))
    store.compact()
    assert store.stats()["bags"]["bags"] == 8
    check(store, list(range(10)))


def test_stats_and_reclaimable_know_of_bags(make: Callable[..., Store]) -> None:
    store = make(bags=EXACT)
    put(store, list(range(40)))
    said = store.stats()["bags"]
    vectors = sum(len(bag) for number in range(40) if (bag := bag_of(number)) is not None)
    assert (said["dim"], said["bags"], said["vectors"], said["encoding"]) == (DIM, 32, vectors, None)
    store.delete(list(range(0, 40, 2)))
    expected = store.reclaimable()
    store.compact()
    assert store.reclaimable().before == pytest.approx(expected.after, rel=0.1)
    said = store.stats()["bags"]
    assert said["bags"] == 16 and said["bytes"] > 4 * DIM * said["vectors"]
    assert store.reclaimable().gives_back >= 0
    assert make("plain.nf").stats()["bags"] is None


def test_damage_is_named(make: Callable[..., Store], tmp_path: Path) -> None:
    store = make(bags=EXACT)
    put(store, list(range(40)))
    store.seal()
    store.close()
    (path,) = (store.path / "segments").glob("*.bags.nfa")
    whole = path.read_bytes()
    for place in (20, 100, len(whole) // 2, len(whole) - 1):
        broken = bytearray(whole)
        broken[place] ^= 0x41
        path.write_bytes(broken)
        with Store.open(store.path) as store:
            assert len(store.search(np.ones(8, np.float32), k=3)) == 3  # other searches go on
            with pytest.raises(CorruptFileError, match=path.name):
                store.search(np.ones(8, np.float32), bags=bag_of(0))
            with pytest.raises(CorruptFileError, match=path.name):
                store.compact() if store.delete([place]) or True else None
            assert path.name in str(store.verify())
    for rest in (whole[:-1], whole + b"\0"):
        path.write_bytes(rest)
        with pytest.raises(CorruptFileError, match=f"{path.name}: expected {len(whole)} bytes"):
            Store.open(store.path)
    path.unlink()
    with pytest.raises(CorruptFileError, match=f"{path.name}: missing"):
        Store.open(store.path)
    path.write_bytes(whole)
    with Store.open(store.path) as store:
        assert store.verify().ok


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE pending SET bags = substr(bags, 1, length(bags) - 1)",
        "UPDATE pending SET bags = 'text'",
        "UPDATE pending SET bags = zeroblob(length(bags))",
        "UPDATE pending SET bags_xxh3 = bags_xxh3 + 1",
        "UPDATE pending SET bags_xxh3 = NULL",
        "UPDATE arrays SET data = data || data",
        "DELETE FROM arrays",
    ],
)
def test_damage_in_the_catalogue_is_named(make: Callable[..., Store], change: str) -> None:
    store = make(bags=DIM)
    put(store, list(range(10)))
    store.close()
    connection = sqlite3.connect(store.path / "catalogue.sqlite")
    connection.execute(change)
    connection.commit()
    connection.close()
    with Store.open(store.path) as store:
        with pytest.raises(CorruptFileError, match="bags"):
            store.search(np.ones(8, np.float32), bags=bag_of(0))
        assert not store.verify().ok


def test_codes_of_another_width_are_damage(make: Callable[..., Store]) -> None:
    store, other = make(bags=DIM), make("other.nf", bags=EXACT)
    for one in (store, other):
        put(one, list(range(10)))
        one.close()
    connection = sqlite3.connect(store.path / "catalogue.sqlite")
    connection.execute("ATTACH ? AS theirs", (str(other.path / "catalogue.sqlite"),))
    connection.execute("UPDATE pending SET (bags, bags_xxh3) = (SELECT bags, bags_xxh3 FROM theirs.pending)")
    connection.commit()
    connection.close()
    with Store.open(store.path) as store:
        with pytest.raises(CorruptFileError, match="expected bags of"):
            store.search(np.ones(8, np.float32), bags=bag_of(0))
        assert "codes of 48 and 0 bytes" in str(store.verify())


def test_a_store_moves_to_another_model_with_its_bags(make: Callable[..., Store], low_limits: None) -> None:
    store = make(bags=EXACT, metric="l2")
    put(store, list(range(80)))
    store.seal()
    put(store, list(range(80, 100)))
    new = np.random.default_rng(3).standard_normal((200, 6)).astype(np.float32)
    upgrade = store.upgrade(pairs=(list(range(40)), new[:40]))
    query = bag_of(7)
    everything = {"k": 5, "bags": query, "candidates": 200}
    wanted = store.search(np.ones(8, np.float32), **everything)
    found = store.search(np.ones(6, np.float32), **everything)
    assert found.ids == wanted.ids and 7 in wanted.ids and (found.distances == wanted.distances).all()
    store.upsert([150], new[150:151], bags=[bag_of(150)])
    while upgrade.left:
        ids = upgrade.next(50)
        upgrade.put(ids, new[ids])
    upgrade.finish()
    assert store.dim == 6
    check(store, [*range(100), 150])
    assert store.search(np.ones(6, np.float32), **everything).ids == wanted.ids


def test_the_encoding_goes_with_the_vectors_it_made(make: Callable[..., Store]) -> None:
    store = make(dim=DIM, metric="ip", bags={"dim": DIM, "codec": Float32(), "encoding": MeanEncoding()})
    numbers = [number for number in range(60) if bag_of(number) is not None]
    store.add(numbers, bags=[bag_of(number) for number in numbers])
    new = np.random.default_rng(3).standard_normal((60, 6)).astype(np.float32)
    upgrade = store.upgrade(pairs=(numbers, new[numbers]))
    assert store.search(bags=bag_of(5), k=1, candidates=60).ids == [5]
    upgrade.finish()
    assert store.bags["encoding"] is None
    with pytest.raises(ValueError, match="no encoding"):
        store.search(bags=bag_of(5), k=1)
    assert store.search(new[0], bags=bag_of(5), k=1, candidates=60).ids == [5]
    check(store, numbers)

"""Files of every release are read for ever: stores and indexes, by writers and readers, with the recorded answers.

The corpora are made by ``make.py``; how search goes about its work may change, what files hold and answer may not.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.index import load
from nearfield.store import Store

CORPORA = sorted(Path(__file__).parent.glob("*.zip"))


def manifest_of(archive: Path) -> dict[str, Any]:
    with zipfile.ZipFile(archive) as file:
        return json.loads(file.read("manifest.json"))


MANIFESTS = {archive.stem: manifest_of(archive) for archive in CORPORA}
STORES = [(version, name) for version, manifest in MANIFESTS.items() for name in manifest["stores"]]
INDEXES = [(version, name) for version, manifest in MANIFESTS.items() for name in manifest["indexes"]]


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for archive in CORPORA:
        folders[archive.stem] = tmp_path_factory.mktemp(archive.stem)
        with zipfile.ZipFile(archive) as file:
            file.extractall(folders[archive.stem])
    return folders


@pytest.fixture
def fresh(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Path, dict[str, Any], np.ndarray, np.ndarray]]:
    """A copy of one store: its path, its description, the vectors and the queries."""
    version, name = request.param
    archive = Path(__file__).with_name(f"{version}.zip")
    with zipfile.ZipFile(archive) as file:
        wanted = [
            entry for entry in file.namelist() if entry.startswith(f"stores/{name}.nf/") or entry.endswith(".npy")
        ]
        file.extractall(tmp_path, wanted)
    (tmp_path / "stores" / f"{name}.nf" / "segments").mkdir(exist_ok=True)
    described = MANIFESTS[version]["stores"][name]
    yield (
        tmp_path / "stores" / f"{name}.nf",
        described,
        np.load(tmp_path / "vectors.npy"),
        np.load(tmp_path / "queries.npy"),
    )


def comparable(attributes: dict[str, Any] | None) -> dict[str, Any] | None:
    if attributes is None:
        return None
    return {
        name: value.isoformat(timespec="microseconds") if hasattr(value, "isoformat") else value
        for name, value in attributes.items()
    }


def content(store: Store) -> dict[Any, tuple[bytes, Any, Any]]:
    found = {}
    for batch in store.iterate(17):
        rows = [None] * len(batch) if batch.attributes is None else batch.attributes.to_pylist()
        for identifier, vector, attributes, payload in zip(batch.ids, batch.vectors, rows, batch.payload, strict=True):
            found[identifier] = (vector.tobytes(), comparable(attributes), payload)
    return found


def expected(described: dict[str, Any], vectors: np.ndarray) -> dict[Any, tuple[bytes, Any, Any]]:
    kept = vectors.astype(described["dtype"])
    return {
        identifier: (kept[place].tobytes(), attributes, payload)
        for identifier, place, attributes, payload in described["items"]
    }


def check_answers(store: Store, described: dict[str, Any], queries: np.ndarray) -> None:
    for answer in described["answers"]:
        asked, k = answer.get("asked", {}), len(answer["ids"])
        bag = np.array(asked["bags"], np.float32) if "bags" in asked else None
        hits = store.search(queries[answer["query"]], k, bags=bag, text=asked.get("text"), where=answer["where"])
        assert hits.ids == answer["ids"] and hits.status == answer["status"]
        assert np.allclose(hits.distances[: len(answer["distances"])], answer["distances"], atol=1e-5)
        if answer["relevance"] is not None:
            assert np.allclose(hits.relevance, answer["relevance"], atol=1e-4)


def test_there_is_a_corpus_and_it_is_small() -> None:
    assert "0.1" in MANIFESTS and len(MANIFESTS["0.1"]["indexes"]) > 40
    assert sum(archive.stat().st_size for archive in CORPORA) < 2_000_000 * len(CORPORA)


@pytest.mark.parametrize("fresh", STORES, indirect=True, ids=lambda pair: "-".join(pair))
def test_a_reader_finds_what_was_stored(fresh: Any) -> None:
    path, described, vectors, queries = fresh
    with Store.open(path, read_only=True) as store:
        assert store.metric == described["metric"] and store.embedding == described["embedding"]
        assert {name: store.attributes[name] for name in described["attributes"]} == described["attributes"]
        found = content(store)
        assert found == expected(described, vectors) and list(found) == list(expected(described, vectors))
        check_answers(store, described, queries)
        report = store.verify()
        assert report.ok, str(report)
        assert all(segment["trouble"] is None for segment in store.stats()["segments"])
        assert (store.plan is not None and str(store.plan.recipe)) == described["plan"]
        assert [segment["index"] for segment in store.stats()["segments"]] == described["indexes"]


@pytest.mark.parametrize("fresh", STORES, indirect=True, ids=lambda pair: "-".join(pair))
def test_a_writer_goes_on_from_there(fresh: Any) -> None:
    path, described, vectors, queries = fresh
    wanted = expected(described, vectors)
    with Store.open(path) as store:
        check_answers(store, described, queries)
        text = not wanted or isinstance(next(iter(wanted)), str)
        new, old = ("new", next(iter(wanted), "none")) if text else (10**6, next(iter(wanted)))
        store.add([new], vectors[:1], payload=[{"added": True}])
        store.delete([old])
        wanted.pop(old, None)
        wanted[new] = (vectors[0].astype(described["dtype"]).tobytes(), None, {"added": True})
        for step in (store.seal, store.compact):
            step()
            found = content(store)
            found[new] = (found[new][0], None, found[new][2])
            assert found == wanted
            report = store.verify()
            assert report.ok, str(report)
        store.snapshot(path.with_name("copy.nf"))
    with Store.open(path) as store, Store.open(path.with_name("copy.nf")) as copy:
        assert content(store) == content(copy) and len(store) == len(wanted)


@pytest.mark.parametrize(("version", "name"), INDEXES, ids=lambda part: str(part))
def test_an_index_answers_as_it_did(unpacked: dict[str, Path], version: str, name: str) -> None:
    described = MANIFESTS[version]["indexes"][name]
    vectors = np.load(unpacked[version] / "vectors.npy")[: described["n"]]
    queries = np.load(unpacked[version] / "queries.npy")
    index = load(unpacked[version] / "indexes" / f"{name}.nfa", vectors=vectors if described["vectors"] else None)
    assert (type(index).__name__, len(index)) == (described["kind"], described["n"])
    assert index.digest() == described["digest"]
    found = index.search(queries, len(described["rows"][0]), **described["settings"])
    assert found.rows.tolist() == described["rows"]
    for line, distances in zip(found.distances, described["distances"], strict=True):
        assert np.allclose(line[: len(distances)], distances, rtol=1e-5, atol=1e-5)

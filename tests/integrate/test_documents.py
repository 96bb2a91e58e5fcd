from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.integrate.documents import Documents, marginal_relevance, metadata_of, similarity, text_of
from nearfield.store import Store

ROWS = np.eye(3, dtype=np.float32)


def make(path: Path | None = None, store: Store | None = None, **options: Any) -> Documents:
    settings = {"metric": "cosine", "dtype": "float32", "tokenizer": "porter", "attributes": None, **options}
    return Documents(path, store, **settings)


def payloads(*metadata: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"text": f"text {number}", "metadata": one} for number, one in enumerate(metadata)]


def test_the_store_is_made_by_the_first_write_and_found_again(tmp_path: Path) -> None:
    documents = make(tmp_path / "a.nf", attributes={"year": "int"})
    assert documents.store is None and not (tmp_path / "a.nf").exists()
    assert documents.search(ROWS[0], 3) == documents.get(["a"]) == list(documents.items()) == []
    assert documents.count() == documents.delete(["a"]) == documents.clear() == 0
    documents.put([], np.zeros((0, 3)), [])
    assert documents.store is None
    documents.put(["a", "b", "a"], ROWS, payloads({"year": 1}, {}, {"year": 3}))
    assert documents.get(["a", "x", "b", "a"])[0].payload["metadata"] == {"year": 3}  # the last counts
    documents.close()
    documents.close()
    with pytest.raises(ValueError, match="closed"):
        documents.search(ROWS[0], 1)
    with make(tmp_path / "a.nf") as again:
        assert [hit.id for hit in again.search(ROWS[1], 9)] == ["b", "a"]
        assert again.schema == {"year": "int"} and again.delete(["b", "x"]) == 1 and again.clear() == 1
    with pytest.raises(ValueError, match="attributes: expected those of the store, which are year: int"):
        make(tmp_path / "a.nf", attributes={"year": "string"})
    with pytest.raises(ValueError, match="dim: expected 3"):
        make(tmp_path / "a.nf", dim=4)
    with make(tmp_path / "a.nf", read_only=True) as reader, pytest.raises(PermissionError):
        reader.put(["a"], ROWS[:1], payloads({}))


def test_a_temporary_store_is_removed() -> None:
    documents = make()
    documents.put(["a"], ROWS[:1], payloads({}))
    place = documents.path
    assert place.exists()
    documents.close()
    assert not place.parent.exists()
    forgotten = make()
    forgotten.put(["a"], ROWS[:1], payloads({}))
    place = forgotten.path
    del forgotten
    gc.collect()
    assert not place.parent.exists()


def test_a_store_that_was_filled_otherwise(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", dim=3) as store:
        store.add(["a", "b", "c"], ROWS, payload=[{"text": "said", "page": 3}, None, [1]], text=[None, "kept", None])
        with make(store=store) as documents:
            hits = documents.search(ROWS[0], 3)
            assert [(text_of(hit.payload, hit.text), metadata_of(hit.payload)) for hit in hits] == [
                ("said", {"page": 3}),
                ("kept", {}),
                ("", {"payload": [1]}),
            ]
        assert not store.closed


def test_bad_input(tmp_path: Path) -> None:
    for options, message in (
        ({"metric": "dot"}, "metric: expected one of"),
        ({"dtype": "int8"}, "dtype: expected one of"),
        ({"tokenizer": "x"}, "tokenizer: expected one of"),
        ({"attributes": {"a": "number"}}, "attributes: column 'a'"),
        ({"dim": 0}, "dim: expected"),
        ({"read_only": True}, "read_only: expected False"),
        ({"store": "a.nf"}, "store: expected a nearfield.Store"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make(**options)
    with pytest.raises(FileNotFoundError):
        make(tmp_path / "absent.nf", read_only=True)
    with make(attributes={"year": "int"}) as documents:
        documents.put(["a"], ROWS[:1], payloads({"year": 1}))
        for ids, vectors, said, message in (
            (["b"], ROWS[:2], payloads({}), "ids: expected one a vector and text, got 1, 2 and 1"),
            (["b"], [[np.nan, 0, 1]], payloads({}), "finite"),
            (["b"], [[0, 0, 0]], payloads({}), "nonzero"),
            (["b"], [[1, 2]], payloads({}), "expected 3 dimensions, got 2"),
            (["b"], [[1e300, 0, 0]], payloads({}), "finite"),
            (["b", "c"], [[1, 2, 3], [1]], payloads({}, {}), "vectors: expected lists of as many numbers"),
            (["b"], "abc", payloads({}), "vectors: expected"),
            ([""], ROWS[:1], payloads({}), "ids: expected a non-empty string"),
            ([3], ROWS[:1], payloads({}), "this store has str ids"),
            (["b"], ROWS[:1], payloads({"year": "x"}), "attributes: column 'year' is of type int, got 'x'"),
            (["b"], ROWS[:1], payloads({"x": float("nan")}), "payload: expected a JSON value"),
        ):
            with pytest.raises((ValueError, TypeError), match=message):
                documents.put(ids, vectors, said)
        for k in (0, -1, 1.5, True):
            with pytest.raises((ValueError, TypeError), match="k: expected"):
                documents.search(ROWS[0], k)
        assert documents.count() == 1
        assert len(documents.search(ROWS[0], 10**9)) == 1


def test_marginal_relevance() -> None:
    query = np.float32([1, 0.2, 0])
    vectors = np.float32([[1, 0.1, 0], [1, 0.11, 0], [0.5, 1, 0], [0, 0, 0], [-1, 0, 0]])
    assert marginal_relevance(query, vectors, 3, 1.0) == [1, 0, 2]
    assert marginal_relevance(query, vectors, 2, 0.5) == [1, 2]
    assert marginal_relevance(query, vectors, 9, 0.0)[0] == 1
    assert sorted(marginal_relevance(query, vectors, 9, 0.3)) == [0, 1, 2, 3, 4]
    assert [similarity(metric, 0.25) for metric in ("cosine", "ip", "l2")] == [0.75, -0.25, 0.8]

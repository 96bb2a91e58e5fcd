from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nearfield.store as room
from nearfield.store import Store

MODULES = [f"nearfield.store.{module.name}" for module in pkgutil.iter_modules(room.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_public_names_are_there() -> None:
    assert dir(room) == sorted(room.__all__)
    for name in room.__all__:
        assert getattr(room, name).__doc__ and ">>>" in getattr(room, name).__doc__
    with pytest.raises(AttributeError):
        room.nothing  # noqa: B018


def test_what_it_is(make: Callable[..., Store], tmp_path: Path) -> None:
    store = make(metric="l2", dtype="float16", attributes={"b": "int", "a": "bool"}, embedding={"encoder": "A"})
    assert (store.dim, store.metric, store.dtype, store.read_only) == (8, "l2", np.float16, False)
    assert list(store.attributes.items()) == [("b", "int"), ("a", "bool")]
    assert store.path == tmp_path / "a.nf" and store.embedding == {"encoder": "A"}
    assert store.judge is None and store.plan is None
    assert repr(store) == f"Store({str(tmp_path / 'a.nf')!r}, dim=8, metric='l2', writer)"
    with Store.open(store.path, read_only=True) as reader:
        assert reader.read_only and "read-only" in repr(reader) and reader.attributes == store.attributes


def test_a_context_closes(tmp_path: Path, vectors: np.ndarray) -> None:
    with Store.create(str(tmp_path / "a.nf"), 8) as store:
        store.add([1], vectors[:1])
    with pytest.raises(ValueError, match="closed"):
        len(store)
    with Store.open(str(tmp_path / "a.nf")) as store:
        assert store.search(vectors[0], 1).ids == [1]


def test_a_relative_path_survives_a_change_of_directory(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.create("a.nf", 8) as store:
        monkeypatch.chdir("/")
        store.add([1], vectors[:1])
        store.seal()
        assert store.search(vectors[0], 1).ids == [1]


def test_dimensions_may_be_a_number_of_numpy(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", np.int64(4)) as store:  # type: ignore[arg-type]
        assert store.dim == 4 and type(store.dim) is int


def test_the_revision_changes_with_what_is_written_and_with_nothing_else(
    make: Callable[..., Store], vectors: np.ndarray
) -> None:
    store = make()
    seen = [store.revision]
    store.add([1, 2], vectors[:2])
    seen.append(store.revision)
    store.upsert([1], vectors[2:3])
    seen.append(store.revision)
    store.delete([1])
    seen.append(store.revision)
    assert len(set(seen)) == len(seen)
    store.delete([1])
    store.seal()
    store.compact()
    assert store.revision == seen[-1]
    with Store.open(store.path, read_only=True) as reader:
        assert reader.revision == seen[-1]
        store.add([9], vectors[:1])
        assert reader.revision == store.revision != seen[-1]

"""Files truncated or with a flipped bit, anywhere: named, or without effect; never a wrong answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError, FormatVersionError
from nearfield.store import Store

Content = Callable[[Store], dict[Any, Any]]


@pytest.fixture
def sound(tmp_path: Path, vectors: np.ndarray, low_limits: None) -> Path:
    """A closed store with every kind of file: two segments, one with a graph, pending rows, payloads, a judge."""
    path = tmp_path / "sound.nf"
    with Store.create(path, 8, attributes={"year": "int", "topic": "string"}) as store:
        ids = [f"id{i}" for i in range(200)]
        columns = {"year": list(range(200)), "topic": ids}
        for part in (slice(0, 100), slice(100, 170), slice(170, 200)):
            some = {name: column[part] for name, column in columns.items()}
            store.add(ids[part], vectors[:200][part], attributes=some, payload=[{"id": i} for i in ids[part]])
            if part.start == 0:
                store.compact()
        store.delete(ids[::10])
        store.fit_judge()
    return path


def names(path: Path) -> list[str]:
    """The files that matter; an empty log and its index are left by whoever read last."""
    present = [str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()]
    return sorted(name for name in present if not name.endswith(("-wal", "-shm", ".lock")))


def derived(name: str) -> bool:
    return ".index." in name or ".columns." in name


def outcome(path: Path, content: Content, expected: dict[Any, Any], queries: np.ndarray, truth: Any) -> str:
    """What a caller meets: "refused", "reported" by verify, or "right"; anything else is raised."""
    try:
        with Store.open(path, read_only=True) as store:
            report = store.verify()
            try:
                found, answers = content(store), store.search(queries, 5).ids
            except CorruptFileError:
                assert not report.ok
                return "refused"
            except AssertionError:  # its count of items is altered
                assert not report.ok
            if not report.ok:
                return "reported"
            assert found == expected and answers == truth, "a wrong answer that verify does not see"
            return "right"
    except (CorruptFileError, FormatVersionError) as error:
        assert str(path) in str(error)
        return "refused"


def harmed(path: Path, tmp_path: Path, name: str, change: Callable[[bytearray], None]) -> Path:
    target = tmp_path / "harmed.nf"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(path, target)
    content = bytearray((target / name).read_bytes())
    change(content)
    (target / name).write_bytes(content)
    return target


@pytest.mark.slow
def test_flipped_bits(
    sound: Path, tmp_path: Path, vectors: np.ndarray, content: Content, rng: np.random.Generator
) -> None:
    with Store.open(sound, read_only=True) as store:
        expected, truth = content(store), store.search(vectors[:5], 5).ids
    seen: dict[str, set[str]] = {}
    for name in names(sound):
        size = (sound / name).stat().st_size
        count = 120 if name == "catalogue.sqlite" else 40
        for offset in {*range(32), *rng.integers(0, size, count).tolist(), size - 1}:
            bit = 1 << int(rng.integers(8))

            def flip(data: bytearray, offset: int = offset, bit: int = bit) -> None:
                data[offset] ^= bit

            target = harmed(sound, tmp_path, name, flip)
            result = outcome(target, content, expected, vectors[:5], truth)
            seen.setdefault(name.split(".", 1)[-1] if "segments" in name else name, set()).add(result)
            if derived(name):
                assert result in ("reported", "right")  # derived: searches go on
            elif "segments" in name:
                assert result in ("refused", "right")
    assert "refused" in seen["catalogue.sqlite"] and "refused" in seen["vectors.nfa"]
    assert "reported" in seen["index.1.nfa"] and "reported" in seen["columns.1.nfa"]
    assert "refused" in seen["attributes.arrow"]


def test_truncated_files(sound: Path, tmp_path: Path, vectors: np.ndarray, content: Content) -> None:
    with Store.open(sound, read_only=True) as store:
        expected, truth = content(store), store.search(vectors[:5], 5).ids
    for name in names(sound):
        size = (sound / name).stat().st_size
        for length in {0, 1, 10, 24, 100, size // 3, size // 2, size - 64, size - 1}:

            def cut(data: bytearray, length: int = length) -> None:
                del data[length:]

            target = harmed(sound, tmp_path, name, cut)
            result = outcome(target, content, expected, vectors[:5], truth)
            if name == "catalogue.sqlite" and length > size - 8192:  # SQLite may have no use for its last page's end
                assert result in ("refused", "reported", "right")
            else:
                assert result == ("reported" if derived(name) else "refused"), (name, length, size)


def test_missing_files(sound: Path, tmp_path: Path, vectors: np.ndarray, content: Content) -> None:
    with Store.open(sound, read_only=True) as store:
        expected, truth = content(store), store.search(vectors[:5], 5).ids
    for name in names(sound):
        target = tmp_path / "harmed.nf"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(sound, target)
        (target / name).unlink()
        result = outcome(target, content, expected, vectors[:5], truth)
        assert result == ("reported" if derived(name) else "refused"), name


def test_damage_stops_a_writer_as_well(sound: Path, tmp_path: Path, vectors: np.ndarray) -> None:
    name = next(name for name in names(sound) if "vectors" in name)

    def flip(data: bytearray) -> None:
        data[-100] ^= 1

    target = harmed(sound, tmp_path, name, flip)
    with Store.open(target) as store:
        store.add(["new"], vectors[300:301])  # durable: adding does not look at old vectors
        for call in (lambda: store.search(vectors[0]), store.compact, store.seal, lambda: store.get("id1")):
            with pytest.raises(CorruptFileError, match=str(target / name)):
                call()
        assert "new" in store

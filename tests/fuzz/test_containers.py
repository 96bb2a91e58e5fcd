"""The array container: any bytes, and headers that lie under a right checksum."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError, FormatVersionError
from nearfield.common.container import read_container, write_container

Rounds = Callable[[int], Iterator[random.Random]]


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    rng = np.random.default_rng(0)
    arrays = {
        "floats": rng.standard_normal((7, 3), np.float32),
        "halves": rng.standard_normal((5, 2)).astype(np.float16),
        "none": np.empty((0, 4), np.int64),
        "bytes": rng.integers(0, 255, 130, np.uint8),
        "numbers": np.arange(6, dtype=np.int64).reshape(1, 2, 3),
    }
    write_container(tmp_path / "sound.nfa", "kind", 1, {"n": 7, "nested": {"a": [1, 2]}}, arrays)
    return (tmp_path / "sound.nfa").read_bytes()


def outcome(path: Path, check: bool) -> str | dict[str, np.ndarray]:
    """The arrays, or "refused"; whatever else is raised is a failure."""
    try:
        found = read_container(path, "kind", 1, check=check)
    except (CorruptFileError, FormatVersionError) as error:
        assert str(path) in str(error)
        return "refused"
    size = path.stat().st_size
    held = 0
    for name, array in found.arrays.items():
        assert isinstance(name, str) and array.dtype.kind in "biufcSUmM" and array.flags.aligned
        held += array.nbytes
        array.copy()
    assert held <= size and isinstance(found.meta, dict) and found.version == 1
    return found.arrays


def same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    return found.keys() == wanted.keys() and all(
        found[name].dtype == array.dtype and found[name].shape == array.shape and (found[name] == array).all()
        for name, array in wanted.items()
    )


def test_altered_bytes(sound: bytes, tmp_path: Path, rounds: Rounds, mutate_bytes: Any) -> None:
    path = tmp_path / "a.nfa"
    path.write_bytes(sound)
    wanted = outcome(path, True)
    for chance in rounds(800):
        path.write_bytes(mutate_bytes(sound, chance))
        found = outcome(path, True)
        assert found == "refused" or same(found, wanted)
        outcome(path, False)


def test_random_bytes(tmp_path: Path, rounds: Rounds) -> None:
    path = tmp_path / "a.nfa"
    for chance in rounds(200):
        head = b"NEARFLD\0" + (1).to_bytes(4, "little") if chance.random() < 0.7 else b""
        path.write_bytes(head + chance.randbytes(chance.choice((0, 1, 11, 12, 16, 100, 5000))))
        assert outcome(path, True) == outcome(path, False) == "refused"


def test_headers_that_lie(
    sound: bytes, tmp_path: Path, rounds: Rounds, containers: Any, mutate_json: Any, dump_json: Any
) -> None:
    split, join = containers
    header, room = split(sound)
    path = tmp_path / "a.nfa"
    refused = 0
    for chance in rounds(1500):
        path.write_bytes(join(sound, dump_json(mutate_json(header, chance), chance), room))
        for check in (True, False):
            refused += outcome(path, check) == "refused"
    assert refused > 500


LIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a shape beyond all memory, of no bytes": lambda h: h["arrays"][2].update(shape=[2**40], nbytes=0),
    "a shape that is not its bytes": lambda h: h["arrays"][0].update(shape=[7, 4]),
    "a shape to be guessed": lambda h: h["arrays"][0].update(shape=[-1, 3]),
    "an offset before the file": lambda h: h["arrays"][0].update(offset=-64),
    "an offset beyond any number": lambda h: h["arrays"][0].update(offset=2**70),
    "an offset off the grid": lambda h: h["arrays"][3].update(offset=h["arrays"][3]["offset"] + 1),
    "an offset into the header": lambda h: h["arrays"][0].update(offset=0),
    "bytes below nothing": lambda h: h["arrays"][0].update(nbytes=-1),
    "bytes beyond the file": lambda h: h["arrays"][4].update(nbytes=2**40, shape=[2**37]),
    "two arrays in one place": lambda h: h["arrays"][4].update(offset=h["arrays"][3]["offset"]),
    "objects": lambda h: h["arrays"][4].update(dtype="|O"),
    "records": lambda h: h["arrays"][4].update(dtype=[["a", "<i4"], ["b", "<i4"]]),
    "text of no length": lambda h: h["arrays"][2].update(dtype="<U0"),
    "the other end first": lambda h: h["arrays"][4].update(dtype=">i8"),
    "one name for two": lambda h: h["arrays"][4].update(name="bytes"),
    "a name that is none": lambda h: h["arrays"][4].update(name=["x"]),
    "arrays that are none": lambda h: h.update(arrays={"floats": 1}),
    "a version that is none": lambda h: h.update(version="1"),
    "a version before the first": lambda h: h.update(version=0),
    "half a version": lambda h: h.update(version=0.5),
    "notes that are none": lambda h: h.update(meta=[1]),
    "another size": lambda h: h.update(size=h["size"] + 64),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie(sound: bytes, tmp_path: Path, containers: Any, name: str) -> None:
    split, join = containers
    header, room = split(sound)
    LIES[name](header)
    path = tmp_path / "a.nfa"
    path.write_bytes(join(sound, json.dumps(header), room))
    assert outcome(path, True) == outcome(path, False) == "refused"


def test_a_header_nested_beyond_reason(sound: bytes, tmp_path: Path, containers: Any) -> None:
    _, join = containers
    path = tmp_path / "a.nfa"
    path.write_bytes(join(sound, '{"kind": ' + "[" * 200_000 + "]" * 200_000 + "}", len(sound)))
    assert outcome(path, True) == "refused"

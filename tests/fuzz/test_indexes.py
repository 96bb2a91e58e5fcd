"""Index files that lie under right checksums: refused, or searched without harm."""

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
from nearfield.index import Graph, Hash, load

Rounds = Callable[[int], Iterator[random.Random]]
DTYPES = ("<f4", "<f8", "<f2", "<u4", "<i4", "<i8", "|u1", "|i1", "|b1")


def odd_value(dtype: np.dtype, chance: random.Random) -> Any:
    if dtype.kind == "f":
        return chance.choice((np.nan, np.inf, -np.inf, 0.0, -1.0, 60000.0, 1e-45))
    if dtype.kind == "b":
        return chance.choice((False, True))
    info = np.iinfo(dtype)
    return chance.choice((info.min, info.max, info.max - 1, 0, 1, min(info.max, 120), min(info.max, 119)))


def mutate_array(array: np.ndarray, chance: random.Random) -> np.ndarray:
    """Other values, another shape, another type."""
    found = array.copy()
    action = chance.randrange(10)
    if action < 4 and found.size:
        flat = found.reshape(-1)
        for _ in range(chance.choice((1, 1, 3, 50))):
            flat[chance.randrange(flat.size)] = odd_value(found.dtype, chance)
        return found
    if action == 4 and found.size:  # floats in the midst of bytes
        raw = bytearray(found.tobytes())
        place = chance.randrange(max(1, len(raw) // 4)) * 4
        raw[place : place + 4] = np.float32(chance.choice((np.nan, np.inf, 1e38, -1e38))).tobytes()
        return np.frombuffer(bytes(raw[: found.nbytes]), found.dtype).reshape(found.shape)
    if action == 5:
        return found.astype(np.dtype(chance.choice(DTYPES)))
    if action == 6 and found.ndim:
        return found[: chance.randrange(len(found) + 1)]
    if action == 7 and found.ndim == 2:
        return np.ascontiguousarray(found[:, : chance.randrange(found.shape[1] + 1)])
    if action == 8:
        return found.reshape(chance.choice(((-1,), (1, -1), (-1, 1), (*found.shape, 1)))) if found.size else found[None]
    return np.concatenate([found, found]) if found.ndim else found[None]


def use(index: Any, queries: np.ndarray) -> None:
    """Everything an index can be asked; what comes back must at least hang together."""
    n = len(index)
    mask = np.zeros(n, bool)
    mask[::3] = True
    for options in ({}, {"allow": mask}):
        for k in (3, n + 2):
            distances, rows = index.search(queries, k, **options)
            assert rows.shape == distances.shape == (len(queries), k)
            assert rows.min() >= -1 and rows.max() < n and not np.isnan(distances).any()
            assert (np.isposinf(distances) | (rows >= 0)).all()
            for line in rows:
                there = line[line >= 0]
                assert len(set(there.tolist())) == len(there)
                assert not options or mask[there].all()
            assert (np.diff(np.clip(distances, -3e38, 3e38), axis=1) >= 0).all()
    index.memory()
    index.digest()
    repr(index)
    if isinstance(index, Graph):
        index.reachable()
        index.count_distances(queries, 3)
    if isinstance(index, Hash):
        index.pairs(queries, limit=10**6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arrays_and_notes_that_lie(
    corpus: Path,
    manifest: dict[str, Any],
    corpus_vectors: np.ndarray,
    tmp_path: Path,
    rounds: Rounds,
    mutate_json: Callable[..., Any],
) -> None:
    names = sorted(manifest["indexes"])
    queries = np.load(corpus / "queries.npy")
    path = tmp_path / "a.nfa"
    refused = used = 0
    for number, chance in enumerate(rounds(540)):
        name = names[number % len(names)]
        sound = read_container(corpus / "indexes" / f"{name}.nfa", "index", 1)
        meta, arrays = json.loads(json.dumps(sound.meta)), dict(sound.arrays)
        action = chance.randrange(10)
        if action < 3:
            meta = mutate_json(meta, chance)
        for _ in range(0 if action < 3 else chance.choice((1, 1, 2))):
            victim = chance.choice(sorted(arrays))
            if action == 9:
                if chance.random() < 0.5:
                    del arrays[victim]
                    break
                arrays[victim] = arrays[chance.choice(sorted(arrays))]
            else:
                arrays[victim] = mutate_array(arrays[victim], chance)
        try:
            write_container(path, "index", 1, meta, arrays)
        except (TypeError, ValueError):  # no longer anything that a header can be made of
            continue
        described = manifest["indexes"][name]
        vectors = corpus_vectors[: described["n"]] if described["vectors"] else None
        for check in (True, False):
            try:
                index = load(path, vectors=vectors, check=check)
            except (CorruptFileError, FormatVersionError) as error:
                assert str(path) in str(error)
                refused += 1
                continue
            except ValueError as error:  # its rows are not those of the vectors that came
                assert str(error).startswith("vectors: ")
                refused += 1
                continue
            used += 1
            try:
                use(index, queries)
            except ValueError as error:  # a map to numbers so large that no distance between them can be held
                assert "expected lengths" in str(error)
    assert refused > 200 and used > 50


def test_altered_bytes(
    corpus: Path,
    manifest: dict[str, Any],
    corpus_vectors: np.ndarray,
    tmp_path: Path,
    rounds: Rounds,
    mutate_bytes: Any,
) -> None:
    names = sorted(manifest["indexes"])
    queries = np.load(corpus / "queries.npy")
    path = tmp_path / "a.nfa"
    for number, chance in enumerate(rounds(300)):
        name = names[number % len(names)]
        sound = (corpus / "indexes" / f"{name}.nfa").read_bytes()
        path.write_bytes(mutate_bytes(sound, chance))
        if path.read_bytes() == sound:
            continue
        described = manifest["indexes"][name]
        vectors = corpus_vectors[: described["n"]] if described["vectors"] else None
        with pytest.raises((CorruptFileError, FormatVersionError)):
            load(path, vectors=vectors)
        try:  # unchecked: wrong answers are the caller's choice, a crash is not
            index = load(path, vectors=vectors, check=False)
        except (CorruptFileError, FormatVersionError):
            continue
        index.search(queries, 3)

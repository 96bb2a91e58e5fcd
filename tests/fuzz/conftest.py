"""Hostile input of every kind: what comes back is an answer that can be right, or an error that says so.

Each test takes its cases from seeds: a few here, as many as the time allows with ``NEARFIELD_FUZZ=SECONDS`` in the
environment (for each test). A failure names its seed; ``NEARFIELD_FUZZ_SEED`` begins at another one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

CORPUS = sorted((Path(__file__).parents[1] / "compat").glob("*.zip"))[-1]
SECONDS = float(os.environ.get("NEARFIELD_FUZZ", "0"))
FIRST = int(os.environ.get("NEARFIELD_FUZZ_SEED", "0"))
LONGEST = 180  # seconds that one case may take: more is a hang, also on a busy machine


class Hang(BaseException):
    """A case took so long that nobody would wait for it; no handler of ours may catch it."""


def _too_long(*_: Any) -> None:
    raise Hang(f"more than {LONGEST} s")


@pytest.fixture
def rounds() -> Iterator[Callable[[int], Iterator[random.Random]]]:
    """``rounds(count)``: that many sources of chance, or as many as there is time for; each stops what hangs."""
    seeds: list[int] = []

    def each(count: int) -> Iterator[random.Random]:
        end = time.monotonic() + SECONDS
        number = 0
        while number < count or time.monotonic() < end:
            seeds.append(FIRST + number)
            signal.setitimer(signal.ITIMER_REAL, LONGEST)
            yield random.Random(FIRST + number)
            number += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(f"{number} cases")

    before = signal.signal(signal.SIGALRM, _too_long)
    try:
        yield each
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if seeds:
            print(f"last seed {seeds[-1]}")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: most of the time would go into syncs."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shm, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


# -- JSON -------------------------------------------------------------------------------------------------------------

NESTED: Any = []
for _ in range(60):
    NESTED = [NESTED]

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 63, 64, 65, -64, 255, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63,
    -(2**63), 2**64, 10**30, 0.5, -0.0, 1e-300, 1e300, float("nan"), float("inf"), "", "x", "0", "é\u0000\U0001f600",
    "\ud800", "<f4", "<f8", "|O", "<M8[s]", "|V3", "<U9", "S5", "float32", "int64", "cosine", "l2", "str",
    "../canary", "/etc/hostname", [], [0], [-1], [2**62, 4], [1, 2, 3], ["<f4"], {}, {"a": 1}, NESTED,
]  # fmt: skip


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every part of a JSON value lies."""
    found = [path]
    if isinstance(value, dict):
        for name, inner in value.items():
            found += paths_of(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value[:50]):
            found += paths_of(inner, (*path, place))
    return found


def mutate_json(value: Any, chance: random.Random) -> Any:
    """A copy with one to three parts replaced, removed, doubled, or moved elsewhere."""
    value = json.loads(json.dumps(value))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = [path for path in paths_of(value) if path]
        if not places:
            return chance.choice(ODD)
        path = chance.choice(places)
        holder = value
        for step in path[:-1]:
            holder = holder[step]
        action = chance.randrange(8)
        old = holder[path[-1]]
        if action == 0:
            del holder[path[-1]]
        elif action == 1 and isinstance(holder, list):
            holder.append(json.loads(json.dumps(old)))
        elif action == 2 and isinstance(old, int) and not isinstance(old, bool):
            holder[path[-1]] = old + chance.choice((-64, -1, 1, 64, 2**32, -old - 1, old))
        elif action == 3 and isinstance(holder, dict):
            holder[chance.choice(("x", "", "é"))] = chance.choice(ODD)
        elif action == 4:
            other = value
            for step in chance.choice(places):
                other = other[step]
            holder[path[-1]] = json.loads(json.dumps(other))
        else:
            holder[path[-1]] = chance.choice(ODD)
    return value


def dump_json(value: Any, chance: random.Random) -> str:
    """As text; now and then nested deeper than any reader goes, or no JSON at all."""
    text = json.dumps(value)
    odd = chance.randrange(60)
    if odd == 0:
        return text.replace("{", '{"deep": ' + "[" * 100_000 + "]" * 100_000 + ", ", 1)
    if odd == 1:
        return text[: chance.randrange(len(text) + 1)]
    if odd == 2:
        return "9" * 5000
    return text


@pytest.fixture(name="mutate_json")
def mutate_json_fixture() -> Callable[[Any, random.Random], Any]:
    return mutate_json


@pytest.fixture(name="dump_json")
def dump_json_fixture() -> Callable[[Any, random.Random], str]:
    return dump_json


# -- bytes ------------------------------------------------------------------------------------------------------------


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """Bits flipped, ranges overwritten, cut out, doubled, cut off or added."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        size = len(found)
        place = chance.randrange(size + 1)
        action = chance.randrange(8)
        if action == 0:
            del found[place:]
        elif action == 1:
            found += chance.randbytes(chance.choice((1, 7, 64, 4096)))
        elif action == 2:
            found[place : place + chance.choice((1, 4, 64))] = b""
        elif action == 3:
            found[place:place] = found[place : place + chance.choice((1, 4, 64))]
        elif action == 4:
            odd = (b"\0" * 8, b"\xff" * 8, struct.pack("<q", -1), struct.pack("<q", 2**62), b"\xff\xff\xff\x7f")
            piece = chance.choice(odd)
            found[place : place + len(piece)] = piece
        elif size:
            found[place % size] ^= 1 << chance.randrange(8)
    return bytes(found)


@pytest.fixture(name="mutate_bytes")
def mutate_bytes_fixture() -> Callable[[bytes, random.Random], bytes]:
    return mutate_bytes


# -- containers -------------------------------------------------------------------------------------------------------

PREFIX = struct.Struct("<8sIIQ")


def split_container(data: bytes) -> tuple[dict[str, Any], int]:
    """The header of an array container and where it ends; nothing of ours takes part."""
    magic, _, length, _ = PREFIX.unpack_from(data)
    assert magic == b"NEARFLD\0"
    return json.loads(data[24 : 24 + length]), 24 + length


def join_container(data: bytes, header: str, room: int) -> bytes:
    """The file with another header and its checksum right, everything else in its place where it fits."""
    text = header.encode("utf-8", "surrogatepass").ljust(room - 24)
    prefix = PREFIX.pack(b"NEARFLD\0", 1, len(text), xxhash.xxh3_64_intdigest(text))
    return prefix + text + data[room:]


@pytest.fixture
def containers() -> tuple[Callable[..., Any], Callable[..., bytes]]:
    """``split(data)`` and ``join(data, header, room)``."""
    return split_container, join_container


# -- the corpus of files that are right -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest corpus of ``tests/compat``, unpacked: every kind of store and of index file."""
    folder = tmp_path_factory.mktemp("corpus")
    with zipfile.ZipFile(CORPUS) as archive:
        archive.extractall(folder)
    for store in (folder / "stores").iterdir():
        (store / "segments").mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def manifest(corpus: Path) -> dict[str, Any]:
    return json.loads((corpus / "manifest.json").read_text())


@pytest.fixture(scope="session")
def corpus_vectors(corpus: Path) -> np.ndarray:
    return np.load(corpus / "vectors.npy")

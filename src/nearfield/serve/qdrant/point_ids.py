"""Ids of points: unsigned integers of 64 bits and UUIDs, side by side; and the slices of Qdrant's hash of them."""

from __future__ import annotations

import re
import uuid
from typing import Any

import numpy as np

from .refusal import bad

PointId = int | str

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HYPHENS = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_FORMS = re.compile(rf"[0-9a-f]{{32}}|{_HYPHENS}|\{{{_HYPHENS}\}}|urn:uuid:{_HYPHENS}", re.IGNORECASE)
_MOST = (1 << 64) - 1


def parse_id(value: Any, name: str = "id") -> PointId:
    """An id in its canonical form: an int, or a UUID in small letters with hyphens. 400 where it is neither."""
    if isinstance(value, str):
        if _CANONICAL.fullmatch(value):
            return value
        if _FORMS.fullmatch(value):
            return str(uuid.UUID(value))
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    raise bad(f"{name}: value {value!r} is not a valid point ID, valid values are either an unsigned integer or a UUID")


def parse_ids(value: Any, name: str) -> list[PointId]:
    """A list of ids."""
    if not isinstance(value, list):
        raise bad(f"{name}: expected a list of point IDs, got {value!r}")
    return [parse_id(one, name) for one in value]


def order_of(identifier: PointId) -> tuple[str, int]:
    """What ids are sorted by: numbers first, then UUIDs."""
    return (identifier, 0) if isinstance(identifier, str) else ("", identifier)


# -- SipHash-2-4 with a zero key, of many ids at once ------------------------------------------------------------------


def _rotate(values: np.ndarray, bits: int) -> np.ndarray:
    return (values << np.uint64(bits)) | (values >> np.uint64(64 - bits))


def _rounds(state: list[np.ndarray], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a = a + b
        b = _rotate(b, 13) ^ a
        a = _rotate(a, 32)
        c = c + d
        d = _rotate(d, 16) ^ c
        a = a + d
        d = _rotate(d, 21) ^ a
        c = c + b
        b = _rotate(b, 17) ^ c
        c = _rotate(c, 32)
    state[:] = a, b, c, d


def hash_ids(ids: list[PointId]) -> np.ndarray:
    """The hash that Qdrant's slices go by, uint64: SipHash-2-4 of 8 bytes of a number or 16 of a UUID.

    Source: Aumasson and Bernstein, SipHash: a fast short-input PRF (INDOCRYPT 2012).
    """
    hashes = np.empty(len(ids), np.uint64)
    for long in (False, True):
        places = [place for place, one in enumerate(ids) if isinstance(one, str) is long]
        raw = b"".join(_bytes_of(ids[place]) for place in places)
        words = np.frombuffer(raw, "<u8").reshape(len(places), 2 if long else 1)
        start = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
        state = [np.full(len(places), word, np.uint64) for word in start]
        length = np.full(len(places), (16 if long else 8) << 56, np.uint64)
        for block in (*words.T, length):
            state[3] = state[3] ^ block
            _rounds(state, 2)
            state[0] = state[0] ^ block
        state[2] = state[2] ^ np.uint64(0xFF)
        _rounds(state, 4)
        hashes[places] = state[0] ^ state[1] ^ state[2] ^ state[3]
    return hashes


def _bytes_of(identifier: PointId) -> bytes:
    return uuid.UUID(identifier).bytes if isinstance(identifier, str) else identifier.to_bytes(8, "little")

"""The array container: named arrays in one immutable, checksummed, memory-mappable file (``*.nfa``).

==========  ========  ==================================================================================
offset      bytes     content
==========  ========  ==================================================================================
0           8         magic ``NEARFLD`` and a zero byte
8           4         container version, little-endian (1)
12          4         length of the header, little-endian
16          8         xxh3-64 of the header, little-endian
24          length    header: JSON with ``kind``, ``version`` (of the kind), ``meta``, ``size`` (of the whole file)
                      and per array ``name``, ``dtype``, ``shape``, ``offset``, ``nbytes``, ``xxh3``
offset_i    nbytes_i  array i, C order, little-endian, at a multiple of 64; the gaps are zero
==========  ========  ==================================================================================
"""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from . import files
from .decoding import decoding, expect
from .errors import CorruptFileError, FormatVersionError

MAGIC = b"NEARFLD\0"
CONTAINER_VERSION = 1
_PREFIX = struct.Struct("<8sIIQ")
_ALIGN = 64
_CHUNK = 1 << 24
_ROOT = slice(16, 24)
_PLAIN = "biufcSUmM"  # numbers, text and times: nothing that could hold an object or hide a record


@dataclass(frozen=True)
class Container:
    """What :func:`read_container` returns: ``arrays`` are read-only views of the mapped file."""

    path: Path
    kind: str
    version: int
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]
    size: int


@dataclass(frozen=True)
class Pieces:
    """An array too large to hold at once: ``make()`` yields it along its first axis, the same each time it is called.

    It is read twice: the header, which holds the checksums, comes first in the file.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    make: Callable[[], Iterator[np.ndarray]]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return self.dtype.itemsize * math.prod(self.shape)

    def __iter__(self) -> Iterator[memoryview]:
        total = 0
        for piece in self.make():
            if piece.dtype != self.dtype or piece.shape[1:] != self.shape[1:]:
                raise ValueError(f"expected pieces of {self.dtype} x {self.shape[1:]}, got {piece.dtype} {piece.shape}")
            view = _bytes_of(np.ascontiguousarray(piece))
            total += len(view)
            for start in range(0, len(view), _CHUNK):
                yield view[start : start + _CHUNK]
        if total != self.nbytes:
            raise ValueError(f"expected pieces of {self.nbytes} bytes in all, got {total}")


def _whole(array: np.ndarray) -> Pieces:
    return Pieces(array.dtype, array.shape, lambda: iter((array,)))


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, order="C")
    if array.dtype.hasobject or array.dtype.names is not None:
        raise TypeError(f"{name}: expected an array of plain values, got dtype {array.dtype}")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _digest(pieces: Pieces) -> str:
    state = xxhash.xxh3_64()
    for view in pieces:
        state.update(view)
    return state.hexdigest()


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


def write_container(
    path: Path, kind: str, version: int, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray | Pieces]
) -> int:
    """Write the arrays atomically and durably; returns the bytes written."""
    contiguous = {
        name: array if isinstance(array, Pieces) else _whole(_little_endian(name, array))
        for name, array in arrays.items()
    }
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "offset": 0,
            "nbytes": array.nbytes,
            "xxh3": _digest(array),
        }
        for name, array in contiguous.items()
    ]
    header: dict[str, Any] = {"kind": kind, "version": version, "meta": dict(meta), "size": 0, "arrays": entries}

    room = _place(header)
    text = json.dumps(header).encode().ljust(room)

    def chunks() -> Iterator[bytes | memoryview]:
        yield _PREFIX.pack(MAGIC, CONTAINER_VERSION, len(text), xxhash.xxh3_64_intdigest(text)) + text
        position = _PREFIX.size + len(text)
        for entry, array in zip(entries, contiguous.values(), strict=True):
            yield bytes(entry["offset"] - position)
            yield from array
            position = entry["offset"] + entry["nbytes"]
        yield bytes(header["size"] - position)

    return files.write_atomic(path, chunks())


def container_bytes(
    kind: str, version: int, meta: Mapping[str, Any], arrays: Mapping[str, tuple[str, tuple[int, ...]]]
) -> int:
    """The size that a file of arrays of these dtypes and shapes will have.

    Examples
    --------
    >>> container_bytes("example", 1, {}, {"keys": ("<i8", (1000,))})
    8256
    """
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "dtype": np.dtype(dtype).str,
            "shape": list(shape),
            "offset": 0,
            "nbytes": np.dtype(dtype).itemsize * math.prod(shape),
            "xxh3": "0" * 16,
        }
        for name, (dtype, shape) in arrays.items()
    ]
    header: dict[str, Any] = {"kind": kind, "version": version, "meta": dict(meta), "size": 0, "arrays": entries}
    _place(header)
    return int(header["size"])


def _place(header: dict[str, Any]) -> int:
    """Set the offsets of the arrays and the size of the file; returns the room that the header takes.

    Offsets depend on the header's length and the header holds the offsets: room is kept for the widest numbers.
    """
    entries = header["arrays"]
    room = len(json.dumps(header)) + 20 * (len(entries) + 1)
    offset = _aligned(_PREFIX.size + room)
    for entry in entries:
        entry["offset"] = offset
        offset = _aligned(offset + entry["nbytes"])
    header["size"] = offset
    return room


def root_of(mapped: mmap.mmap | bytes) -> str:
    """The checksum of a mapped file's header, in hexadecimal: as that holds those of all arrays, it covers the file."""
    return bytes(mapped[_ROOT]).hex()


def read_container(
    path: Path, kind: str, max_version: int, *, check: bool = True, mapped: mmap.mmap | bytes | None = None
) -> Container:
    """Map the file, unless it is ``mapped`` already, and return its arrays.

    ``check=True`` verifies every byte (at memory speed); ``check=False`` only header and length.
    Raises FileNotFoundError, :class:`CorruptFileError` or :class:`FormatVersionError`.
    """
    buffer = files.map_file(path) if mapped is None else mapped
    total = len(buffer)
    if total < _PREFIX.size:
        raise CorruptFileError(path, f"truncated: {total} bytes, shorter than the {_PREFIX.size}-byte prefix")
    magic, container_version, length, digest = _PREFIX.unpack_from(buffer, 0)
    if magic != MAGIC or container_version < 1:
        raise CorruptFileError(path, "not a nearfield array file (wrong magic)")
    if container_version > CONTAINER_VERSION:
        raise FormatVersionError(path, container_version, CONTAINER_VERSION)
    text = bytes(buffer[_PREFIX.size : _PREFIX.size + length])
    if len(text) != length or xxhash.xxh3_64_intdigest(text) != digest:
        raise CorruptFileError(path, "header is truncated or its checksum differs")
    with decoding(path, "header"):
        return _arrays(path, buffer, json.loads(text), length, kind, max_version, check)


def _arrays(
    path: Path, buffer: mmap.mmap | bytes, header: Any, length: int, kind: str, max_version: int, check: bool
) -> Container:
    total = len(buffer)
    if header["kind"] != kind:
        raise CorruptFileError(path, f"expected a file of kind {kind!r}, found {header['kind']!r}")
    version, meta = header["version"], header["meta"]
    expect(type(version) is int and version >= 1, f"version {version!r}")
    if version > max_version:
        raise FormatVersionError(path, version, max_version)
    if total != header["size"]:
        raise CorruptFileError(path, f"expected {header['size']} bytes, found {total}")
    expect(isinstance(meta, dict) and isinstance(header["arrays"], list), "meta or arrays of another type")
    arrays: dict[str, np.ndarray] = {}
    end = _PREFIX.size + length
    for entry in header["arrays"]:
        name, dtype, shape = _described(entry)
        offset, size = entry["offset"], entry["nbytes"]
        expect(name not in arrays, f"two arrays named {name!r}")
        expect(
            type(offset) is int and offset % _ALIGN == 0 and end <= offset <= total - size,
            f"array {name!r} of {size} bytes at {offset!r}",
        )
        if check and _nonzero(buffer, end, offset):
            raise CorruptFileError(path, f"the gap before array {name!r} is not zero")
        end = offset + size
        flat = np.frombuffer(buffer, np.uint8, size, offset) if size else np.zeros(0, np.uint8)
        if check and xxhash.xxh3_64_hexdigest(flat.data) != entry["xxh3"]:
            raise CorruptFileError(path, f"checksum of array {name!r} differs")
        arrays[name] = flat.view(dtype).reshape(shape) if size else np.zeros(shape, dtype)
    if check and _nonzero(buffer, end, total):
        raise CorruptFileError(path, "the gap after the last array is not zero")
    return Container(path, kind, version, meta, arrays, total)


def _described(entry: Any) -> tuple[str, np.dtype, tuple[int, ...]]:
    """Name, dtype and shape of an array, which must agree with its bytes: nothing is to be taken on trust."""
    name, text, shape, size = entry["name"], entry["dtype"], entry["shape"], entry["nbytes"]
    expect(isinstance(name, str) and isinstance(text, str) and isinstance(shape, list), f"array {name!r}")
    dtype = np.dtype(text)
    known = dtype.kind in _PLAIN and dtype.itemsize > 0 and dtype.str == text and text[0] in "<|"
    expect(known, f"array {name!r}: dtype {text!r}")
    expect(
        type(size) is int
        and all(type(length) is int and length >= 0 for length in shape)
        and size == dtype.itemsize * math.prod(shape)
        and (size > 0 or math.prod(length for length in shape if length) < 2**48),
        f"array {name!r}: {size!r} bytes of {text} in shape {shape!r}",
    )
    return name, dtype, tuple(shape)


def _nonzero(buffer: mmap.mmap | bytes, start: int, stop: int) -> bool:
    return stop > start and bool(np.frombuffer(buffer, np.uint8, stop - start, start).any())

"""Copies of a store elsewhere: one moment, complete or not at all, and only what changed travels again.

==============================  =======================================================================================
object                          holds
==============================  =======================================================================================
``objects/DIGEST``              one file of the store; DIGEST is the xxh3-128 of its bytes
``copy-NNNNNNNN.json``          the copy: every file of the store by name, with its object, size and digest; written
                                last, and carries a digest of itself
==============================  =======================================================================================

An interrupted upload leaves objects that no ``copy-*.json`` names, or the beginning of one, whose digest then does not
fit: neither is a copy, and an earlier copy stays what it was until the new one is complete. The next upload removes
what is left. Files are pinned by mapping them inside the read transaction that names them: a compaction may remove
their names meanwhile, not their bytes. One process copies to a place at a time.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from ..common import files
from ..common.container import read_container
from ..common.errors import CorruptFileError, FormatVersionError
from ..common.progress import Progress
from .addresses import CHUNK, Place
from .catalogue import FILE_NAME, SEGMENTS_NAME, Catalogue, publish_directory
from .coded_bags import KIND as BAGS_KIND
from .copying import back_up, beside, of_one_moment, refuse_target
from .segment import DERIVED, KIND, PRIMARY, check_size, container_root, logger
from .snapshot import Shape
from .sqlite_errors import sqlite_errors
from .tables import read_segments, read_state

COPY_VERSION = 1
OBJECTS = "objects"
_KINDS = {"vectors": KIND, "bags": BAGS_KIND, "index": "index", "columns": "store.columns", "partition": "index"}

_MANIFEST = re.compile(r"copy-([0-9]{8})\.json")
_FILE = re.compile(rf"{re.escape(FILE_NAME)}|{SEGMENTS_NAME}/[0-9]{{6,}}\.[a-z0-9.]+")


@dataclass(frozen=True)
class _File:
    """One file to copy: its bytes, and what the catalogue says they are."""

    name: str
    content: Any
    said: str | None

    def pieces(self) -> Iterator[memoryview]:
        view = memoryview(self.content)
        for start in range(0, len(view), CHUNK):
            yield view[start : start + CHUNK]

    def digest(self) -> str:
        state = xxhash.xxh3_128()
        for piece in self.pieces():
            state.update(piece)
        return state.hexdigest()


def upload(catalogue: Catalogue, shape: Shape, place: Place) -> dict[str, int]:
    """Copy the last committed moment to ``place``; returns how many files and bytes that is, and how many were sent."""
    kind = {"dim": shape.dim, "metric": shape.metric, "dtype": str(shape.dtype), "attributes": dict(shape.schema)}
    number, before = _newest(place)
    if before is not None and before["store"] != kind:
        raise ValueError(f"url: {place.url} holds a copy of another store, {before['store']}; this one is {kind}")
    place.make(OBJECTS)
    there = place.list(OBJECTS)
    old = [] if before is None else before["files"]
    known = {(entry["name"], entry["said"]): entry for entry in old if entry["said"] is not None}
    safe = {entry["xxh3"] for entry in old}  # any other object may be what an interrupted upload left
    entries, sent = [], []
    with tempfile.TemporaryDirectory(prefix="nearfield-") as folder:
        pinned, items = _pin(catalogue, Path(folder), known)
        with Progress("copying", len(pinned), unit="files") as bar:
            for file in pinned:
                entry = known.get((file.name, file.said))
                if entry is None:
                    entry = {"name": file.name, "said": file.said, "bytes": len(file.content), "xxh3": file.digest()}
                if entry["xxh3"] not in safe or there.get(entry["xxh3"]) != entry["bytes"]:
                    place.write(f"{OBJECTS}/{entry['xxh3']}", file.pieces())
                    sent.append(entry)
                entries.append(entry)
                bar.update(1)
    landed = place.list(OBJECTS)
    for entry in entries:
        if landed.get(entry["xxh3"]) != entry["bytes"]:
            found = landed.get(entry["xxh3"], "none")
            raise OSError(f"{place.url}/{OBJECTS}/{entry['xxh3']}: {entry['bytes']} bytes were sent, {found} are there")
    copy = {"version": COPY_VERSION, "store": kind, "items": items, "files": entries}
    place.write(f"copy-{number + 1:08d}.json", [_sealed(copy)])
    with contextlib.suppress(OSError):  # the copy stands; what is left is removed the next time
        _tidy(place, number + 1, {entry["xxh3"] for entry in entries})
    return {
        "files": len(entries),
        "bytes": sum(entry["bytes"] for entry in entries),
        "sent_files": len(sent),
        "sent_bytes": sum(entry["bytes"] for entry in sent),
    }


def download(place: Place, target: Path) -> None:
    """Make a store of the copy at ``place``: every byte is verified before the store appears."""
    refuse_target(target)
    number, copy = _newest(place)
    if copy is None:
        if number:
            raise CorruptFileError(f"{place.url}/copy-{number:08d}.json", "damaged, and there is no older copy")
        raise FileNotFoundError(f"{place.url}: no copy of a store here")
    temporary = beside(target)
    try:
        files.remove_tree(temporary)
        files.make_directory(temporary)
        files.make_directory(temporary / SEGMENTS_NAME)
        with Progress("copying", len(copy["files"]), unit="files") as bar:
            for entry in copy["files"]:
                files.write_atomic(temporary / entry["name"], _verified(place, entry))
                bar.update(1)
        publish_directory(temporary, target)
    except BaseException:
        files.remove_tree(temporary)
        raise


Known = Mapping[tuple[str, str | None], Mapping[str, Any]]


def _pin(catalogue: Catalogue, folder: Path, known: Known) -> tuple[list[_File], int]:
    """The files of one moment, mapped and held against the catalogue; and how many items they are."""
    attempts = itertools.count(1)
    return of_one_moment(catalogue, lambda lost: _map(catalogue, folder / f"{next(attempts)}.sqlite", known, lost))


def _map(catalogue: Catalogue, copied: Path, known: Known, lost: set[str]) -> tuple[list[_File], int]:
    found = []
    with catalogue.reading() as connection:
        for description in read_segments(connection, catalogue.path).values():
            for part in (*PRIMARY, *DERIVED):
                entry = description.get(part)
                if entry:
                    try:
                        found.append(_sound(catalogue.segments / entry["file"], part, entry, known))
                    except (FileNotFoundError, CorruptFileError, FormatVersionError) as error:
                        if part in PRIMARY or (isinstance(error, FileNotFoundError) and entry["file"] not in lost):
                            raise
                        logger.warning("%s: left out of the copy, which builds it again", error)
        items = read_state(connection, catalogue.path)[1]
        with (
            sqlite_errors(copied),
            contextlib.closing(sqlite3.connect(copied, isolation_level=None)) as copy,
        ):
            back_up(connection, copy)
    content = files.map_file(copied)
    return [*found, _File(FILE_NAME, content, None)], items


def _sound(path: Path, part: str, entry: Mapping[str, Any], known: Known) -> _File:
    """A segment's file, mapped. Before it is sent, every byte of it is held against what the catalogue says."""
    check_size(path, entry["bytes"])
    file = _File(f"{SEGMENTS_NAME}/{entry['file']}", files.map_file(path), entry.get("root", entry.get("xxh3")))
    if (file.name, file.said) in known:
        return file
    if "root" in entry:
        read_container(path, _KINDS[part], 1 << 30)
        found = container_root(path)
    else:
        found = xxhash.xxh3_64_hexdigest(file.content)
    if found != file.said:
        raise CorruptFileError(path, "not the file the catalogue names: its digest differs")
    return file


def _verified(place: Place, entry: Mapping[str, Any]) -> Iterator[bytes]:
    """An object's bytes; CorruptFileError at their end unless they are what the copy says."""
    where = f"{place.url}/{OBJECTS}/{entry['xxh3']}"
    state, size = xxhash.xxh3_128(), 0
    try:
        for piece in place.read(f"{OBJECTS}/{entry['xxh3']}"):
            state.update(piece)
            size += len(piece)
            yield piece
    except FileNotFoundError as error:
        raise CorruptFileError(where, "missing, although the copy names it") from error
    if size != entry["bytes"] or state.hexdigest() != entry["xxh3"]:
        raise CorruptFileError(where, f"expected {entry['bytes']} bytes with that digest, found {size} others")


def _sealed(copy: Mapping[str, Any]) -> bytes:
    text = json.dumps(copy, sort_keys=True)
    return json.dumps({"xxh3": xxhash.xxh3_128_hexdigest(text.encode()), "copy": copy}, sort_keys=True).encode()


def _opened(place: Place, name: str) -> dict[str, Any] | None:
    """The copy that an object describes, or None when it is not whole."""
    try:
        sealed = json.loads(b"".join(place.read(name)))
        copy = sealed["copy"]
        if _sealed(copy) != json.dumps(sealed, sort_keys=True).encode():
            return None
    except (ValueError, KeyError, TypeError):
        return None
    if copy["version"] > COPY_VERSION:
        raise FormatVersionError(f"{place.url}/{name}", copy["version"], COPY_VERSION)
    for entry in copy["files"]:  # a copy says what is written here: nothing outside of the store
        if not _FILE.fullmatch(entry["name"]) or not re.fullmatch("[0-9a-f]{32}", entry["xxh3"]):
            raise CorruptFileError(f"{place.url}/{name}", f"names a file that no store has: {entry['name']!r}")
    return copy


def _newest(place: Place) -> tuple[int, dict[str, Any] | None]:
    """The highest number of a copy that was ever begun here, and the newest that is whole."""
    numbers = sorted((int(match[1]) for name in place.list() if (match := _MANIFEST.fullmatch(name))), reverse=True)
    for number in numbers:
        copy = _opened(place, f"copy-{number:08d}.json")
        if copy is not None:
            return numbers[0], copy
        logger.warning("%s/copy-%08d.json: not whole, passed over", place.url, number)
    return (numbers[0] if numbers else 0), None


def _tidy(place: Place, number: int, needed: set[str]) -> None:
    """Remove earlier copies, then what only they needed or an interrupted upload left."""
    for name in place.list():
        match = _MANIFEST.fullmatch(name)
        if match and int(match[1]) < number:
            place.remove(name)
    for name in place.list(OBJECTS):
        if name not in needed:
            place.remove(f"{OBJECTS}/{name}")

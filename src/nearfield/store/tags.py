"""Tags: moments of a store that are kept under a name inside its directory, to be read later or gone back to.

A tag is a copy made by :mod:`nearfield.store.copying` under ``snapshots/NAME``: segment files are hard links, so they
cost nothing until the store drops them, and the catalogue is copied. It appears by one rename and is never changed.
Only the writer makes and removes tags, so what a killed one left half made (its name begins with a dot) is removed by
the next.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

from ..common import files
from .catalogue import FILE_NAME, SEGMENTS_NAME, Catalogue
from .copying import copy_store
from .names import escape, unescape
from .tables import read_meta, read_state

SNAPSHOTS_NAME = "snapshots"


def make_tag(catalogue: Catalogue, name: str) -> None:
    """Keep the last committed moment as ``name``; FileExistsError when there is such a tag."""
    target = _place(catalogue.folder, name)
    if target.exists():
        raise FileExistsError(f"name: there is a tag {name!r} already; untag it first, or choose another name")
    if not target.parent.is_dir():
        files.make_directory(target.parent)
    copy_store(catalogue, target, mark={"name": name, "created": _now()})


def remove_tag(catalogue: Catalogue, name: str) -> None:
    """Remove a tag: its name is gone at once, its files after that; ValueError when there is none."""
    place = find_tag(catalogue.folder, name, "name")
    hidden = place.with_name(f".{place.name}.removing-{os.getpid()}")
    files.remove_tree(hidden)
    files.rename(place, hidden)
    files.remove_tree(hidden)


def find_tag(folder: Path, name: str, parameter: str) -> Path:
    """The directory of a tag; ValueError naming the parameter and the tags there are when it is none of them."""
    place = _place(folder, name, parameter)
    if not place.is_dir():
        known = ", ".join(map(repr, tag_names(folder))) or "none"
        raise ValueError(f"{parameter}: no tag {name!r} in {folder}; tags: {known}")
    return place


def tag_names(folder: Path) -> list[str]:
    """The names of a store's tags, sorted."""
    parent = folder / SNAPSHOTS_NAME
    if not parent.is_dir():
        return []
    return sorted(name for name in map(unescape, files.list_directory(parent)) if name is not None)


def open_tag(folder: Path, name: str, parameter: str) -> Catalogue:
    """The catalogue of a tag, to be read: nothing changes it, and nothing is written beside it."""
    return Catalogue(find_tag(folder, name, parameter), read_only=True, immutable=True)


def describe_tags(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """By name: when it was made, its items, its bytes and how many of those the store itself does not hold as well."""
    found = {}
    live = _files(catalogue.folder)
    for name in tag_names(catalogue.folder):
        tagged = open_tag(catalogue.folder, name, "name")
        try:
            with tagged.reading() as connection:
                mark = read_meta(connection, tagged.path, "tag").get("tag", {})
                items = read_state(connection, tagged.path)[1]
        finally:
            tagged.close()
        sizes = _files(tagged.folder)
        own = sum(size for identity, size in sizes.items() if identity not in live)
        found[name] = {
            "created": mark.get("created"),
            "items": items,
            "bytes": sum(sizes.values()),
            "own_bytes": own,
        }
    return found


def tag_bytes(folder: Path) -> int:
    """Bytes that all tags together hold beside the store's own files; files that several share count once."""
    kept: dict[tuple[int, int], int] = {}
    for name in tag_names(folder):
        kept |= _files(_place(folder, name))
    live = _files(folder)
    return sum(size for identity, size in kept.items() if identity not in live)


def remove_half_made(folder: Path) -> None:
    """Remove what a killed writer left of a tag that it was making or removing."""
    parent = folder / SNAPSHOTS_NAME
    if parent.is_dir():
        for name in files.list_directory(parent):
            if name.startswith("."):
                files.remove_tree(parent / name)


def _place(folder: Path, name: str, parameter: str = "name") -> Path:
    return folder / SNAPSHOTS_NAME / escape(name, parameter)


def _files(folder: Path) -> dict[tuple[int, int], int]:
    """Bytes of the catalogue and the segment files of a store or a tag, by the identity of the file."""
    paths = [folder / FILE_NAME]
    paths += [folder / SEGMENTS_NAME / name for name in files.list_directory(folder / SEGMENTS_NAME)]
    found = {}
    for path in paths:
        try:
            found[files.identity(path)] = files.size(path)
        except FileNotFoundError:  # a compaction just removed it
            continue
    return found


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")

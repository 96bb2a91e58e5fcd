"""Folders elsewhere: object storage and other file systems, all through the interface of ``pyarrow.fs``.

``s3://``, ``gs://``, ``abfs://``, ``hdfs://`` and ``file://`` are pyarrow's own; every other address goes to fsspec,
whose file systems pyarrow can wrap. Nothing is asked of a file system but what object storage has: an object is written
whole, read whole, listed and removed. It may be seen half written, as local files are; who writes must not mind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..common.checks import require

# More would not make a transfer faster; less costs a request each on some object storages.
CHUNK = 8 << 20

_USER = re.compile(r"://[^/@]*@")
_PYARROW = ("file", "s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")


class Place:
    """A folder of a file system.

    Parameters
    ----------
    filesystem : a ``pyarrow.fs.FileSystem``.
    path : the folder's path there.
    url : what it is called in errors.
    """

    def __init__(self, filesystem: Any, path: str, url: str):
        self._filesystem = filesystem
        self._path = path.rstrip("/")
        self.url = url.rstrip("/")

    def list(self, folder: str = "") -> dict[str, int]:
        """The names of the objects in a folder, and their sizes; nothing where there is no such folder."""
        from pyarrow import fs

        handler = getattr(self._filesystem, "handler", None)
        forget = getattr(getattr(handler, "fs", None), "invalidate_cache", None)
        if forget is not None:  # fsspec remembers listings, and what others did since then counts
            forget()
        selector = fs.FileSelector(self._at(folder), allow_not_found=True)
        found = self._filesystem.get_file_info(selector)
        return {info.base_name: info.size for info in found if info.type == fs.FileType.File}

    def read(self, name: str) -> Iterator[bytes]:
        """An object in pieces; FileNotFoundError when it is absent."""
        with self._filesystem.open_input_stream(self._at(name)) as stream:
            while piece := stream.read(CHUNK):
                yield piece

    def write(self, name: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Write an object whole; what an error leaves of it is up to the file system."""
        with self._filesystem.open_output_stream(self._at(name)) as stream:
            for piece in pieces:
                stream.write(piece)

    def make(self, folder: str) -> None:
        """Make a folder and those above it, where a file system has folders."""
        self._filesystem.create_dir(self._at(folder), recursive=True)

    def remove(self, name: str) -> None:
        """Remove an object."""
        self._filesystem.delete_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}" if name else self._path


def open_place(url: str | os.PathLike[str], filesystem: Any = None) -> Place:
    """The folder that ``url`` names.

    ``filesystem`` is one of ``pyarrow.fs`` or of fsspec, with credentials and settings of its own; ``url`` is then a
    path there, with or without the address in front. Without it the address says which one, and a plain path is local.
    """
    text = os.fspath(url)
    if not isinstance(text, str) or not text:
        raise TypeError(f"url: expected an address such as 's3://bucket/folder', got {url!r}")
    from pyarrow import fs

    shown = _USER.sub("://", text).partition("?")[0]  # what an address says of keys is for nobody's log
    scheme, found, rest = text.partition("://")
    if filesystem is not None:
        if isinstance(filesystem, fs.FileSystem):
            path = filesystem.normalize_path(rest if found else text)
        elif hasattr(filesystem, "_strip_protocol"):
            path, filesystem = filesystem._strip_protocol(text), _wrapped(filesystem)
        else:
            raise TypeError(f"filesystem: expected one of pyarrow.fs or of fsspec, got {type(filesystem).__name__}")
        return Place(filesystem, path, shown)
    if not found:
        return Place(fs.LocalFileSystem(), str(Path(text).absolute()), text)
    if scheme.lower() in _PYARROW:
        try:
            opened, path = fs.FileSystem.from_uri(text)
        except (ValueError, ImportError) as error:
            raise ValueError(f"url: {shown!r} cannot be opened: {error}") from error
        return Place(opened, path, shown)
    core = require("fsspec", "remote").core
    try:
        opened, path = core.url_to_fs(text)
    except (ValueError, ImportError) as error:  # an unknown address, or a package that fsspec wants for it
        raise ValueError(f"url: {shown!r} cannot be opened: {error}") from error
    return Place(_wrapped(opened), path, shown)


def _wrapped(filesystem: Any) -> Any:
    from pyarrow import fs

    return fs.PyFileSystem(fs.FSSpecHandler(filesystem))

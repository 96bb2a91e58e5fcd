from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.common.files import fault_injection
from nearfield.datasets.sources import Source, cache_folder, find, obtain, read_bytes, read_vectors

CONTENT = b"three\nlines\nof text\n" * 50_000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A real web server on this machine with one file."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "lines.txt").write_bytes(CONTENT)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/lines.txt"
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_lands_in_the_cache_once(empty_home: Path, served: str) -> None:
    source = Source("set/lines.txt", served, hashlib.sha256(CONTENT).hexdigest())
    assert find(source) is None
    path = obtain(source)
    assert path == empty_home / "set" / "lines.txt"
    assert path.read_bytes() == CONTENT
    stamp = path.stat().st_mtime_ns
    assert obtain(source).stat().st_mtime_ns == stamp


def test_a_wrong_checksum_keeps_nothing(empty_home: Path, served: str) -> None:
    source = Source("set/lines.txt", served, "0" * 64)
    with pytest.raises(CorruptFileError, match="expected sha256 000000"):
        obtain(source)
    assert list((empty_home / "set").iterdir()) == []


def test_a_failing_disk_keeps_nothing(empty_home: Path, served: str) -> None:
    source = Source("set/lines.txt", served, hashlib.sha256(CONTENT).hexdigest())

    def full(operation: str, path: Path) -> None:
        if operation == "fsync":
            raise OSError(28, "No space left on device")

    with fault_injection(full), pytest.raises(OSError, match="No space left"):
        obtain(source)
    assert list((empty_home / "set").iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/lines.txt", None])
def test_offline_says_which_file_to_put_where(empty_home: Path, url: str | None) -> None:
    source = Source("set/lines.txt", url, "0" * 64, advice="Ask the author.")
    with pytest.raises(FileNotFoundError) as caught:
        obtain(source)
    message = str(caught.value)
    assert str(empty_home / "set" / "lines.txt") in message
    assert "NEARFIELD_DATA" in message
    assert (url or "Ask the author.") in message


def test_a_missing_page_is_said_too(empty_home: Path, served: str) -> None:
    with pytest.raises(FileNotFoundError, match="download failed"):
        obtain(Source("set/other.txt", served.replace("lines", "other"), "0" * 64))


def test_the_named_folder_comes_before_the_cache(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("set/a.txt")
    for folder in (empty_home, tmp_path / "mine"):
        (folder / "set").mkdir(parents=True)
        (folder / "set" / "a.txt.gz").write_bytes(gzip.compress(str(folder).encode()))
    assert read_bytes(obtain(source)).decode() == str(empty_home)
    monkeypatch.setenv("NEARFIELD_DATA", str(tmp_path / "mine"))
    assert read_bytes(obtain(source)).decode() == str(tmp_path / "mine")


def test_other_places_come_last(empty_home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_text("x")
    assert find(Source("set/a.txt", also=(str(tmp_path / "no"), str(elsewhere)))) == elsewhere


def test_the_cache_follows_the_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "nearfield"


def test_damage_is_named(empty_home: Path) -> None:
    folder = empty_home / "set"
    folder.mkdir(parents=True)
    (folder / "a.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    with pytest.raises(CorruptFileError, match=r"a\.gz"):
        read_bytes(folder / "a.gz")
    np.save(folder / "v.npy", np.zeros((3, 4), np.int64))
    with pytest.raises(CorruptFileError, match=r"v\.npy.*int64"):
        read_vectors(Source("set/v.npy"))
    (folder / "v.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(CorruptFileError, match=r"v\.npy"):
        read_vectors(Source("set/v.npy"))

"""Small stores, limits low enough that a few rows reach every path, and a plain model to hold a store against."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nearfield.store import Store, maintenance, writing

HERE = Path(__file__).parent
WORKER = HERE / "worker.py"
SCHEMA = {"year": "int", "topic": "string"}


def load(path: Path) -> ModuleType:
    """A module beside the tests: they cannot import from each other."""
    name = f"nearfield_store_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def shared() -> ModuleType:
    """The functions of ``worker.py``, for both sides of a test."""
    return load(WORKER)


@pytest.fixture(scope="session")
def disk_model() -> ModuleType:
    """What a disk may hold after the power failed: ``disk_model.py``."""
    return load(HERE / "disk_model.py")


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``disk_trace.c``, compiled; skips where a program's calls cannot be watched this way."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler to watch what SQLite does to the disk")
    library = tmp_path_factory.mktemp("shim") / "disk_trace.so"
    flags = ["-shared", "-fPIC", "-O1", "-ldl", "-lpthread"]
    subprocess.run([compiler, HERE / "disk_trace.c", *flags, "-o", library], check=True)
    # Does it see what Python's SQLite writes?
    probe = (
        "import ctypes, sqlite3, sys\nshim = ctypes.CDLL(None)\nshim.trace_start(sys.argv[1].encode(), b'')\n"
        "sqlite3.connect(sys.argv[1] + '/a').execute('CREATE TABLE t(a)')\nprint(shim.trace_calls())"
    )
    folder = tmp_path_factory.mktemp("probe").resolve()
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    command = [sys.executable, "-c", probe, folder]
    seen = subprocess.run(command, env=environment, capture_output=True, text=True)
    if not seen.stdout.strip().isdigit() or int(seen.stdout) < 5:
        pytest.skip(f"LD_PRELOAD does not show what SQLite writes here (it may be linked statically): {seen.stderr}")
    return library


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: killed processes lose nothing there either, and syncs are free."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def vectors(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((500, 8), np.float32)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """``make(name="a.nf", dim=8, **create)``: a new store, closed when the test ends."""
    stores = []

    def build(name: str = "a.nf", dim: int = 8, **create: Any) -> Store:
        stores.append(Store.create(tmp_path / name, dim, **create))
        return stores[-1]

    yield build
    for store in stores:
        store.close()


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments after 60 pending rows, graphs from 20 rows on."""
    monkeypatch.setattr(writing, "PENDING_ROWS", 60)
    monkeypatch.setattr(maintenance, "MIN_INDEXED", 20)
    monkeypatch.setattr(maintenance, "SCANNED_ROWS", 20)


@pytest.fixture
def worker() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``worker("command", argument, ...)``: another process running ``worker.py``, killed when the test ends."""
    running = []

    def start(*arguments: Any, preload: Path | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, str(WORKER), *map(str, arguments)]
        environment = {**os.environ, **({} if preload is None else {"LD_PRELOAD": str(preload)})}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def content(store: Store) -> dict[Any, tuple[bytes, Any, Any]]:
    """Everything a store holds: id -> (vector bytes, attributes, payload)."""
    found = {}
    for batch in store.iterate(97):
        rows = [None] * len(batch) if batch.attributes is None else batch.attributes.to_pylist()
        for identifier, vector, attributes, payload in zip(batch.ids, batch.vectors, rows, batch.payload, strict=True):
            assert identifier not in found
            found[identifier] = (vector.tobytes(), attributes, payload)
    assert len(found) == len(store)
    return found


@pytest.fixture(name="content")
def content_of() -> Callable[[Store], dict[Any, tuple[bytes, Any, Any]]]:
    return content

"""Start-up is part of the latency: what an import pulls in is counted, not timed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "sklearn", "pyarrow", "pandas", "sqlglot", "rich", "matplotlib", "sqlite3")


def loaded_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_nearfield_loads_nothing_heavy() -> None:
    assert loaded_after("import nearfield; dir(nearfield)") == set()


@pytest.mark.parametrize("room", ["store", "index", "tune", "survey", "decide", "transform", "quantize", "encode"])
def test_importing_a_room_loads_no_heavy_library(room: str) -> None:
    assert loaded_after(f"import nearfield.{room}") <= {"numpy", "sqlite3"}


def test_opening_and_searching_a_store_stays_light() -> None:
    code = (
        "import tempfile, numpy as np, nearfield as nf\n"
        "folder = tempfile.mkdtemp()\n"
        "store = nf.Store.create(folder + '/a.nf', dim=4)\n"
        "store.add([1, 2], np.eye(4, dtype=np.float32)[:2])\n"
        "assert store.search(np.ones(4, np.float32), k=1).ids"
    )
    assert loaded_after(code) <= {"numpy", "sqlite3"}

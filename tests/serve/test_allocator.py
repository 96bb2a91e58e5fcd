"""A server's threads share a few arenas, unless the environment says otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from nearfield.serve.allocator import _is_glibc

pytestmark = pytest.mark.skipif(not _is_glibc(), reason="the C library is not glibc")

CODE = """
import ctypes, json, sys, threading
from nearfield.serve.allocator import share_arenas
print(json.dumps(share_arenas() if sys.argv[1:] else {}), flush=True)
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(40)
def work():
    assert libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(40)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def arenas(*arguments: str, **more: str) -> tuple[dict, int]:
    """What was set, and how many arenas forty threads had."""
    free = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "ARROW_DEFAULT")) and name != "GLIBC_TUNABLES"
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True, env=free | more
    )
    first, _, rest = done.stdout.partition("\n")
    return json.loads(first), rest.count("<heap nr=")


def test_many_threads_share_a_few_arenas() -> None:
    found, count = arenas("set")
    assert found["ARROW_DEFAULT_MEMORY_POOL"] == "system"
    assert 1 <= count <= found["MALLOC_ARENA_MAX"] <= 4
    assert arenas()[1] > 4


def test_the_environment_wins() -> None:
    found, _ = arenas("set", MALLOC_ARENA_MAX="7", ARROW_DEFAULT_MEMORY_POOL="mimalloc")
    assert sorted(found) == ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"]
    found, _ = arenas("set", GLIBC_TUNABLES="glibc.malloc.arena_max=7")
    assert sorted(found) == ["ARROW_DEFAULT_MEMORY_POOL"]

"""The memory that a server gives back: settings of the allocators behind NumPy, SQLite and Arrow.

glibc gives threads arenas of their own, eight for each core, and what is free in one of them serves no other; Arrow's
own allocator keeps some for each thread as well. In a server whose threads take every request in turn, all of them fill
up. Under a mixed load (``nearfield bench serving --soak``) these settings halve what memory grows by, at the same rate
of answers.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

# Names of the environment, numbers of mallopt(3), values. The last two take the place of thresholds that glibc moves:
# what is larger than the one is unmapped when it is freed, and so is what is free beyond the other at an arena's end.
_MOST_ARENAS = 4
_SETTINGS = (
    ("MALLOC_ARENA_MAX", -8, max(2, min(_MOST_ARENAS, os.cpu_count() or 1))),
    ("MALLOC_MMAP_THRESHOLD_", -3, 4 << 20),
    ("MALLOC_TRIM_THRESHOLD_", -1, 1 << 20),
)
_ARROW = "ARROW_DEFAULT_MEMORY_POOL"


def share_arenas() -> dict[str, int | str]:
    """Let all threads of this process share a few arenas; before any thread begins, and before Arrow is imported.

    What the environment says already is left alone, and so is everything where the C library is not glibc.

    Returns
    -------
    dict : what was set, by the variables of the environment that would do the same.

    Examples
    --------
    >>> import subprocess
    >>> code = "from nearfield.serve.allocator import share_arenas; print('MALLOC_ARENA_MAX' in share_arenas())"
    >>> done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    >>> done.stdout.strip() == str(_is_glibc() and not _is_set("MALLOC_ARENA_MAX"))
    True
    """
    done: dict[str, int | str] = {}
    if not _is_glibc():
        return done
    mallopt = ctypes.CDLL(None).mallopt
    for name, number, value in _SETTINGS:
        if not _is_set(name) and mallopt(number, value):
            done[name] = value
    if _ARROW not in os.environ and "pyarrow" not in sys.modules:
        os.environ[_ARROW] = done[_ARROW] = "system"
    return done


def _is_set(name: str) -> bool:
    return name in os.environ or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")


def _is_glibc() -> bool:
    with contextlib.suppress(ValueError, OSError, AttributeError):
        return "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "")
    return False

"""What a process holds in memory of its own: one definition for every index that is measured.

Counted are anonymous, shared and huge pages (``RssAnon``, ``RssShmem`` and ``HugetlbPages`` of ``/proc/self/status``):
what the index allocated, whatever the library says about it. Pages mapped from a file are not counted, so the input,
which every adapter gets as a read-only mapped file, costs an index nothing unless it copies it. Freed memory that the
C library keeps for later is given back before reading. What is reported is the growth from just before the build to
just after it, in a process that has built and dropped a small index before.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

_COUNTED = ("RssAnon", "RssShmem", "HugetlbPages")


def parse_status(text: str) -> dict[str, int]:
    """The sizes of a ``/proc/<pid>/status`` text, in bytes.

    Examples
    --------
    >>> parse_status("Name: python\\nRssAnon:      12 kB\\n")
    {'RssAnon': 12288}
    """
    sizes = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields = value.split()
        if len(fields) == 2 and fields[1] == "kB":
            sizes[name] = int(fields[0]) * 1024
    return sizes


def own_bytes() -> int:
    """Bytes this process holds of its own, after returning what it no longer uses (Linux; 0 elsewhere).

    Examples
    --------
    >>> own_bytes() >= 0
    True
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc: nothing to give back
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    try:
        sizes = parse_status(Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return sum(sizes.get(name, 0) for name in _COUNTED)

"""How much memory this process may still take: the machine's, or that of the group the system bounds it by."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/")


def available_bytes(root: Path = _ROOT) -> int | None:
    """Bytes this process can allocate before the system runs out, or ends it; None where that cannot be known.

    The least of what the machine has available (``MemAvailable`` and free swap of ``/proc/meminfo``) and, for every
    control group above the process, its limit less what it uses, file pages that can be dropped not counted.

    Examples
    --------
    >>> available = available_bytes()
    >>> available is None or available > 0
    True
    """
    found = [number for number in (_machine(root), *_groups(root)) if number is not None]
    return max(min(found), 0) if found else None


def _machine(root: Path) -> int | None:
    text = _read(root / "proc/meminfo")
    sizes = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields = value.split()
        if fields and fields[0].isdigit():
            sizes[name] = int(fields[0]) * 1024
    if "MemAvailable" not in sizes:
        return None
    return sizes["MemAvailable"] + sizes.get("SwapFree", 0)


def _groups(root: Path) -> list[int]:
    """What every group above this process leaves, of version 2 and of the memory controller of version 1."""
    left = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mount, limit, usage, inactive = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            mount, limit, usage = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            inactive = "total_inactive_file"
        else:
            continue
        top = root / mount
        folder = top / path.lstrip("/")
        # Inside a container the path may be the host's, and the mount shows the container's own group at its top.
        for place in (folder, *folder.parents):
            if place != top and top not in place.parents:
                break
            allowed, used = _number(place / limit), _number(place / usage)
            if allowed is not None and used is not None:
                left.append(allowed - used + _field(place / "memory.stat", inactive))
    return left


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None  # "max" is no limit


def _field(path: Path, name: str) -> int:
    for line in _read(path).splitlines():
        field, _, value = line.partition(" ")
        if field == name and value.strip().isdigit():
            return int(value)
    return 0

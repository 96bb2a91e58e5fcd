"""The doctor's look at the machine: CPU and the level chosen for it, threads, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_EXPECTED = {"avx512_vnni": "avx512", "avx2": "avx2"}  # what /proc/cpuinfo says -> the level it allows
_FEW_FILES = 4096


def machine() -> dict[str, Any]:
    """CPU, level, threads, memory; a remark on whatever is less than it could be."""
    from .. import native
    from ..bench.machine import describe

    about = describe()
    level, levels = native.simd_level(), native.simd_levels()
    quota, files = _cpu_quota(), _file_limit()
    remarks = []
    allowed = next((name for flag, name in _EXPECTED.items() if flag in about["cpu"]["wide"]), None)
    if allowed is not None and allowed not in levels:
        remarks.append(f"the CPU has {allowed}, but this build of the core has not: {', '.join(levels)}")
    elif level != levels[-1]:
        remarks.append(f"level {level} is in force though {levels[-1]} is there: NEARFIELD_SIMD says so")
    if quota is not None and native.threads() > quota + 0.5:
        remarks.append(f"{native.threads()} threads share {quota:g} CPUs that this container may use")
    if files is not None and files < _FEW_FILES:
        remarks.append(f"a process may open {files:,} files (ulimit -n): little for many collections at once")
    memory = about["memory_bytes"]
    lines = [
        ("CPU", about["cpu"]["model"] or "unknown"),
        ("level", f"{level} (of {', '.join(levels)})"),
        ("threads", f"{native.threads()} on {about['cores']} usable cores"),
        ("memory", "unknown" if memory is None else f"{memory / 2**30:.1f} GiB"),
        ("system", f"{about['system']}, Python {about['python']}"),
    ]
    return {
        "cpu": about["cpu"],
        "level": level,
        "levels": levels,
        "threads": native.threads(),
        "cores": about["cores"],
        "cpu_quota": quota,
        "memory_bytes": memory,
        "open_files": files,
        "system": about["system"],
        "python": about["python"],
        "lines": lines,
        "remarks": remarks,
    }


def _cpu_quota() -> float | None:
    """How many CPUs a container's limits leave to it; None where there is no limit or no way to tell."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _file_limit() -> int | None:
    try:
        import resource

        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return None if soft == resource.RLIM_INFINITY else soft
    except (ImportError, OSError, ValueError):
        return None

"""The doctor's look at the installation: versions of what is needed, and which extras are there."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[([\w,\s-]+)\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w.-]+)['\"]")
_MACHINE = re.compile(r"platform_machine\s*==\s*['\"](\w+)['\"]")
_LEAST = re.compile(r">=\s*([\d.]+)")


class Requirement(NamedTuple):
    """A package that is needed, the least version, and the extra that needs it; None: always."""

    name: str
    least: str | None
    extra: str | None
    extras: tuple[str, ...] = ()


def installation() -> dict[str, Any]:
    """Versions, extras, environment. A needed package that is missing or too old is a problem, an extra is not."""
    from .. import __file__ as package
    from .. import __version__

    needs, source = _requirements()
    core = {need.name: _version(need.name) for need in needs if need.extra is None}
    problems = [
        f"{need.name} is {core[need.name] or 'missing'}, {need.least or 'any'} or newer is needed; "
        f"run: {Path(sys.executable).name} -m pip install '{need.name}>={need.least or 0}'"
        for need in needs
        if need.extra is None and not _enough(core[need.name], need.least)
    ]
    extras = {name: _extra(name, needs) for name in dict.fromkeys(need.extra for need in needs if need.extra)}
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith("NEARFIELD_")}
    remarks = [] if needs else ["neither installed nor run from its sources: what it needs is not known"]
    lines = [("nearfield", f"{__version__} from {Path(package).parent} ({source})")]
    lines += [("needs", ", ".join(f"{name} {version or 'MISSING'}" for name, version in core.items()))]
    for name, found in extras.items():
        missing = [f"{need} {version or 'missing'}" for need, version in found["lacking"].items()]
        there = ", ".join(f"{need} {version}" for need, version in found["there"].items())
        lines.append((f"[{name}]", f"{', '.join(missing)}; run: {found['install']}" if missing else there or "there"))
    lines += [("environment", f"{name}={value}") for name, value in variables.items()]
    return {
        "version": __version__,
        "package": str(Path(package).parent),
        "from": source,
        "needs": core,
        "extras": extras,
        "environment": variables,
        "lines": lines,
        "remarks": remarks,
        "problems": problems,
    }


def _extra(name: str, needs: list[Requirement]) -> dict[str, Any]:
    """What of an extra is there, and what is lacking or too old."""
    wanted = {need.name: need for need in _members(name, needs, set())}
    found = {package: _version(package) for package in wanted}
    there = {package: version for package, version in found.items() if _enough(version, wanted[package].least)}
    lacking = {package: version for package, version in found.items() if package not in there}
    return {"there": there, "lacking": lacking, "install": f"pip install 'nearfield[{name}]'"}


def _members(name: str, needs: list[Requirement], seen: set[str]) -> Iterable[Requirement]:
    """The packages of an extra, those of other extras that it names among them."""
    seen.add(name)
    for need in needs:
        if need.extra == name and need.name != "nearfield":
            yield need
        elif need.extra == name:
            for other in need.extras:
                if other not in seen:
                    yield from _members(other, needs, seen)


def _requirements() -> tuple[list[Requirement], str]:
    """What the installed package says it needs; without one, what the sources it runs from say."""
    try:
        texts, source = metadata.requires("nearfield") or [], "installed"
    except metadata.PackageNotFoundError:
        texts, source = _of_sources(Path(__file__).parents[3] / "pyproject.toml"), "not installed, run from its sources"
    return [need for need in map(_parsed, texts) if need is not None], source


def _of_sources(path: Path) -> list[str]:
    import tomllib

    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, ValueError):
        return []
    texts = list(project.get("dependencies", ()))
    for extra, members in project.get("optional-dependencies", {}).items():
        for text in members:
            requirement, semicolon, marker = text.partition(";")
            also = f" and ({marker})" if semicolon else ""
            texts.append(f'{requirement} ; extra == "{extra}"{also}')
    return texts


def _parsed(text: str) -> Requirement | None:
    """One line of requirements; None where it is not for this machine."""
    match = _REQUIREMENT.fullmatch(text.strip())
    if match is None:
        return None
    name, extras, versions, marker = match.groups()
    machine = _MACHINE.search(marker or "")
    if machine is not None and machine[1] != platform.machine():
        return None
    extra, least = _EXTRA.search(marker or ""), _LEAST.search(versions or "")
    named = tuple(one.strip() for one in (extras or "").split(",") if one.strip())
    return Requirement(name, least[1] if least else None, extra[1] if extra else None, named)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _enough(version: str | None, least: str | None) -> bool:
    return version is not None and (least is None or _numbers(version) >= _numbers(least))


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``"1.26.0rc1"`` -> ``(1, 26, 0)``; zeros at the end do not count."""
    numbers = [int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part]  # type: ignore[index]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)

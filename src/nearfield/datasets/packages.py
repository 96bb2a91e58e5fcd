"""Debian's package index: a real collection with attributes, and conditions as people filter it by."""

from __future__ import annotations

import gzip
import lzma
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

SCHEMA = {"section": "string", "priority": "string", "tags": "string", "size": "int", "installed": "int"}
VARIABLE = "NEARFIELD_PACKAGES"


@dataclass(frozen=True)
class DebianPackages:
    """Packages of a Debian index, each name once, sorted: one-line descriptions to embed, and attributes to filter by.

    Attributes
    ----------
    names : unique.
    texts : "name: description", one line each.
    attributes : columns ``section``, ``priority``, ``tags`` (one text, by commas), ``size``, ``installed``;
        :attr:`SCHEMA` are their types, for :meth:`nearfield.Store.create`.

    Examples
    --------
    >>> columns = {name: [None] for name in SCHEMA}
    >>> len(DebianPackages(["nano"], ["nano: small editor"], columns))
    1
    """

    SCHEMA: ClassVar[dict[str, str]] = SCHEMA

    names: list[str]
    texts: list[str]
    attributes: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: np.ndarray) -> DebianPackages:
        """Those in ``rows``."""
        chosen = rows.tolist()
        columns = {name: [values[row] for row in chosen] for name, values in self.attributes.items()}
        return DebianPackages([self.names[row] for row in chosen], [self.texts[row] for row in chosen], columns)

    def conditions(self, count: int, *, random_state: int = 0) -> list[str]:
        """``count`` distinct conditions, each true of one package in 2,000 to half of them.

        What people filter packages by: a section or a few, a tag, a window of sizes, and two of these.
        """
        return _conditions(self, count, random_state)


def debian_packages(path: str | os.PathLike[str] | None = None) -> DebianPackages:
    """Read a Packages index of Debian or a system like it: plain, ``.gz`` or ``.xz``.

    Parameters
    ----------
    path : the file; None takes what ``$NEARFIELD_PACKAGES`` names. ``apt-cache dumpavail > Packages`` makes one.

    Raises
    ------
    FileNotFoundError
        There is no such file, or none was named.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "Packages"
    ...     _ = file.write_text("Package: nano\\nSection: editors\\nSize: 12\\nDescription: small editor\\n long\\n\\n")
    ...     found = debian_packages(file)
    >>> found.texts, found.attributes["section"], found.attributes["size"], found.attributes["tags"]
    (['nano: small editor'], ['editors'], [12], [''])
    """
    return _read(_find(path))


def _find(path: str | os.PathLike[str] | None) -> Path:
    """The file to read: ``path``, or what ``$NEARFIELD_PACKAGES`` names; FileNotFoundError says how to get one."""
    named = path or os.environ.get(VARIABLE)
    found = Path(named) if named else None
    if found is None or not found.is_file():
        raise FileNotFoundError(
            f"{found or 'no file given'}: this needs a Packages index of Debian or a system like it; make one with "
            f"'apt-cache dumpavail > Packages', or put Packages.xz from dists/stable/main/binary-amd64 of a mirror "
            f"anywhere, and name its path, or set ${VARIABLE}"
        )
    return found


def _read(path: Path) -> DebianPackages:
    known: dict[str, dict[str, str]] = {}
    for fields in _paragraphs(path):
        if fields.get("Package") and fields.get("Description"):
            known[fields["Package"]] = fields
    rows = [known[name] for name in sorted(known)]
    attributes: dict[str, list[Any]] = {
        "section": [row.get("Section", "") for row in rows],
        "priority": [row.get("Priority", "") for row in rows],
        "tags": [row.get("Tag", "") for row in rows],
        "size": [_number(row.get("Size")) for row in rows],
        "installed": [_number(row.get("Installed-Size")) for row in rows],
    }
    texts = [f"{row['Package']}: {row['Description']}" for row in rows]
    return DebianPackages([row["Package"] for row in rows], texts, attributes)


def _paragraphs(path: Path) -> Iterator[dict[str, str]]:
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
    with openers.get(path.suffix, open)(path, "rt", encoding="utf-8", errors="replace") as lines:
        fields: dict[str, str] = {}
        last = ""
        for line in lines:
            if not line.strip():
                yield fields
                fields = {}
            elif line[0] in " \t":
                if last == "Tag":
                    fields[last] += " " + line.strip()
            else:
                last, _, value = line.partition(":")
                last = last.removesuffix("-en")
                fields.setdefault(last, value.strip())
        yield fields


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _conditions(packages: DebianPackages, count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    columns = packages.attributes
    sections = [name for name, _ in Counter(columns["section"]).most_common(40)]
    tags = Counter(tag for row in columns["tags"] for tag in row.replace(",", " ").split())
    common = [tag for tag, _ in tags.most_common(60)]
    masks = {name: np.array(columns[name], object) for name in ("section", "tags")}
    numbers = {name: np.array([np.nan if v is None else v for v in columns[name]]) for name in ("size", "installed")}

    def section() -> tuple[str, np.ndarray]:
        chosen = rng.choice(len(sections), rng.choice([1, 1, 1, 2, 3]), replace=False)
        names = [sections[i] for i in chosen]
        text = ", ".join(f"'{name}'" for name in names)
        return (f"section in ({text})" if len(names) > 1 else f"section = {text}"), np.isin(masks["section"], names)

    def tag() -> tuple[str, np.ndarray]:
        name = common[int(rng.integers(len(common)))]
        return f"tags like '%{name}%'", np.array([name in row for row in masks["tags"]])

    def window() -> tuple[str, np.ndarray]:
        column = ("size", "installed")[int(rng.integers(2))]
        share = 2.0 ** -rng.uniform(1, 9)
        start = rng.uniform(0, 1 - share)
        low, high = (int(value) for value in np.nanquantile(numbers[column], (start, start + share)))
        return f"{column} between {low} and {high}", (numbers[column] >= low) & (numbers[column] <= high)

    kinds = ((section,), (tag,), (window,), (section, window), (section, tag), (tag, window))
    found: dict[str, None] = {}
    while len(found) < count:
        parts = [make() for make in kinds[len(found) % len(kinds)]]
        share = np.logical_and.reduce([mask for _, mask in parts]).mean()
        if 0.0005 <= share <= 0.5:
            found.setdefault(" and ".join(text for text, _ in parts))
    return list(found)

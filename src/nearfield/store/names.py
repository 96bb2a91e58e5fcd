"""Names that callers choose, as names of directories: tags of a store, collections in a folder.

Small letters, digits, ``-`` and ``_`` stand for themselves, and so does a dot that is not the first; every other byte
of the name's UTF-8 becomes ``%`` and two hex digits. So ``"../x"`` climbs nowhere, no name is hidden or taken for
something half made, ``"A"`` and ``"a"`` stay two names on a file system that does not tell them apart, and text that a
file system would normalise comes back as it was given.
"""

from __future__ import annotations

import re
from typing import Any

# With what is put before and behind it while a directory is made, a name must fit the 255 bytes of file systems.
LONGEST = 200

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
_AS_IT_IS = re.compile(r"[a-z0-9_-][a-z0-9_.-]*")
_ESCAPED = re.compile(r"%([0-9a-f]{2})")


def escape(name: Any, parameter: str) -> str:
    """The directory's name for ``name``; TypeError or ValueError naming ``parameter`` where there is none."""
    if not isinstance(name, str):
        raise TypeError(f"{parameter}: expected a text, got {name!r}")
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{parameter}: expected text that UTF-8 can hold, got {name!r}") from None
    if not raw:
        raise ValueError(f"{parameter}: expected a non-empty name, got ''")
    text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in raw)
    if text.startswith("."):
        text = "%2e" + text[1:]
    if len(text) > LONGEST:
        raise ValueError(
            f"{parameter}: expected at most {LONGEST} bytes, where small letters, digits, '-', '_' and '.' count one "
            f"and every other byte three, got {len(text)}: {name[:40]!r}..."
        )
    return text


def unescape(text: str) -> str | None:
    """The name behind a directory's name, or None when it is none that :func:`escape` gives."""
    if _AS_IT_IS.fullmatch(text) and len(text) <= LONGEST:  # most names, and there may be thousands of them
        return text
    raw = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    try:
        name = raw.encode("latin-1").decode()
        return name if escape(name, "name") == text else None
    except (UnicodeError, ValueError):
        return None

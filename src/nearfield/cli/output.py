"""What all commands share in speaking to people and to programs."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd")
DONE, NO, FAILED, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141


def say(text: str = "") -> None:
    """Print a line at once, even into a pipe: each finished stage is seen when it is finished."""
    print(_encodable(text, sys.stdout), flush=True)


def telling(arguments: argparse.Namespace) -> Callable[[str], None]:
    """:func:`say`, or, where ``--json`` was given, nothing: stdout is for one document then."""
    return _keep_quiet if arguments.json else say


def _keep_quiet(text: str) -> None:
    del text


def note(text: str) -> None:
    """A remark that is not part of the answer."""
    print(_encodable(f"nearfield: {text}", sys.stderr), file=sys.stderr, flush=True)


def _encodable(text: str, stream: Any) -> str:
    """The text with what the stream cannot say escaped: names of files need not be text, nor terminals know it all."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def print_json(value: Any) -> None:
    """One JSON document; numbers that JSON does not have become null."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False)
    if _encodable(text, sys.stdout) != text:
        text = json.dumps(_plain(value), indent=2)
    print(text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):  # numpy arrays and numbers
        return _plain(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def snippet(payload: Any, width: int = 0) -> str:
    """The text of a payload that a reader would want to see, on one line cut to the terminal's width."""
    text = payload if isinstance(payload, str) else ""
    if isinstance(payload, dict):
        texts = {key: value for key, value in payload.items() if isinstance(value, str) and value.strip()}
        chosen = [key for key in ("summary", "text", "content", "body", "passage", "title", "name") if key in texts]
        text = texts[chosen[0]] if chosen else max(texts.values(), key=len, default="")
    text = " ".join(text.split())
    width = width or shutil.get_terminal_size((100, 24)).columns - 8
    return text if len(text) <= width else text[: width - 4].rpartition(" ")[0] + " ..."


def hit_lines(hits: Any) -> list[str]:
    """Two lines a hit: relevance and id, then what it says."""
    lines = []
    for hit in hits:
        measure = f"{hit.relevance:5.2f}" if hit.relevance is not None else f"{hit.distance:5.3f}"
        # What is stored may hold commands to a terminal.
        name = f"{hit.id}{(hit.payload or {}).get('signature', '') if isinstance(hit.payload, dict) else ''}"
        lines.append(f"  {measure}  {name.translate(_CONTROLS)}")
        if text := snippet(hit.payload):
            lines.append(f"         {text.translate(_CONTROLS)}")
    return lines


def described(hit: Any) -> dict[str, Any]:
    """A hit for JSON: what it has of relevance, payload, attributes, group and legs beside id and distance."""
    entry = {"id": hit.id, "distance": hit.distance}
    for name in ("relevance", "payload", "attributes", "group", "legs"):
        if getattr(hit, name) is not None:
            entry[name] = getattr(hit, name)
    return entry


def own_command() -> str:
    """How this command was called, so that a suggestion can be copied: a name on the PATH, or the path to it."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{_short(sys.executable)} -m nearfield"
    found = shutil.which("nearfield")
    if found is None or not called.exists() or not os.path.samefile(found, called):
        return _short(str(called))
    return "nearfield"


def _short(path: str) -> str:
    """Relative to here or absolute, whichever is shorter."""
    return min(os.path.relpath(path), os.path.abspath(path), key=len)

"""Paths into a payload, such as ``address.city``, ``offers[].price`` or ``"a.b"[0]``: reading, setting, deleting.

A step is a key (str), the number of an element (int), or None for every element of a list.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .refusal import bad

Step = str | int | None
Path = tuple[Step, ...]

_KEY = re.compile(r'"([^"]*)"|([\w-]+)')
_ELEMENT = re.compile(r"\[([0-9]*)\]")
_MOST = (1 << 64) - 1


@functools.lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """The steps of a path; 400 where it is none."""
    steps: list[Step] = []
    at = 0
    while True:
        key = _KEY.match(text, at)
        if key is None:
            raise bad(f"expected a path into the payload, such as 'a.b' or 'a[].b', got {text!r}")
        steps.append(key[1] if key[2] is None else key[2])
        at = key.end()
        while element := _ELEMENT.match(text, at):
            steps.append(int(element[1]) if element[1] else None)
            if element[1] and int(element[1]) > _MOST:
                raise bad(f"expected an element's number of 64 bits, got {text!r}")
            at = element.end()
        if at == len(text):
            return tuple(steps)
        if text[at] != ".":
            raise bad(f"expected a path into the payload, such as 'a.b' or 'a[].b', got {text!r}")
        at += 1


def path_of(value: Any, name: str) -> Path:
    """The path that a request's field ``name`` holds."""
    if not isinstance(value, str):
        raise bad(f"{name}: expected a path into the payload, got {value!r}")
    return parse_path(value)


def find(payload: Any, path: Path) -> list[Any]:
    """All values a path leads to, as they stand there."""
    found = [payload]
    for step in path:
        reached: list[Any] = []
        for value in found:
            if isinstance(step, str):
                if isinstance(value, dict) and step in value:
                    reached.append(value[step])
            elif isinstance(value, list):
                if step is None:
                    reached.extend(value)
                elif step < len(value):
                    reached.append(value[step])
        found = reached
        if not found:
            break
    return found


def flat(values: list[Any]) -> list[Any]:
    """The same with the elements of a list in place of it: a condition on a list is one on any of its elements."""
    if not any(isinstance(value, list) for value in values):
        return values
    spread: list[Any] = []
    for value in values:
        if isinstance(value, list):
            spread.extend(value)
        else:
            spread.append(value)
    return spread


def merge(target: dict[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
    """Set the keys of ``news``; null removes one."""
    for key, value in news.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value
    return target


def set_at(payload: dict[str, Any], path: Path, news: Mapping[str, Any]) -> None:
    """Merge ``news`` into what stands at a path, making what is missing on the way there.

    A value of another type than the path needs gives way; elements are never added, but for the list that a path
    with ``[0]`` or ``[]`` finds no list at, which becomes an empty one.
    """
    holder: Any = {"": payload}
    _set(holder, "", path, news)


def _set(holder: Any, place: str | int, rest: Sequence[Step], news: Mapping[str, Any]) -> None:
    value = holder[place]
    if not rest:
        holder[place] = merge(value if isinstance(value, dict) else {}, copy.deepcopy(dict(news)))
        return
    step, rest = rest[0], rest[1:]
    if isinstance(step, str):
        if not isinstance(value, dict):
            value = holder[place] = {}
        value.setdefault(step, {})
        _set(value, step, rest, news)
        return
    if not isinstance(value, list):
        holder[place] = []
        return
    for number in range(len(value)) if step is None else [step]:
        if number < len(value):
            _set(value, number, rest, news)


def delete_at(value: Any, path: Path) -> None:
    """Take away what stands at a path; one that ends in an element's number takes nothing, ``[]`` empties the list."""
    step, rest = path[0], path[1:]
    if not rest:
        if isinstance(step, str) and isinstance(value, dict):
            value.pop(step, None)
        elif step is None and isinstance(value, list):
            value.clear()
        return
    for below in find(value, (step,)):
        delete_at(below, rest)


# -- selectors: which part of a payload an answer carries --------------------------------------------------------------

_Tree = dict[Step, Any]  # True: everything below


class Selector:
    """``with_payload`` as it is asked for: all, nothing, or some paths, to be shown or to be left out."""

    def __init__(self, value: Any, default: bool = False):
        self.everything = default
        self._tree: _Tree | None = None
        self._exclude = False
        if value is None or isinstance(value, bool):
            self.everything = default if value is None else value
            return
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("include", "exclude"):
            self._exclude = "exclude" in value
            value = next(iter(value.values()))
        if not isinstance(value, list):
            raise bad(f"with_payload: expected true, false, a list of paths, 'include' or 'exclude', got {value!r}")
        self._tree = {}
        for text in value:
            node = self._tree
            *parents, last = path_of(text, "with_payload")
            for step in parents:
                node = node.setdefault(step, {})
                if node is True:
                    break
            else:
                node[last] = True

    def of(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """What is shown of a payload; None where nothing is to be."""
        if self._tree is None:
            return payload if self.everything else None
        return _without(payload, self._tree) if self._exclude else _only(payload, self._tree)


def _only(value: Any, tree: _Tree) -> Any:
    if isinstance(value, dict):
        return {key: one if tree[key] is True else _only(one, tree[key]) for key, one in value.items() if key in tree}
    if isinstance(value, list):
        if None not in tree:
            return []
        return value if tree[None] is True else [_only(one, tree[None]) for one in value]
    return value


def _without(value: Any, tree: _Tree) -> Any:
    if isinstance(value, dict):
        kept = {}
        for key, one in value.items():
            if key not in tree:
                kept[key] = one
            elif tree[key] is not True:
                kept[key] = _without(one, tree[key])
        return kept
    if isinstance(value, list):
        if None not in tree:
            return value
        return [] if tree[None] is True else [_without(one, tree[None]) for one in value]
    return value

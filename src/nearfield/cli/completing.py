"""What can stand where on the command line, taken from the parsers: the shells' completions are written from this."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .parsers import COMMANDS, command_parser, top_parser

FILES, FOLDERS, NOTHING = "files", "folders", "nothing"
_ENCODERS = ("wordllama", "onnx:", "st:")
_PLAIN = re.compile(r"[\w.:@+-]+")


@dataclass(frozen=True)
class Value:
    """What follows an option, or stands at a place: one of ``words``, or a name of ``kind``.

    ``metavar`` is what help calls it, ``several`` whether it may be repeated.
    """

    metavar: str
    kind: str = NOTHING
    words: tuple[str, ...] = ()
    several: bool = False


@dataclass(frozen=True)
class Option:
    """``--metric`` and its like: all its spellings, its value if it takes one, and its help in one sentence."""

    flags: tuple[str, ...]
    value: Value | None
    help: str
    repeated: bool = False


@dataclass(frozen=True)
class Line:
    """A command: ``("search",)``, ``("bench", "peers")`` or ``()`` for what stands before one."""

    command: tuple[str, ...]
    summary: str
    options: tuple[Option, ...]
    places: tuple[Value, ...]


def lines() -> list[Line]:
    """Every command with its options and places, the bare ``nearfield`` first.

    Examples
    --------
    >>> [line.command for line in lines()][:2]
    [(), ('demo',)]
    """
    bare = _line(top_parser(), (), "")
    rest = [line for name, summary in COMMANDS.items() for line in _lines(command_parser(name), (name,), summary)]
    return [bare, *rest]


def _lines(parser: argparse.ArgumentParser, command: tuple[str, ...], summary: str) -> Iterator[Line]:
    yield _line(parser, command, summary)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {one.dest: one.help for one in action._choices_actions}
            for name, below in action.choices.items():
                yield from _lines(below, (*command, name), summaries.get(name) or "")


def _line(parser: argparse.ArgumentParser, command: tuple[str, ...], summary: str) -> Line:
    options = tuple(_option(parser, action) for action in parser._actions if action.option_strings)
    places = tuple(_value(action, command) for action in parser._actions if not action.option_strings)
    return Line(command, summary, options, places)


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    help = " ".join((action.help or "").split()) % {"prog": parser.prog, "default": action.default}
    # Words behind --hybrid are the question, which may as well stand elsewhere: not a value of its own.
    takes = action.nargs not in (0, "*")
    value = _value(action, ()) if takes else None
    return Option(tuple(action.option_strings), value, help, isinstance(action, argparse._AppendAction))


def _value(action: argparse.Action, command: tuple[str, ...]) -> Value:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    several = action.nargs in ("*", "+")
    words: tuple[str, ...] = tuple(map(str, action.choices or ()))
    if action.dest.endswith("encoder"):
        words = _ENCODERS
    elif command == ("evidence",):
        from ..evidence.registry import NAMES

        words = NAMES
    for word in words:
        if not _PLAIN.fullmatch(word):
            raise ValueError(f"{action.dest}: expected words that no shell takes apart, got {word!r}")
    kind = NOTHING
    if action.type is Path and not words:
        kind = FOLDERS if action.dest in ("store", "folder", "out") else FILES
    return Value(metavar, kind, words, several)

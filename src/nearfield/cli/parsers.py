"""The commands and their parsers. A command's module is imported only when its own parser is asked for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMMANDS = {
    "demo": "the whole of it on the documentation of your Python packages, in two minutes",
    "index": "make a store from texts or vectors: .npy .parquet .csv .jsonl, or a folder of text files",
    "search": "ask a store",
    "survey": "measure a space: what kind it is and what that means for search",
    "tune": "find and apply the fastest recipe that reaches a recall within a budget",
    "compact": "merge a store's segments without what was deleted, and give the space back",
    "upgrade": "move a store to another embedding model while it serves",
    "verify": "check every file of a store, and that every item is found",
    "drift": "whether a new batch still comes from where the stored items came from, and what it costs",
    "stats": "what a store holds and what that costs",
    "dump": "write a store's items to a Parquet file",
    "load": "make a store of a Parquet file: a dump, or any with a column of vectors",
    "serve": "answer over HTTP: REST, a page, and as Qdrant does",
    "tag": "keep moments of a store under names, and go back to them",
    "doctor": "what this machine and installation are, and whether search here finds what it should",
    "bench": "measure beside the peers",
    "evidence": "measure what papers claim",
    "completion": "a script that lets bash, zsh or fish complete commands, options and their values",
}

_EPILOG = """\
exit codes:
  0    done, and the answer is yes
  1    done, and the answer is no: nothing relevant, a damaged store, a target that cannot be met
  2    could not be done; one line on stderr says why
  130  interrupted
  141  the reader of a pipe went away

`nearfield COMMAND --help` describes a command. --json prints one JSON document on stdout. NEARFIELD_PROGRESS=0 hides
progress bars, which are shown on a terminal only; NEARFIELD_DEBUG=1 shows where an error came from.
"""


class _Parser(argparse.ArgumentParser):
    """Paths are named: an empty one, as a variable of the shell that is not set leaves it, is not the folder here."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.register("type", Path, _path)


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    return Path(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command, ``namespace.command`` its name; SystemExit for help and for what is wrong.

    Options may stand before, behind and between the others, so that the words of a question may follow ``-k 3``.
    """
    if not arguments or arguments[0] not in COMMANDS:
        namespace = top_parser().parse_args(arguments)  # help, the version, or an error: all of them end here
        raise AssertionError(f"no command in {list(arguments)}, and yet {namespace}")
    parser = command_parser(arguments[0])
    if parser._subparsers is not None:  # argparse cannot mix options with a command of its own
        namespace = parser.parse_args(arguments[1:])
    else:
        namespace = parser.parse_intermixed_args(arguments[1:])
    namespace.command = arguments[0]
    return namespace


def top_parser() -> argparse.ArgumentParser:
    """The parser of ``nearfield`` itself: it knows the names of the commands, not their arguments."""
    from .. import __version__

    parser = argparse.ArgumentParser(
        prog="nearfield",
        description="Bring vectors (or the things themselves), a target and a budget; get measured answers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nearfield {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary)
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command, as its module describes it."""
    module = importlib.import_module(f".{name}", __package__)
    parser = _Parser(
        prog=f"nearfield {name}",
        description=(module.__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser

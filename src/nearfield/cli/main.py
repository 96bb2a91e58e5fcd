"""``nearfield``: find the command, import it alone, turn errors into one line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from .output import FAILED, INTERRUPTED, PIPE_CLOSED, note

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
    "bench": "measure beside the peers",
    "evidence": "measure what papers claim",
}

_EPILOG = """\
exit codes:
  0    done, and the answer is yes
  1    done, and the answer is no: nothing relevant, a damaged store, a target that cannot be met
  2    could not be done; one line on stderr says why
  130  interrupted

`nearfield COMMAND --help` describes a command. NEARFIELD_PROGRESS=0 hides progress bars, NEARFIELD_DEBUG=1 shows where
an error came from.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : arguments without the program's name; None takes those of the process.

    Examples
    --------
    >>> main(["stats", "no-such-store.nf"])
    2
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            namespace = _parser(arguments).parse_args(arguments)
            return int(importlib.import_module(f".{namespace.command}", __package__).run(namespace))
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (ValueError, TypeError, OSError, RuntimeError, ImportError, MemoryError) as error:
        if os.environ.get("NEARFIELD_DEBUG"):
            raise
        note(_one_line(error))
        return FAILED


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser; only the command that is asked for is imported and gets its arguments."""
    parser = argparse.ArgumentParser(
        prog="nearfield",
        description="Bring vectors (or the things themselves), a target and a budget; get measured answers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nearfield {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f".{name}", __package__) if name == asked else None
        described = (module.__doc__ or "").strip() if module else None
        command = commands.add_parser(
            name, help=summary, description=described, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if module is not None:
            module.add_arguments(command)
    return parser


def _version() -> str:
    from .. import __version__

    return __version__


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, MemoryError):
        return f"not enough memory {error}".strip()
    return str(error) or type(error).__name__

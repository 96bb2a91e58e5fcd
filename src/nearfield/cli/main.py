"""``nearfield``: find the command, import it alone, turn errors into one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from .output import FAILED, INTERRUPTED, PIPE_CLOSED, note
from .parsers import parse


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
            namespace = parse(arguments)
            return int(importlib.import_module(f".{namespace.command}", __package__).run(namespace))
        finally:
            if sys.stdout is not None:  # None: closed by whoever called
                sys.stdout.flush()
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _end_output()  # the reader has seen enough
        return PIPE_CLOSED
    except (ValueError, TypeError, OSError, RuntimeError, ImportError, MemoryError) as error:
        if os.environ.get("NEARFIELD_DEBUG"):
            raise
        note(_one_line(error))
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:  # this is the error: the disk behind it is full
            _end_output()
        return FAILED


def _end_output() -> None:
    """Leave what stdout still holds: Python would try once more at exit, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, MemoryError):
        return f"not enough memory {error}".strip()
    return str(error) or type(error).__name__

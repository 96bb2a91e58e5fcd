"""What passes its checksum and still makes no sense was written by mistake, or to do harm: damage all the same."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from .errors import CorruptFileError


@contextlib.contextmanager
def decoding(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Raise :class:`CorruptFileError` for any error that reading ``what`` leads to: a missing field, a wrong type, a
    number out of range, nesting without end."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise CorruptFileError(path, f"{what} cannot be understood: {_short(error)}") from error


def _short(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= 300 else text[:297] + "..."


def expect(condition: bool, reason: str) -> None:
    """ValueError with the reason unless the condition holds; for use inside :func:`decoding`."""
    if not condition:
        raise ValueError(reason)

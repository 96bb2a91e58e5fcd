from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nearfield.common import CorruptFileError
from nearfield.store.sqlite_errors import translate


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, OSError),
        (sqlite3.SQLITE_IOERR_WRITE, OSError),
        (sqlite3.SQLITE_READONLY, OSError),
        (sqlite3.SQLITE_CORRUPT, CorruptFileError),
        (sqlite3.SQLITE_NOTADB, CorruptFileError),
        (sqlite3.SQLITE_BUSY, TimeoutError),
        (sqlite3.SQLITE_TOOBIG, ValueError),
        (sqlite3.SQLITE_MISUSE, sqlite3.OperationalError),
    ],
)
def test_sqlite_errors_are_told_apart(code: int, kind: type[Exception]) -> None:
    error = sqlite3.OperationalError("it said so")
    error.sqlite_errorcode = code
    assert isinstance(translate(error, Path("a.nf")), kind)

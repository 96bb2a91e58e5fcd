"""Bringing the catalogue of an older release up to the present format, in one transaction.

A new catalogue is made in the same way: the tables of format 1, then these steps. So there is one description of every
table, and what is brought up to date is what ``create`` makes.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..common import files

STEPS: dict[int, tuple[str, ...]] = {
    2: (
        "ALTER TABLE state ADD COLUMN clock INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE state ADD COLUMN identity BLOB NOT NULL DEFAULT x''",
        "UPDATE state SET identity = randomblob(8)",
        "CREATE TABLE expiry(key INTEGER PRIMARY KEY, at INTEGER NOT NULL)",
        "CREATE INDEX expiry_at ON expiry(at)",
    ),
    3: (
        "CREATE TABLE encoded(key INTEGER PRIMARY KEY, born INTEGER NOT NULL)",
        "CREATE TABLE incoming(batch INTEGER PRIMARY KEY AUTOINCREMENT, rows INTEGER NOT NULL, keys BLOB NOT NULL, "
        "vectors BLOB NOT NULL, xxh3 INTEGER NOT NULL)",
        "CREATE TABLE arrays(name TEXT PRIMARY KEY, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL, "
        "xxh3 INTEGER NOT NULL)",
    ),
    4: ("CREATE TABLE texts(key INTEGER PRIMARY KEY, text TEXT NOT NULL, xxh3 INTEGER NOT NULL)",),
    # A checksum of their own: who has the store open in an older release goes on reading the rest.
    5: ("ALTER TABLE pending ADD COLUMN bags BLOB", "ALTER TABLE pending ADD COLUMN bags_xxh3 INTEGER"),
}


def steps(version: int, newest: int) -> list[str]:
    """The statements that lead from format ``version`` to ``newest``."""
    return [statement for number in range(version + 1, newest + 1) for statement in STEPS[number]]


def upgrade(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Bring the catalogue to format ``newest``, whole or not at all; nothing is done where it is there already.

    Readers of this release follow as they follow any write. Readers of an older one that have the store open go on as
    before: they know nothing of what the new format adds.
    """
    if connection.execute("PRAGMA user_version").fetchone()[0] >= newest:
        return
    files.step("upgrade", path)
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for statement in steps(version, newest):
            files.step("upgrade", path)
            connection.execute(statement)
        connection.execute("UPDATE state SET generation = generation + 1")
        connection.execute(f"PRAGMA user_version = {newest}")
        files.step("upgrade", path)
        connection.execute("COMMIT")
        files.step("upgrade", path)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

"""Stores from somebody else: rows of the catalogue that lie under right checksums, files that do, altered bytes.

Nothing but :class:`CorruptFileError` and :class:`FormatVersionError` may come of it, nothing outside the directory may
be touched, and what is read at all must hang together.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from nearfield.common import CorruptFileError, FormatVersionError
from nearfield.encode import Bags
from nearfield.quantize import ResidualQuantizer, ScalarQuantizer
from nearfield.store import Store, maintenance
from nearfield.store.attributes import TYPES

Rounds = Callable[[int], Iterator[random.Random]]
REFUSED = (CorruptFileError, FormatVersionError)
NAMES = (
    "parts-cosine",
    "parts-ip-int",
    "judged",
    "pending-text",
    "plan-graph",
    "plan-lists-rotated",
    "plan-graph-fast",
    "now",
    "now",
)
ASKED = [
    {"where": text}
    for text in (
        "\"of string\" in ('é', 'x') or \"of float\" < 0",
        'not "of bool" and year between 1990 and 2005',
        "\"of timestamp\" > '2000-01-01' or \"of string\" like '%é%'",
        "contains(\"of strings\", 'a')",
        'within("of geo", 48, 11, 100)',
    )
]
ODD_VALUES: list[Any] = [
    None, 0, 1, -1, 5, 2**31, 2**62, 2**63 - 1, -(2**63), 0.5, float("inf"), "", "x", "id-3-é", "5", "[", "{}", b"",
    b"x", b"\0" * 8, b"\xff" * 64, struct.pack("<q", -1) * 4, "\x00", "a" * 5000,
]  # fmt: skip


@pytest.fixture(scope="module")
def stores(corpus: Path) -> Path:
    """The stores of the corpus, and one as it is made now, with every type of attribute."""
    path = corpus / "stores" / "now.nf"
    if path.exists():
        return path.parent
    rows = np.random.default_rng(5).standard_normal((90, 8)).astype(np.float32)
    examples: dict[str, Any] = {
        "bool": [True, False, None],
        "int": [2000, 2010, None],
        "float": [0.5, -1e9, None],
        "string": ["é", "", None],
        "timestamp": ["2024-05-01", "1999-01-01T10:00:00", None],
        "strings": [["a", "b"], [], None],
        "geo": [(48.1, 11.6), (-33.9, 151.2), None],
    }
    kinds = [kind for kind in TYPES if kind in examples]
    names = {("year" if kind == "int" else f"of {kind}"): kind for kind in kinds}
    kept = {"sample": Bags(rows, np.arange(0, 91, 3)), "codec": ResidualQuantizer(2), "means": ScalarQuantizer(8)}
    with (
        pytest.MonkeyPatch.context() as patch,
        Store.create(path, 8, attributes=names, text="t", bags=kept) as store,
    ):
        patch.setattr(maintenance, "MIN_INDEXED", 20)
        patch.setattr(maintenance, "SCANNED_ROWS", 20)
        ids = [f"id-{n}-é" for n in range(90)]
        columns = {name: [examples[kind][n % 3] for n in range(90)] for name, kind in names.items()}
        said = {
            "payload": [{"t": f"lift {n}"} for n in range(60)],
            "text": [f"drag {n}" if n % 3 else None for n in range(60)],
            "bags": [rows[n : n + n % 4] for n in range(60)],
        }
        store.add(ids[:60], rows[:60], attributes={name: column[:60] for name, column in columns.items()}, **said)
        store.compact()
        own = {name: column[60:] for name, column in columns.items()}
        store.add(ids[60:], rows[60:], attributes=own, payload=ids[60:], bags=[rows[n : n + n % 4] for n in range(30)])
        store.delete(ids[3:80:7])
    return path.parent


def signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def check_of(*parts: Any) -> int | None:
    """A checksum as the format describes it; None where the parts are of no type that has one."""
    try:
        return signed(
            xxhash.xxh3_64_intdigest(
                b"".join(part.encode() if isinstance(part, str) else part or b"" for part in parts)
            )
        )
    except (TypeError, UnicodeEncodeError):
        return None


def mend(connection: sqlite3.Connection, table: str, rowid: str, key: Any) -> None:
    """Make the checksum of one row right again."""
    row = connection.execute(f"SELECT * FROM {table} WHERE {rowid} = ?", (key,)).fetchone()
    if row is None:
        return
    check = None
    try:
        if table == "meta":
            check = check_of(str(row[0]), str(row[1]))
        elif table == "segments":
            check = check_of(b"%d" % row[0], str(row[1]))
        elif table == "pending":
            check = check_of(b"%d %d %d" % (row[1], row[2], len(row[3])), row[3], row[4], row[5])
            if len(row) > 7 and row[7] is not None:
                own = check_of(b"%d" % row[1], row[7])
                connection.execute("UPDATE pending SET bags_xxh3 = ? WHERE batch = ?", (own, key))
        elif table == "items" and row[2] is not None:
            check = check_of(b"%d" % row[0], str(row[2]))
        elif table == "texts":
            check = check_of(b"%d" % row[0], str(row[1]))
        elif table == "scales":
            check = check_of(row[1], row[2])
        elif table == "arrays":
            check = check_of(*row[:4])
    except TypeError:
        return
    if check is not None:
        connection.execute(f"UPDATE {table} SET xxh3 = ? WHERE {rowid} = ?", (check, key))


ROWS = {
    "meta": "name",
    "segments": "number",
    "pending": "batch",
    "items": "key",
    "scales": "block",
    "state": "one",
    "deleted": "seq",
    "texts": "key",
    "arrays": "name",
    "words_data": "id",
    "words_docsize": "id",
    "words_config": "k",
}


def alter(path: Path, chance: random.Random, mutate_json: Any, dump_json: Any, mutate_bytes: Any) -> str:
    """Change one or two rows of a catalogue and mend their checksums; returns what was done."""
    connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
    done = []
    try:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        tables = [
            name for name in ROWS if name in there and connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]
        ]
        for _ in range(chance.choice((1, 1, 2))):
            table = chance.choice([*tables, "meta", "segments"] if "segments" in tables else [*tables, "meta"])
            rowid = ROWS[table]
            keys = [row[0] for row in connection.execute(f"SELECT {rowid} FROM {table}")]
            if not keys:
                continue
            key = chance.choice(keys)
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            column = chance.choice([name for name in columns if name not in ("xxh3", "bags_xxh3")])
            old = connection.execute(f"SELECT {column} FROM {table} WHERE {rowid} = ?", (key,)).fetchone()[0]
            if column in ("value", "description", "payload") and old is not None and chance.random() < 0.8:
                new: Any = dump_json(mutate_json(json.loads(old), chance), chance)
            elif isinstance(old, bytes) and chance.random() < 0.6:
                new = mutate_bytes(old, chance)
            elif isinstance(old, int) and chance.random() < 0.5:
                new = old + chance.choice((-1, 1, -old, 1000, -1000))
            else:
                new = chance.choice(ODD_VALUES)
            try:
                if chance.random() < 0.06:
                    connection.execute(f"DELETE FROM {table} WHERE {rowid} = ?", (key,))
                    done.append(f"{table} {key!r} deleted")
                    continue
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE {rowid} = ?", (new, key))
            except (sqlite3.Error, OverflowError, UnicodeEncodeError):
                continue
            mend(connection, table, rowid, new if column == rowid else key)
            done.append(f"{table}.{column} of {key!r}: {old!r:.300} -> {new!r:.300}")
    finally:
        connection.close()
    return "; ".join(done)


def attempt(call: Callable[[], Any]) -> Any:
    """The answer, or None when damage was named; or what amounts to it."""
    try:
        return call()
    except REFUSED:
        return None
    except TypeError as error:
        if not str(error).startswith("ids: this store has"):
            raise
        return None
    except ValueError as error:  # no index can be built over what is no number
        named = ("vectors: expected", "text: this store has no texts", "bags: expected", "bags: this store keeps none")
        if not str(error).startswith(named):
            raise
        return None


def read_all(store: Store, queries: np.ndarray) -> None:
    report = attempt(store.verify)
    for options in ({}, {"payload": True}, {"attributes": bool(store.attributes)}, {"where": "year > 2005"}, *ASKED):
        if "where" in options and (
            "year" not in store.attributes or ("of" in options["where"]) != ("of bool" in store.attributes)
        ):
            continue
        hits = attempt(lambda options=options: store.search(queries, 4, **options))
        if hits is not None and report is not None and report.ok:
            assert not np.isnan(hits.distances).any()
    for asked in ((), (queries[0],)) if "of bool" in store.attributes else ():
        hits = attempt(lambda asked=asked: store.search(*asked, text="lift drag 7", k=4, payload=True))
        if hits is not None and report is not None and report.ok:
            assert not np.isnan(hits.distances).any()
    if "of bool" in store.attributes:
        bags = Bags(np.concatenate([queries, queries]), np.array([0, 3, 4]))
        hits = attempt(lambda: store.search(queries, 4, bags=bags, where="year > 2005", candidates=50))
        if hits is not None and report is not None and report.ok:
            assert not np.isnan(hits.distances).any()
        attempt(lambda: store.search(queries, 4, bags=bags, text=["lift", "drag 7"]))
        attempt(lambda: [len(batch) for batch in store.iterate(13, bags=True)])
        attempt(lambda: store.get(["id-3-é"], bags=True))
        attempt(lambda: store.bags)
    attempt(lambda: [len(batch) for batch in store.iterate(13)])
    first = attempt(lambda: next(iter(store.iterate(1)), None))
    attempt(lambda: store.get(["id-3-é", "id-7-é"] if first is not None and isinstance(first.ids[0], str) else [1, 4]))
    for look in (store.stats, lambda: store.plan, lambda: store.judge, lambda: len(store), lambda: store.embedding):
        attempt(look)
    attempt(lambda: "id-3-é" in store)


def write_all(store: Store, vectors: np.ndarray, folder: Path) -> None:
    first = attempt(lambda: next(iter(store.iterate(1)), None))
    new = "new" if first is not None and isinstance(first.ids[0], str) else 10**7
    for call in (
        lambda: store.upsert([new], vectors[:1]),
        lambda: store.delete([new]),
        store.seal,
        lambda: store.snapshot(folder / "copied.nf"),
        store.compact,
        lambda: store.search(vectors[:1], 2),
    ):
        attempt(call)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rows_that_lie(
    stores: Path,
    corpus_vectors: np.ndarray,
    tmp_path: Path,
    rounds: Rounds,
    mutate_json: Any,
    dump_json: Any,
    mutate_bytes: Any,
) -> None:
    queries = np.load(stores.parent / "queries.npy")[:2]
    refused = opened = 0
    for number, chance in enumerate(rounds(49)):
        name = NAMES[number % len(NAMES)]
        folder = tmp_path / f"{number}"
        path = folder / "inner" / "a.nf"
        shutil.copytree(stores / f"{name}.nf", path)
        canaries = [folder / "canary", folder / "inner" / "canary", path / "canary"]
        for canary in canaries:
            canary.write_text("sings")
        done = alter(path, chance, mutate_json, dump_json, mutate_bytes)
        try:
            for read_only in (True, False):
                try:
                    store = Store.open(path, read_only=read_only)
                except REFUSED as error:
                    assert str(path) in str(error)
                    refused += 1
                    continue
                opened += 1
                with store:
                    read_all(store, queries)
                    if not read_only:
                        write_all(store, corpus_vectors, folder)
        except Exception as error:
            raise AssertionError(f"{name}: {done}") from error
        assert all(canary.read_text() == "sings" for canary in canaries), done
        shutil.rmtree(folder, ignore_errors=True)
    assert opened > 15


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_files_that_lie(
    stores: Path,
    corpus_vectors: np.ndarray,
    tmp_path: Path,
    rounds: Rounds,
    mutate_json: Any,
    mutate_bytes: Any,
    containers: Any,
) -> None:
    """Segment files altered, and the catalogue's size and digest of them made to agree."""
    split, join = containers
    queries = np.load(stores.parent / "queries.npy")[:2]
    for number, chance in enumerate(rounds(49)):
        name = NAMES[number % len(NAMES)]
        path = tmp_path / f"{number}" / "a.nf"
        shutil.copytree(stores / f"{name}.nf", path)
        segments = sorted((path / "segments").iterdir())
        if not segments:
            continue
        victim = chance.choice(segments)
        data = victim.read_bytes()
        if victim.suffix == ".nfa" and chance.random() < 0.7:
            header, room = split(data)
            if chance.random() < 0.5:
                data = join(data, json.dumps(mutate_json(header, chance)), room)
            else:  # the content of one array, and its checksum
                entry = chance.choice(header["arrays"])
                begin, end = entry["offset"], entry["offset"] + entry["nbytes"]
                piece = mutate_bytes(data[begin:end], chance)[: end - begin].ljust(end - begin, b"\0")
                data = data[:begin] + piece + data[end:]
                entry["xxh3"] = xxhash.xxh3_64_hexdigest(piece)
                data = join(data, json.dumps(header), room)
        else:
            data = mutate_bytes(data, chance)
        victim.write_bytes(data)
        connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
        for key, text in connection.execute("SELECT number, description FROM segments").fetchall():
            description = json.loads(text)
            for entry in description.values():
                if isinstance(entry, dict) and entry.get("file") == victim.name:
                    entry["bytes"] = len(data)
                    if "root" in entry:
                        entry["root"] = data[16:24].hex()
                    if "xxh3" in entry:
                        entry["xxh3"] = xxhash.xxh3_64_hexdigest(data)
            connection.execute("UPDATE segments SET description = ? WHERE number = ?", (json.dumps(description), key))
            mend(connection, "segments", "number", key)
        connection.close()
        try:
            for read_only in (True, False):
                try:
                    store = Store.open(path, read_only=read_only)
                except REFUSED:
                    continue
                with store:
                    read_all(store, queries)
                    if not read_only:
                        write_all(store, corpus_vectors, path.parent)
        except Exception as error:
            raise AssertionError(f"{name}: {victim.name}") from error
        shutil.rmtree(path.parent, ignore_errors=True)


def test_a_catalogue_of_altered_bytes(
    stores: Path, corpus_vectors: np.ndarray, tmp_path: Path, rounds: Rounds, mutate_bytes: Any
) -> None:
    queries = np.load(stores.parent / "queries.npy")[:2]
    for number, chance in enumerate(rounds(24)):
        path = tmp_path / f"{number}" / "a.nf"
        name = ("parts-cosine", "unclosed", "judged")[number % 3]
        shutil.copytree(stores / f"{name}.nf", path)
        victim = chance.choice(
            [file for file in path.iterdir() if file.name.startswith("catalogue") and not file.name.endswith("shm")]
        )
        victim.write_bytes(mutate_bytes(victim.read_bytes(), chance))
        for read_only in (True, False):
            try:
                with Store.open(path, read_only=read_only) as store:
                    read_all(store, queries)
                    if not read_only:
                        write_all(store, corpus_vectors, path.parent)
            except REFUSED:
                continue
            except OSError as error:  # SQLite could not read or write what it had to
                assert "catalogue.sqlite" in str(error)
        shutil.rmtree(path.parent, ignore_errors=True)


def test_a_file_name_that_leads_out_is_refused(stores: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.nf"
    shutil.copytree(stores / "parts-plain.nf", path)
    (tmp_path / "precious.nfa").write_text("precious")
    connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
    number, text = connection.execute("SELECT number, description FROM segments").fetchone()
    description = json.loads(text)
    description["attributes"] = {
        "file": "../../precious.nfa",
        "bytes": 8,
        "xxh3": xxhash.xxh3_64_hexdigest(b"precious"),
    }
    connection.execute("UPDATE segments SET description = ? WHERE number = ?", (json.dumps(description), number))
    mend(connection, "segments", "number", number)
    connection.close()
    with pytest.raises(CorruptFileError, match="no file of segment"):
        Store.open(path)
    assert (tmp_path / "precious.nfa").read_text() == "precious"


def test_a_trigger_in_the_catalogue_is_refused(stores: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.nf"
    shutil.copytree(stores / "parts-plain.nf", path)
    connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
    connection.execute("CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM items; END")
    connection.close()
    for read_only in (True, False):
        with pytest.raises(CorruptFileError, match="trigger or a view"):
            Store.open(path, read_only=read_only)

"""Files are what ``docs/format.md`` says, byte for byte: read here with struct, json, sqlite3 and a checksum alone."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from nearfield.index import Graph
from nearfield.quantize import Float32, ScalarQuantizer
from nearfield.store import Store, maintenance

DOCUMENT = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
CORPORA = sorted(Path(__file__).parent.glob("*.zip"))
SIZES = {"|b1": 1, "|u1": 1, "<u4": 4, "<i4": 4, "<i8": 8, "<f2": 2, "<f4": 4, "<f8": 8}


@pytest.fixture(scope="module", params=[*(archive.stem for archive in CORPORA), "now"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release, or some made now."""
    path = tmp_path_factory.mktemp("format")
    if request.param != "now":
        with zipfile.ZipFile(Path(__file__).with_name(f"{request.param}.zip")) as archive:
            archive.extractall(path)
        return path
    (path / "stores").mkdir()
    (path / "indexes").mkdir()
    rows = np.random.default_rng(0).standard_normal((90, 8)).astype(np.float32)
    for text in (True, False):
        with (
            pytest.MonkeyPatch.context() as patch,
            Store.create(path / "stores" / f"{text}.nf", 8, attributes={"year": "int"}) as store,
        ):
            patch.setattr(maintenance, "MIN_INDEXED", 10)
            patch.setattr(maintenance, "SCANNED_ROWS", 10)
            ids = [f"é{n}" for n in range(90)] if text else list(range(90))
            store.add(ids[:60], rows[:60], attributes={"year": list(range(60))}, payload=[{"n": n} for n in range(60)])
            store.compact()
            store.add(ids[60:], rows[60:], payload=list(range(30)))
            store.delete(ids[5:70:9])
            store.fit_judge(sample=40, background=40)
            store.add(["x"] if text else [1000], rows[:1])
    Graph("l2", codec=ScalarQuantizer(4), rescore=ScalarQuantizer(8)).build(rows).save(path / "indexes" / "graph.nfa")
    return path


def read_array_file(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Every byte accounted for: prefix, header, gaps, arrays."""
    data = path.read_bytes()
    magic, version, length, check = struct.unpack_from("<8sIIQ", data, 0)
    assert (magic, version) == (b"NEARFLD\0", 1)
    text = data[24 : 24 + length]
    assert len(text) == length and xxhash.xxh3_64_intdigest(text) == check
    header = json.loads(text)
    assert set(header) == {"kind", "version", "meta", "size", "arrays"}
    assert header["size"] == len(data) and len(data) % 64 == 0
    place, arrays = 24 + length, {}
    for entry in header["arrays"]:
        assert set(entry) == {"name", "dtype", "shape", "offset", "nbytes", "xxh3"}
        assert entry["offset"] % 64 == 0 and entry["offset"] - place >= 0
        assert not any(data[place : entry["offset"]])
        assert entry["nbytes"] == SIZES[entry["dtype"]] * math.prod(entry["shape"])
        place = entry["offset"] + entry["nbytes"]
        arrays[entry["name"]] = data[entry["offset"] : place]
        assert xxhash.xxh3_64_hexdigest(arrays[entry["name"]]) == entry["xxh3"]
    assert not any(data[place:]) and len(data) - place < 64
    assert len(arrays) == len(header["arrays"])
    return header, arrays


def numbers(data: bytes, code: str) -> list[Any]:
    return list(struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data))


def test_array_files(folder: Path) -> None:
    files = sorted(folder.rglob("*.nfa"))
    assert len(files) >= 3
    for path in files:
        header, _ = read_array_file(path)
        assert header["kind"] in ("index", "store.vectors") or f"`{header['kind']}`" in DOCUMENT
        assert header["version"] >= 1


def test_index_files_hold_what_their_page_lists(folder: Path) -> None:
    import nearfield.index.files as page

    known = set(re.findall(r"``([a-z.*]+)``", page.__doc__ or ""))
    for path in (folder / "indexes").iterdir():
        header, _ = read_array_file(path)
        for entry in header["arrays"]:
            name = entry["name"]
            assert name in known or name.split(".")[0] + ".*" in known, f"{path.name}: {name} is not described"
        assert {"index", "n", "dim", "metric", "codec", "rescore", "parameters"} <= set(header["meta"])


def test_segments_of_vectors(folder: Path) -> None:
    seen = 0
    for path in folder.rglob("*.vectors.nfa"):
        header, arrays = read_array_file(path)
        entries = {entry["name"]: entry for entry in header["arrays"]}
        assert header["kind"] == "store.vectors" and header["meta"]["metric"] in ("cosine", "ip", "l2")
        n, dim = entries["vectors"]["shape"]
        keys = numbers(arrays["keys"], "q")
        assert len(keys) == n and all(a < b for a, b in itertools.pairwise(keys))
        assert ("scale" in arrays) == (header["meta"]["metric"] == "cosine")
        vectors = numbers(arrays["vectors"], "f" if entries["vectors"]["dtype"] == "<f4" else "e")
        for row, scale in enumerate(numbers(arrays.get("scale", b""), "f")):
            length = math.sqrt(sum(x * x for x in vectors[row * dim : (row + 1) * dim]))
            assert math.isclose(scale, 1 / length, rel_tol=1e-5)
        if "ids" in arrays:
            assert len(numbers(arrays["ids"], "q")) == n and "ids_utf8" not in arrays
        else:
            offsets = numbers(arrays["ids_offsets"], "q")
            assert len(offsets) == n + 1 and offsets[0] == 0 and offsets[-1] == len(arrays["ids_utf8"])
            assert all(arrays["ids_utf8"][a:b].decode() for a, b in itertools.pairwise(offsets))
        seen += 1
    assert seen >= 2


def catalogues(folder: Path, tmp_path: Path) -> list[tuple[Path, sqlite3.Connection]]:
    found = []
    for path in sorted((folder / "stores").iterdir()):
        copy = tmp_path / path.name
        shutil.copytree(path, copy)
        found.append((copy, sqlite3.connect(copy / "catalogue.sqlite")))
    return found


def signed(*parts: bytes) -> int:
    number = xxhash.xxh3_64_intdigest(b"".join(parts))
    return number - (number >> 63 << 64)


def documented_columns() -> dict[str, set[str]]:
    """Table -> columns, from the page."""
    part = DOCUMENT.split("## Catalogue")[1].split("A segment's description")[0]
    found: dict[str, set[str]] = {}
    table = ""
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 3 or cells[0] in ("table", "---"):
            continue
        names = re.findall(r"`(\w+)`", cells[0])
        table = names[0] if names else table
        found.setdefault(table, set()).update(re.findall(r"`(\w+)`", cells[1]))
    return found


def test_the_catalogue_has_the_tables_of_the_page(folder: Path, tmp_path: Path) -> None:
    documented = documented_columns()
    for path, connection in catalogues(folder, tmp_path):
        assert connection.execute("PRAGMA application_id").fetchone()[0] == 0x4E465354
        assert connection.execute("PRAGMA user_version").fetchone()[0] >= 1
        assert connection.execute("PRAGMA page_size").fetchone()[0] == 8192
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            if table.startswith("sqlite_") or table.split("_")[0] == "words":  # SQLite's own, of FTS5 among them
                continue
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            columns -= {"one", "block"}  # numbers that only tell rows apart
            assert columns <= documented[table] | {"xxh3"}, (path, table)
        assert not connection.execute("SELECT 1 FROM sqlite_schema WHERE type IN ('trigger', 'view')").fetchall()
        connection.close()


def test_every_checksum_of_the_catalogue(folder: Path, tmp_path: Path) -> None:
    counts: dict[str, int] = {}

    def check(table: str, condition: bool) -> None:
        assert condition, table
        counts[table] = counts.get(table, 0) + 1

    for path, connection in catalogues(folder, tmp_path):
        meta = {}
        for name, value, xxh3 in connection.execute("SELECT name, value, xxh3 FROM meta"):
            check("meta", xxh3 == signed(name.encode(), value.encode()))
            meta[name] = json.loads(value)
        for key, payload, xxh3 in connection.execute("SELECT key, payload, xxh3 FROM items"):
            check("items", xxh3 == (None if payload is None else signed(str(key).encode(), payload.encode())))
        width = {"float32": 4, "float16": 2}[meta["dtype"]] * meta["dim"]
        query = "SELECT first_key, rows, ids, vectors, attributes, xxh3 FROM pending"
        for first, rows, ids, vectors, attributes, xxh3 in connection.execute(query):
            check("pending", xxh3 == signed(f"{first} {rows} {len(ids)}".encode(), ids, vectors, attributes or b""))
            assert len(vectors) == rows * width and (attributes is None) == (not meta["attributes"])
            if meta["id_type"] == "int":
                assert len(ids) == 8 * rows
            else:
                offsets = struct.unpack_from(f"<{rows + 1}q", ids)
                assert offsets[0] == 0 and len(ids) == 8 * (rows + 1) + offsets[-1]
        for number, text, xxh3 in connection.execute("SELECT number, description, xxh3 FROM segments"):
            check("segments", xxh3 == signed(str(number).encode(), text.encode()))
            check_files(path / "segments", number, json.loads(text), check)
        for keys, scales, xxh3 in connection.execute("SELECT keys, scales, xxh3 FROM scales"):
            check("scales", xxh3 == signed(keys, scales) and len(keys) == 2 * len(scales))
        generation, items, changes = connection.execute("SELECT generation, items, changes FROM state").fetchone()
        assert items == connection.execute("SELECT COUNT(*) FROM items").fetchone()[0] and generation > 0 <= changes
        connection.close()
    assert set(counts) >= {"meta", "items", "pending", "segments", "vectors", "attributes"}
    assert set(counts) >= {"scales", "index"} or not list((folder / "indexes").iterdir())  # a corpus of all kinds


def test_bags_are_where_the_page_says(tmp_path: Path) -> None:
    bags = [None if n % 4 == 3 else np.arange(2 * (n % 3 + 1), dtype=np.float32).reshape(-1, 2) + n for n in range(40)]
    flat = [b"" if bag is None else bag.tobytes() for bag in bags]
    with Store.create(tmp_path / "a.nf", 4, bags={"dim": 2, "codec": Float32()}) as store:
        store.add(range(40), np.ones((40, 4), np.float32), bags=bags)
        connection = sqlite3.connect(store.path / "catalogue.sqlite")
        ((first, blob, xxh3),) = connection.execute("SELECT first_key, bags, bags_xxh3 FROM pending").fetchall()
        assert xxh3 == signed(str(first).encode(), blob)
        lengths = [len(data) // 8 for data in flat]
        assert struct.unpack_from("<3q", blob) == (sum(lengths), 8, 0)
        assert list(struct.unpack_from("<40q", blob, 24)) == lengths and blob[24 + 320 :] == b"".join(flat)
        store.seal()
        (text,) = connection.execute("SELECT description FROM segments").fetchone()
        connection.close()
    said = json.loads(text)["bags"]
    path = store.path / "segments" / said["file"]
    header, arrays = read_array_file(path)
    assert said["root"] == path.read_bytes()[16:24].hex() and said["bytes"] == path.stat().st_size
    assert (header["kind"], said["vectors"], said["bags"]) == ("store.bags", sum(lengths), 30)
    assert numbers(arrays["offsets"], "q") == [0, *itertools.accumulate(lengths)]
    assert arrays["codes"] == b"".join(flat) and arrays["centers"] == b""


def check_files(segments: Path, number: int, description: dict[str, Any], check: Callable[[str, bool], None]) -> None:
    for part in ("vectors", "attributes", "index"):
        entry = description[part]
        if entry is None:
            continue
        path = segments / entry["file"]
        data = path.read_bytes()
        assert entry["file"].startswith(f"{number:06d}.{part}.") and len(data) == entry["bytes"]
        if part == "attributes":
            check(part, data[:6] == data[-6:] == b"ARROW1" and xxhash.xxh3_64_hexdigest(data) == entry["xxh3"])
        else:
            check(part, data[16:24].hex() == entry["root"])

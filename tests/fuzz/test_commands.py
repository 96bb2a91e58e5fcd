"""The command: whatever it is given, an exit code and one line on stderr; never a traceback, nor a wait without end."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.cli import main
from nearfield.store import Store

Rounds = Callable[[int], Iterator[random.Random]]
CODES = {0, 1, 2}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEARFIELD_PROGRESS", "0")
    monkeypatch.delenv("NEARFIELD_DEBUG", raising=False)

    def call(*arguments: Any) -> int:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:  # usage
            code = int(error.code or 0)
        printed = capsys.readouterr()
        assert code in CODES, (arguments, code)
        assert "Traceback" not in printed.err
        if code == 2:
            assert printed.err.strip(), arguments
        return code

    return call


def npy(rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rng.standard_normal((60, 6)).astype(np.float32))
    return buffer.getvalue()


def lines(rng: np.random.Generator) -> bytes:
    rows = [
        {
            "id": f"r{n}",
            "vector": rng.standard_normal(4).round(3).tolist(),
            "year": 2000 + n,
            "note": ["é", None, {"a": n}][n % 3],
        }
        for n in range(30)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(rng: np.random.Generator) -> bytes:
    rows = [
        f'{n},"[{", ".join(f"{x:.3f}" for x in rng.standard_normal(4))}]",{n % 2 == 0},"a ""quoted"", text"'
        for n in range(30)
    ]
    return ("id,vector,even,note\n" + "\n".join(rows) + "\n").encode()


def parquet(rng: np.random.Generator) -> bytes:
    import datetime as dt

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "id": [f"r{n}" for n in range(30)],
        "vector": rng.standard_normal((30, 4)).tolist(),
        "year": list(range(30)),
        "seen": [dt.datetime(2024, 1, n + 1) for n in range(30)],
        "note": [["é", None, str(n)][n % 3] for n in range(30)],
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, row_group_size=11)
    return buffer.getvalue()


KINDS = {"npy": npy, "jsonl": lines, "csv": table, "parquet": parquet}


@pytest.mark.parametrize("kind", KINDS)
def test_altered_files(run: Callable[..., int], tmp_path: Path, rounds: Rounds, mutate_bytes: Any, kind: str) -> None:
    sound = KINDS[kind](np.random.default_rng(0))
    path = tmp_path / f"a.{kind}"
    path.write_bytes(sound)
    extra = [] if kind == "npy" else ["--vector-column", "vector"]
    assert run("index", path, "a.nf", "--no-judge", *extra) == 0
    shutil.rmtree(tmp_path / "a.nf")
    for chance in rounds(30):
        path.write_bytes(
            mutate_bytes(sound, chance) if chance.random() < 0.9 else chance.randbytes(chance.randrange(300))
        )
        metric = chance.choice(("cosine", "l2", "ip"))
        run("index", path, "a.nf", "--no-judge", "--metric", metric, *(extra if chance.random() < 0.7 else []))
        if (tmp_path / "a.nf").exists():
            with Store.open(tmp_path / "a.nf") as store:
                assert store.verify().ok
            shutil.rmtree(tmp_path / "a.nf")
        assert sorted(os.listdir(tmp_path)) == [path.name]


def header_of(text: str, version: int = 1) -> bytes:
    body = text.encode("latin-1")
    length = struct.pack("<H", len(body)) if version == 1 else struct.pack("<I", len(body))
    return b"\x93NUMPY" + bytes([version, 0]) + length + body


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000000000000), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 4), }\n",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (4, 2), }\n",
    "{'descr': '|O', 'fortran_order': False, 'shape': (4, 2), }\n",
    "{'descr': '<U4', 'fortran_order': False, 'shape': (4, 2), }\n",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4, 2), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4L, 2L), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 0), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 4, }\n",
    "{'descr': None, 'fortran_order': None, 'shape': None}\n",
    "{" * 5000,
    "(" * 5000 + "\n",
    "'''\n",
    "__import__('os')",
    "",
    "é\x00",
]


@pytest.mark.parametrize("number", range(len(HEADERS)))
def test_headers_of_npy_files(run: Callable[..., int], tmp_path: Path, store: Path, number: int) -> None:
    for version in (1, 2, 3, 9):
        data = header_of(HEADERS[number], version) + np.arange(8, dtype=np.float32).tobytes()
        (tmp_path / "a.npy").write_bytes(data)
        run("index", "a.npy", "b.nf", "--no-judge", "--metric", "l2")
        shutil.rmtree(tmp_path / "b.nf", ignore_errors=True)
        run("search", store, "--vector", "a.npy")
        np.save(tmp_path / "c.npy", np.eye(4, dtype=np.float32))
        run("index", "c.npy", "b.nf", "--no-judge", "--ids", "a.npy")
        shutil.rmtree(tmp_path / "b.nf", ignore_errors=True)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.nf"
    with Store.create(path, 4, metric="l2", attributes={"year": "int"}) as made:
        made.add(
            list(range(40)),
            np.random.default_rng(0).standard_normal((40, 4), np.float32),
            attributes={"year": list(range(40))},
        )
    return path


def test_archives_and_pickles_named_npy(run: Callable[..., int], tmp_path: Path, store: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.eye(3))
    archive = (tmp_path / "x.npz").read_bytes()
    for data in (archive, archive[:50], b"PK\x03\x04", b"\x80\x04K\x01.", b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00"):
        (tmp_path / "a.npy").write_bytes(data)
        assert run("index", "a.npy", "a.nf") == 2
        assert run("survey", "a.npy") == 2
        assert run("search", store, "--vector", "a.npy") == 2


JSON_LINES = [
    '{"vector": [' + "9" * 400 + "]}", '{"vector": [1e999, NaN, -Infinity]}',
    '{"vector": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"vector": [[1], [2]]}', '{"vector": [true]}',
    '{"vector": {"a": 1}}', '{"vector": []}', '{"id": [1], "vector": [1]}',
    '{"id": 99999999999999999999, "vector": [1]}', '{"id": true, "vector": [1]}', '{"id": "", "vector": [1]}',
    '{"id": "\\ud800", "vector": [1]}', '{"id": "a", "vector": [1], "note": "\\ud800"}',
    '{"id": "a", "id": "b", "vector": [1], "vector": [2]}', '{"id": "a", "vector": [1], "": 1}',
    '{"id": "a", "vector": [1], "note": ' + "9" * 5000 + "}",
    '{"id": "a", "vector": [1], "note": ' + "[" * 500 + "]" * 500 + "}", '{"text": "\\u0000"}', "[]", "null", "1",
    '"x"', "{", "}", "", "\x00", "\ufeff{}",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(JSON_LINES)))
def test_lines_of_json(run: Callable[..., int], tmp_path: Path, number: int) -> None:
    for extra in (
        [],
        ["--vector-column", "vector"],
        ["--vector-column", "vector", "--id-column", "id"],
        ["--attributes", "note"],
    ):
        (tmp_path / "a.jsonl").write_text(JSON_LINES[number] + "\n" + JSON_LINES[number] + "\n")
        run("index", "a.jsonl", "a.nf", "--no-judge", "--metric", "l2", *extra)
        shutil.rmtree(tmp_path / "a.nf", ignore_errors=True)
        (tmp_path / "a.csv").write_text('id,vector,note\n1,"' + JSON_LINES[number].replace('"', '""') + '",2\n')
        run("index", "a.csv", "a.nf", "--no-judge", "--metric", "l2", *extra)
        shutil.rmtree(tmp_path / "a.nf", ignore_errors=True)


def test_tables_of_odd_columns(run: Callable[..., int], tmp_path: Path) -> None:
    import decimal

    import pyarrow as pa
    import pyarrow.parquet as pq

    vector = pa.array([[1.0, 2.0]] * 3)
    tables = [
        pa.Table.from_arrays([vector, vector], names=["v", "v"]),
        pa.Table.from_arrays([vector, pa.array([1, 2, 3])], names=["vector", ""]),
        pa.table({"vector": vector, "when": pa.array([2**62, -(2**62), None], pa.timestamp("us"))}),
        pa.table({"vector": vector, "when": pa.array([1, 2, 3], pa.timestamp("ns"))}),
        pa.table({"vector": vector, "when": pa.array([2**31 - 1, -(2**31), None], pa.date32())}),
        pa.table({"vector": vector, "price": pa.array([decimal.Decimal("1.50")] * 3)}),
        pa.table({"vector": vector, "deep": pa.array([{"a": [{"b": 1}]}] * 3)}),
        pa.table({"vector": vector, "map": pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int64()))}),
        pa.table({"vector": vector, "raw": pa.array([b"\xff\x00"] * 3)}),
        pa.table({"vector": vector, "kind": pa.array(["a", None, "b"]).dictionary_encode()}),
        pa.table({"vector": vector, "none": pa.nulls(3)}),
        pa.table({"vector": vector, "big": pa.array([2**64 - 1] * 3, pa.uint64())}),
        pa.table({"vector": vector, "id": pa.array([2**64 - 1, 1, 2], pa.uint64())}),
        pa.table({"vector": vector, "id": pa.array([1.5, 2.5, None])}),
        pa.table({"vector": pa.array([[1.0], [1.0, 2.0], None])}),
        pa.table({"vector": pa.array([[1.0, None]] * 3)}),
        pa.table({"vector": pa.array([[1e300, 1.0]] * 3)}),
        pa.table({"vector": pa.array([[1, 2]] * 3, pa.list_(pa.int64(), 2))}),
        pa.table({"vector": pa.array([[], [], []], pa.list_(pa.float32()))}),
        pa.table({"text": pa.array([None, "", " "])}),
        pa.table({"vector": vector}).slice(0, 0),
        pa.table({}),
    ]
    for number, table_ in enumerate(tables):
        pq.write_table(table_, tmp_path / "a.parquet")
        names = [name for name in table_.column_names if name not in ("vector", "v", "")]
        for extra in ([], ["--attributes", ",".join(names)] if names else [], ["--vector-column", "vector"]):
            code = run("index", "a.parquet", "a.nf", "--no-judge", "--metric", "l2", *extra)
            if code == 0:
                assert run("stats", "a.nf") == 0, number
            shutil.rmtree(tmp_path / "a.nf", ignore_errors=True)


ARGUMENTS = [
    "", " ", "-", "--", "-1", "0", "1e9", "nan", "inf", "9" * 30, "x" * 5000, "é", "\ud800", "a\x00b", "..", "/",
    ".", "/dev/null", "/proc/self/mem", "store.nf", "missing.nf", "a.npy", "--help", "--json", "-k", "--where",
    "--max-false", "--vector", "--metric", "cosine", "l2", "--dtype", "float16", "--no-judge", "--attributes",
    "year", "year:int", "a:b:c", ":", ",", "--ids", "--recall", "0.5", "2", "--memory", "1KB", "--sample",
    "--repair", "year > 3", "index", "search", "survey", "verify", "stats",
]  # fmt: skip


def test_any_arguments(run: Callable[..., int], tmp_path: Path, store: Path, rounds: Rounds) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((60, 4), np.float32))
    for chance in rounds(120):
        command = chance.choice(("index", "search", "survey", "verify", "stats", "search"))
        rest = chance.choices(ARGUMENTS, k=chance.randrange(6))
        if chance.random() < 0.6 and command != "index":
            rest.insert(0, "a.npy" if command == "survey" else "store.nf")
        run(command, *rest)
        for made in tmp_path.iterdir():
            if made.name not in ("store.nf", "a.npy"):
                shutil.rmtree(made) if made.is_dir() else made.unlink()


def test_folders_with_odd_names(run: Callable[..., int], tmp_path: Path) -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    folder = tmp_path / "folder"
    (folder / "sub\nfolder").mkdir(parents=True)
    for name in (
        "a\nb.txt",
        "#2.md",
        "a.txt#2.txt",
        "-k.txt",
        "é😀.txt",
        "CON.txt",
        " .txt",
        "'\".rst",
        "$(x).md",
        "sub\nfolder/../a.txt",
        "sub\nfolder/a.txt",
    ):
        (folder / name).write_text("some words about a thing\n")
    (folder / "dir.txt").mkdir()
    (folder / "empty.txt").touch()
    os.symlink(folder, folder / "loop")
    os.mkfifo(folder / "pipe.txt")  # reading it would wait for ever
    assert run("index", "folder", "a.nf", "--no-judge") == 0
    with Store.open(tmp_path / "a.nf") as store:
        assert len(store) == 11 and store.verify().ok
    assert run("search", "a.nf", "words") == 0
    os.symlink(tmp_path / "nowhere", folder / "dangling.txt")
    assert run("index", "folder", "b.nf", "--no-judge") == 2
    os.unlink(folder / "dangling.txt")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt")).write_text("a name that is no text\n")
    assert run("index", "folder", "c.nf", "--no-judge") == 2
    os.mkfifo(tmp_path / "pipe.csv")
    assert run("index", "pipe.csv", "d.nf") == 2


def test_a_store_whose_name_is_no_text(run: Callable[..., int], tmp_path: Path, store: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff?#%41.nf"))
    store.rename(odd)
    with Store.open(odd) as opened:
        assert len(opened) == 40 and opened.verify().ok
        opened.snapshot(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.nf")))
    assert run("verify", odd) == 0

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nearfield.store import Store


def test_texts_become_a_searchable_store(run, texts: Path, tmp_path: Path) -> None:
    answer = run("index", texts, "texts.nf", "--attributes", "topic,year:float")
    assert answer.code == 0
    assert "added 180 items of 256 dimensions" in answer.out
    assert "search texts.nf" in answer.out
    with Store.open(tmp_path / "texts.nf", read_only=True) as store:
        assert store.attributes == {"topic": "string", "year": "float"}
        assert store.embedding["encoder"] == "WordLlama"
        assert store.judge is not None
        item = store.get("rail-3")
        assert item.payload == {"text": "The train to blue leaves at noon."}
        assert item.attributes == {"topic": "rail", "year": 2003.0}
        assert store.verify().ok
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.jsonl", "texts.nf"]
    told = run("index", texts, "again.nf", "--attributes", "topic", "--json").json
    assert (told["store"], told["items"], told["encoder"]) == ("again.nf", 180, "WordLlama")
    assert told["judge"]["fitted"] and 0 <= told["judge"]["expected_lost"]["value"] <= 1


def test_vectors_with_row_numbers_or_given_ids(run, vectors: Path, tmp_path: Path) -> None:
    assert run("index", vectors, "a.nf", "--metric", "l2", "--dtype", "float16", "--no-judge").code == 0
    with Store.open(tmp_path / "a.nf", read_only=True) as store:
        assert (len(store), store.metric, str(store.dtype), store.judge) == (300, "l2", "float16", None)
        assert 299 in store
    (tmp_path / "ids.txt").write_text("".join(f"v{row}\n" for row in range(300)))
    assert run("index", vectors, "b.nf", "--ids", "ids.txt").code == 0
    np.save(tmp_path / "ids.npy", np.arange(300) * 10)
    assert run("index", vectors, "c.nf", "--ids", "ids.npy").code == 0
    with Store.open(tmp_path / "b.nf", read_only=True) as store:
        np.testing.assert_array_equal(store.get("v7").vector, np.load(vectors)[7])
    with Store.open(tmp_path / "c.nf", read_only=True) as store:
        assert 2990 in store


def test_vectors_of_a_known_encoder_can_be_asked_in_words(run, tmp_path: Path) -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    from nearfield.encode import WordLlama

    np.save(tmp_path / "w.npy", WordLlama().encode(["a cat", "a dog", "a bank account"]))
    assert run("index", "w.npy", "w.nf", "--encoder", "wordllama").code == 0
    assert run("search", "w.nf", "kitten", "-k", 1, "--json").json["hits"][0]["id"] == 0
    np.save(tmp_path / "x.npy", np.eye(3, 5, dtype=np.float32))
    answer = run("index", "x.npy", "x.nf", "--encoder", "wordllama")
    assert (answer.code, "makes vectors of 256 dimensions, the source holds 5" in answer.err) == (2, True)


def test_a_folder(run, tmp_path: Path) -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    (tmp_path / "notes" / "a.txt").write_text("Backups run every night at two.")
    (tmp_path / "notes" / "deep" / "b.md").write_text(
        "# Kitchen\n\nThe oven is broken.\n\n# Garden\n\nThe roses bloom."
    )
    answer = run("index", "notes", "notes.nf")
    assert answer.code == 0
    assert "needs at least 50 items" in answer.out
    hits = run("search", "notes.nf", "when do the backups run", "--json").json["hits"]
    assert hits[0]["id"] == "a.txt"
    assert {hit["id"] for hit in hits} == {"a.txt", "deep/b.md", "deep/b.md#2"}
    garden = run("search", "notes.nf", "flowers", "--where", "line > 1", "--json").json["hits"]
    assert [(hit["id"], hit["attributes"]) for hit in garden] == [("deep/b.md#2", {"path": "deep/b.md", "line": 5})]


def test_rows_without_text_are_left_out_and_said(run, tmp_path: Path) -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    (tmp_path / "a.csv").write_text("text,note\nfirst,x\n,y\n   ,z\nlast,\n")
    answer = run("index", "a.csv", "a.nf", "--text-column", "text")
    assert "added 2 items of 256 dimensions (2 without text left out)" in answer.out
    with Store.open(tmp_path / "a.nf", read_only=True) as store:
        assert store.get(3).payload == {"text": "last"}


BAD = {
    "empty.csv": (b"", "the file is empty"),
    "header.csv": (b"id,text\n", "the file is empty"),
    "ragged.csv": (b"id,text\n1,one\n2,two,three\n", "line 3: expected 2 fields, got 3"),
    "quote.csv": (b'id,text\n1,"one\n', "line 2: unexpected end of data"),
    "twice.csv": (b"text,text\na,b\n", "column names come twice"),
    "latin.csv": (b"id,text\n1,ok\n2,caf\xe9\n", "line 3: not UTF-8 (byte 6 of the line)"),
    "unclear.csv": (b"one,two\na,b\n", "say --text-column or --vector-column; columns: one (string), two (string)"),
    "numbers.csv": (b"a,b\n1,2\n", "say --text-column or --vector-column; columns: a (int), b (int)"),
    "noid.csv": (b"id,text\n1,one\n,two\n", "line 3: no id in column 'id'"),
    "same.jsonl": (b'{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n', "1"),
    "empty.jsonl": (b"\n\n", "the file is empty"),
    "broken.jsonl": (b'{"text": "a"}\n{"text": "b"\n', "line 2: not JSON"),
    "list.jsonl": (b'{"text": "a"}\n["b"]\n', "line 2: expected a JSON object"),
    "latin.jsonl": (b'{"text": "caf\xe9"}\n', "line 1: not UTF-8"),
    "mixed.jsonl": (b'{"id": 1, "text": "a"}\n{"id": 2, "text": 3}\n', "say --text-column"),
    "unequal.jsonl": (b'{"vector": [1, 2]}\n{"vector": [1]}\n', "line 2: expected a vector of 2 numbers"),
    "nan.jsonl": (b'{"vector": [1, 2]}\n{"vector": [1, NaN]}\n', "finite"),
    "zero.jsonl": (b'{"vector": [1, 2]}\n{"vector": [0, 0]}\n', "zero"),
    "both.jsonl": (b'{"vector": [1, 2], "text": "a"}\n', "say --text-column or --vector-column"),
    "bad.parquet": (b"PAR1 not really", "not a Parquet file"),
    "bad.npy": (b"\x93NUMPY rubbish", "not a .npy file"),
    "what.docx": (b"PK", "expected .npy, .parquet, .csv, .jsonl or a folder"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_and_leaves_nothing(run, tmp_path: Path, name: str) -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    content, said = BAD[name]
    (tmp_path / name).write_bytes(content)
    answer = run("index", name, "out.nf")
    assert answer.code == 2
    assert answer.err.startswith("nearfield: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_bad_input_to_the_real_command(command, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n')
    answer = command("index", "broken.jsonl", "out.nf")
    assert answer.code == 2
    assert answer.err.startswith("nearfield: broken.jsonl: line 2: not JSON")
    missing = command("index", "missing.csv", "out.nf")
    assert (missing.code, missing.err) == (2, "nearfield: missing.csv: no such file or folder\n")
    assert not (tmp_path / "out.nf").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--text-column", "body"), "no column 'body'; columns: id, text, topic, year"),
        (("--vector-column", "text"), "column 'text' holds string values; expected lists of numbers"),
        (("--attributes", "topic,size"), "no column 'size'"),
        (("--attributes", "year:number"), "expected one of bool, int, float, string, timestamp"),
        (("--attributes", "topic:int"), "line 1: expected int, got 'cooking'"),
        (("--id-column", "key"), "no column 'key'"),
        (("--encoder", "bert"), "--encoder: expected wordllama, onnx:FOLDER or st:NAME, got 'bert'"),
        (("--encoder", "onnx:nowhere"), "no directory nowhere"),
        (("--ids", "ids.txt"), "goes with a .npy file"),
    ],
)
def test_bad_options_are_named_and_leave_nothing(run, texts: Path, options: tuple[str, ...], said: str) -> None:
    answer = run("index", texts, "out.nf", *options)
    assert answer.code == 2
    assert said in answer.err
    assert [path.name for path in texts.parent.iterdir()] == ["texts.jsonl"]


def test_an_existing_path_is_left_alone(run, texts: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep me")
    answer = run("index", texts, "mine")
    assert (answer.code, "mine: exists already" in answer.err) == (2, True)
    assert (tmp_path / "mine" / "file").read_text() == "keep me"
    assert "no directory" in run("index", texts, "no/such/place.nf").err


def test_folders_of_texts_say_what_is_wrong(run, tmp_path: Path) -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "picture.png").write_bytes(b"png")
    assert "files with some text, found none" in run("index", "notes", "n.nf").err
    (notes / "good.txt").write_text("A good note.")
    (notes / "old.txt").write_bytes(b"caf\xe9")
    answer = run("index", "notes", "n.nf")
    assert (answer.code, "old.txt: not UTF-8 text (byte 3)" in answer.err) == (2, True)
    answer = run("index", "notes", "n.nf", "--skip-unreadable")
    assert (answer.code, "1 files are not UTF-8" in answer.err) == (0, True)
    assert "has no columns" in run("index", "notes", "m.nf", "--text-column", "x").err


def test_payloads_keep_what_json_can_hold(run, tmp_path: Path) -> None:
    rows = [{"vector": [1.0, float(n)], "score": float("nan"), "deep": {"x": [n, float("inf")]}} for n in range(3)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("index", "a.jsonl", "a.nf").code == 0
    with Store.open(tmp_path / "a.nf", read_only=True) as store:
        assert store.get(2).payload == {"score": None, "deep": {"x": [2, None]}}

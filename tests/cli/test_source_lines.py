from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from nearfield.cli.columns import Choice
from nearfield.cli.source_lines import Csv, Jsonl


def csv(tmp_path: Path, text: str, choice: Choice | None = None) -> Csv:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    return Csv(path, choice or Choice())


def jsonl(tmp_path: Path, rows: list[dict], choice: Choice | None = None) -> Jsonl:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Jsonl(path, choice or Choice())


def test_csv_with_quotes_line_breaks_and_a_byte_order_mark(tmp_path: Path) -> None:
    source = csv(tmp_path, '\ufeffid,text,n\na,"one, ""two""\nthree",1\n\nb,vier é,\n')
    (chunk,) = source.chunks(10)
    assert chunk.ids == ["a", "b"]
    assert chunk.texts == ['one, "two"\nthree', "vier é"]
    assert chunk.payload == [{"n": 1, "text": 'one, "two"\nthree'}, {"text": "vier é"}]


def test_csv_ids_and_typed_attributes(tmp_path: Path) -> None:
    choice = Choice(attributes={"day": None, "ok": None, "code": None})
    source = csv(tmp_path, "id,text,day,ok,code\n5,a,2024-01-02,true,007\n6,b,,,008\n", choice)
    assert source.attributes == {"day": "timestamp", "ok": "bool", "code": "string"}
    (chunk,) = source.chunks(10)
    assert chunk.ids == [5, 6]
    assert chunk.attributes == {"day": [dt.datetime(2024, 1, 2), None], "ok": [True, None], "code": ["007", "008"]}


def test_csv_vectors(tmp_path: Path) -> None:
    source = csv(tmp_path, 'name,vector\nx,"[1, 2.5]"\ny,"[3, 4]"\n')
    assert (source.rows, source.dim) == (2, 2)
    (chunk,) = source.chunks(10)
    np.testing.assert_array_equal(chunk.vectors, [[1, 2.5], [3, 4]])
    assert chunk.ids == [0, 1]
    with pytest.raises(ValueError, match="line 3: expected a vector of 2 numbers"):
        csv(tmp_path, 'vector\n"[1, 2]"\n"[1]"\n')
    with pytest.raises(ValueError, match="line 3: expected a list of numbers"):
        csv(tmp_path, 'vector\n"[1, 2]"\n"[1, oops]"\n')


def test_jsonl_ids(tmp_path: Path) -> None:
    assert next(jsonl(tmp_path, [{"id": 7, "text": "a"}]).chunks(5)).ids == [7]
    choice = Choice(id="key")
    assert next(jsonl(tmp_path, [{"key": 7, "text": "a"}, {"key": "x", "text": "b"}], choice).chunks(5)).ids == [
        "7",
        "x",
    ]
    for bad in (1.5, True, ["a"], None):
        with pytest.raises(ValueError, match="line 1: "):
            jsonl(tmp_path, [{"key": bad, "text": "a"}], choice)


def test_jsonl_rows_may_differ(tmp_path: Path) -> None:
    rows = [{"text": "a", "extra": {"x": 1}}, {"text": "b", "year": 3}, {"year": 4}, {"text": None}]
    source = jsonl(tmp_path, rows, Choice(attributes={"year": None}))
    assert (source.rows, source.left_out) == (2, 2)
    (chunk,) = source.chunks(10)
    assert chunk.attributes == {"year": [None, 3]}
    assert chunk.payload == [{"extra": {"x": 1}, "text": "a"}, {"text": "b"}]


def test_jsonl_wrong_types_name_the_line(tmp_path: Path) -> None:
    rows = [{"text": "a", "year": 1}, {"text": "b", "year": "2"}]
    with pytest.raises(ValueError, match=r"a\.jsonl: line 2: expected int, got '2'"):
        jsonl(tmp_path, rows, Choice(attributes={"year": "int"}))
    with pytest.raises(ValueError, match="holds other values"):
        jsonl(tmp_path, rows, Choice(attributes={"year": None}))
    with pytest.raises(ValueError, match=r"line 2: .*expected a text, got 3"):
        jsonl(tmp_path, [{"text": "a"}, {"text": 3}], Choice(text="text"))
    with pytest.raises(ValueError, match="line 1: expected int, got True"):
        jsonl(tmp_path, [{"text": "a", "n": True}], Choice(attributes={"n": "int"}))


def test_chunks_have_the_size_asked_for(tmp_path: Path) -> None:
    source = jsonl(tmp_path, [{"vector": [n, 1]} for n in range(1, 26)])
    assert [len(chunk.ids) for chunk in source.chunks(10)] == [10, 10, 5]
    assert [len(chunk.ids) for chunk in source.chunks(25)] == [25]

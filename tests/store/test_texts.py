"""Texts and the index of their words: right after every write, in every copy, and made anew where damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common.errors import CorruptFileError
from nearfield.store import Store, texts

WORDS = ["lift", "drag", "wing", "flow", "heat", "shock", "layer", "nozzle", "beam", "plate"]


def text_of(number: int) -> str:
    return f"item{number} " + " ".join(WORDS[(number * 7 + step) % 10] for step in range(1 + number % 5))


def found(store: Store, text: str, **given: Any) -> list[Any]:
    return [name for name in store.search(text=text, k=100, **given).ids if name is not None]


def held(store: Store) -> dict[Any, str | None]:
    return {name: text for batch in store.iterate(7) for name, text in zip(batch.ids, batch.text or [], strict=True)}


def check(store: Store, wanted: dict[Any, str]) -> None:
    """Every text is there, is found by its own word and by every other, and nothing else is."""
    assert {name: text for name, text in held(store).items() if text is not None} == wanted
    for name, text in wanted.items():
        assert found(store, text.split()[0]) == [name]
    for word in WORDS:
        assert set(found(store, word)) == {name for name, text in wanted.items() if word in text.split()}
    report = store.verify()
    assert report.ok, str(report)


@pytest.mark.parametrize("field", [None, "body"])
def test_every_write_keeps_the_words_right(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, tmp_path: Path, field: str | None
) -> None:
    store = make(text=field)

    def put(numbers: range, call: str = "add", shift: int = 0) -> None:
        said = [text_of(number) + f" shift{shift}" for number in numbers]
        given = {"text": said} if field is None else {"payload": [{"body": text, "n": 1} for text in said]}
        getattr(store, call)(list(numbers), vectors[list(numbers)], **given)
        wanted.update(zip(numbers, said, strict=True))

    wanted: dict[int, str] = {}
    put(range(40))
    put(range(40, 90))  # more than is kept pending: a segment
    put(range(10, 20), "upsert", 1)
    check(store, wanted)
    store.delete(list(range(0, 90, 4)))
    wanted = {name: text for name, text in wanted.items() if name % 4}
    check(store, wanted)
    store.tag("before")
    before = dict(wanted)
    store.seal()
    put(range(4, 8, 4), "add", 2)
    store.compact()
    check(store, wanted)
    with Store.open(store.path, at="before") as tagged:
        check(tagged, before)
    store.snapshot(tmp_path / "copy.nf")
    store.dump(tmp_path / "a.parquet")
    store.restore("before")
    check(store, before)
    for copy in (Store.open(tmp_path / "copy.nf"), Store.load(tmp_path / "a.parquet", tmp_path / "loaded.nf")):
        check(copy, wanted)
        copy.delete([7])
        check(copy, {name: text for name, text in wanted.items() if name != 7})
        copy.close()


def test_a_text_of_its_own_comes_before_that_of_the_payload(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(text="body")
    payload = [{"body": "drag"}, {"body": "drag"}, {"body": 5}, "drag", None]
    store.add(list(range(5)), vectors[:5], payload=payload, text=["lift", None, None, None, ""])
    assert held(store) == {0: "lift", 1: "drag", 2: None, 3: None, 4: ""}
    assert found(store, "lift") == [0] and found(store, "drag") == [1]
    with sqlite3.connect(store.path / "catalogue.sqlite") as connection:
        assert connection.execute("SELECT key FROM texts").fetchall() == [(1,), (5,)]  # no text is stored twice
    store.upsert([0], vectors[:1])
    assert found(store, "lift") == [] and store.get(0).text is None
    assert store.verify().ok


def test_what_expires_is_not_found(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1, 2], vectors[:2], text=["lift", "lift"], expires=["2001-01-01", None])
    assert found(store, "lift") == [2]
    store.compact()
    assert found(store, "lift") == [2] and store.verify().ok


def test_a_store_made_without_is_told_later(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1, 2], vectors[:2], payload=[{"a": "searching", "b": "東京都庁"}, {"a": "searched"}])
    with pytest.raises(ValueError, match="this store has no texts"):
        store.search(text="search")
    store.index_text("a")
    assert sorted(found(store, "search")) == [1, 2]
    store.index_text("a", tokenizer="unicode61")
    assert found(store, "search") == [] and found(store, "SEARCHED") == [2]
    store.index_text("b", tokenizer="trigram")
    assert found(store, "京都庁") == [1] and found(store, "searching") == []
    assert store.stats()["text"] == {"field": "b", "tokenizer": "trigram"} and store.verify().ok
    store.index_text("b", tokenizer="trigram")  # nothing to do
    assert found(store, "京都庁") == [1]


def test_a_reader_follows(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    with Store.open(store.path, read_only=True) as reader:
        for number in range(5):
            store.add([number], vectors[number : number + 1], text=[f"lift w{number}"])
            assert sorted(found(reader, "lift")) == list(range(number + 1))
        store.index_text("x")
        store.delete([3])
        assert sorted(found(reader, "lift")) == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("lift", TypeError, "text: expected a list of one text per item, got str"),
        (["lift"], ValueError, "text: expected 2 texts, one per item, got 1"),
        (["lift", 5], TypeError, "text: expected str or None, got int at position 1"),
        (["lift", "\ud800"], ValueError, "text: expected text that UTF-8 can hold, at position 1"),
        (7, TypeError, "text: expected a list"),
    ],
)
def test_bad_texts_change_nothing(
    make: Callable[..., Store], vectors: np.ndarray, text: Any, error: type[Exception], message: str
) -> None:
    store = make()
    with pytest.raises(error, match=message):
        store.add([1, 2], vectors[:2], text=text)
    assert len(store) == 0 and store.verify().ok
    for given in ({"text": 5}, {"tokenizer": "klingon"}):
        with pytest.raises((TypeError, ValueError), match=r"(text|tokenizer): expected"):
            Store.create(store.path.with_name("b.nf"), 8, **given)


def test_odd_texts_are_kept_as_they_are(make: Callable[..., Store], vectors: np.ndarray) -> None:
    odd = [
        "",
        " ",
        "nul\0inside",
        '"quotes" OR NEAR(x*)',
        "größe ñandú",
        "😀 emoji",
        "x" * 1_000_000,
        "word " * 200_000,
    ]
    store = make()
    store.add(list(range(len(odd))), vectors[: len(odd)], text=odd)
    assert list(held(store).values()) == odd
    assert found(store, "GROSSE") == [] and found(store, "grosse größe") == [4] and found(store, "nandu") == [4]
    assert found(store, "word") == [7] and found(store, "quotes") == [3]
    store.delete(list(range(0, len(odd), 2)))
    assert store.verify().ok


def break_words(store: Store, statement: str) -> None:
    connection = sqlite3.connect(store.path / "catalogue.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.execute("UPDATE state SET generation = generation + 1")
    connection.close()


DAMAGE = {
    "a block": "UPDATE words_data SET block = x'00112233445566778899' WHERE id > 10",
    "its structure": "UPDATE words_data SET block = zeroblob(3) WHERE id = 10",
    "a length": "DELETE FROM words_docsize WHERE id = 3",
    "emptied": "DELETE FROM words_data WHERE id > 10",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("then", ["verify", "write"])
def test_a_damaged_index_of_words_is_found_and_built_again(
    make: Callable[..., Store], vectors: np.ndarray, damage: str, then: str
) -> None:
    store = make()
    store.add(list(range(30)), vectors[:30], text=[text_of(number) for number in range(30)])
    store.close()
    break_words(store, DAMAGE[damage])
    with Store.open(store.path, read_only=True) as reader:
        report = reader.verify()
        assert not report.ok and "index of words" in str(report)
        assert reader.search(vectors[3], 1).ids == [3]  # vectors are none of its business
    with Store.open(store.path) as store:
        wanted = {number: text_of(number) for number in range(30)}
        if then == "write":
            store.delete([5])
            store.add([100], vectors[100:101], text=["item100"])
            wanted.pop(5)
            wanted[100] = "item100"
        report = store.verify(repair=True)
        assert report.ok or "the index of words: built again" in report.repairs
        check(store, wanted)


def test_a_search_that_meets_damage_mends_it_or_says_so(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(30)), vectors[:30], text=[text_of(number) for number in range(30)])
    store.close()
    break_words(store, DAMAGE["a block"])
    with Store.open(store.path, read_only=True) as reader:
        with pytest.raises(CorruptFileError, match=r"the index of words is damaged .*; a writer builds it again"):
            reader.search(text="lift")
        with Store.open(store.path) as store:
            wanted = [number for number in range(30) if "lift" in text_of(number).split()]
            assert sorted(found(store, "lift")) == wanted == sorted(found(reader, "lift"))


def test_a_damaged_text_is_refused_by_name(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1, 2, 3], vectors[:3], text=["lift", "drag", "wing"])
    store.close()
    break_words(store, "UPDATE texts SET text = 'other' WHERE key = 2")
    with Store.open(store.path) as store:
        with pytest.raises(CorruptFileError, match="checksum of the text of item 2 differs"):
            store.get(2)
        assert "checksum of the text of item 2 differs" in str(store.verify())
        store.delete([2])  # with it goes the damage
        assert found(store, "lift drag wing") == [1, 3] and store.verify().ok


def test_compacting_merges_what_the_index_of_words_grew_by(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    for number in range(25):
        store.add([number], vectors[number : number + 1], text=[text_of(number)])
    store.compact()
    with sqlite3.connect(store.path / "catalogue.sqlite") as connection:
        assert connection.execute("SELECT COUNT(DISTINCT segid) FROM words_idx").fetchone()[0] <= 1
    assert store.compact() is False
    check(store, {number: text_of(number) for number in range(25)})


def test_a_reader_of_a_store_without_texts_asks_nothing_of_them(
    make: Callable[..., Store], vectors: np.ndarray
) -> None:
    store = make()
    store.add([1], vectors[:1])
    assert store.get(1).text is None and next(store.iterate()).text is None and store.stats()["text"] is None
    assert store.search(vectors[0], payload=True).text is None
    assert texts.Wording.of({}) is None

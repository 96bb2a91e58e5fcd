from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.store import Store


@pytest.fixture
def place(tmp_path: Path) -> Path:
    with Store.create(tmp_path / "a.nf", 3) as store:
        store.add([1, 2], np.eye(3, dtype=np.float32)[:2])
    return tmp_path / "a.nf"


def test_tags_are_kept_listed_restored_and_removed(run, place: Path) -> None:
    assert run("tag", place).out == "no tags\n"
    assert run("tag", place, "two items").out == "kept 2 items as two items\n"
    with Store.open(place) as store:
        store.delete([1])
    answer = run("tag", place)
    assert answer.code == 0 and answer.out.startswith("two items ") and "2 items" in answer.out
    assert run("tag", place, "--json").json["two items"]["items"] == 2
    np.save(place.with_name("q.npy"), np.float32([1, 0, 0]))
    assert run("search", place, "--vector", "q.npy", "--at", "two items", "--json").json["hits"][0]["id"] == 1
    assert "2 items" in run("tag", place, "two items", "--restore").out
    with Store.open(place) as store:
        assert len(store) == 2
    removed = run("tag", place, "two items", "--remove", "--json").json
    assert removed == {"tag": "two items", "did": "removed", "items": 2}
    assert run("tag", place).out == "no tags\n"


def test_errors_are_lines(run, place: Path) -> None:
    assert "no tag 'x'" in run("tag", place, "x", "--remove").err
    assert "say which tag" in run("tag", place, "--restore").err
    assert run("tag", place, "x", "--json").json == {"tag": "x", "did": "kept", "items": 2}
    answer = run("tag", place, "x")
    assert answer.code == 2 and "a tag 'x' already" in answer.err
